#pragma once
// The configuration: what the YAML says, checked, in the units the parts want. Read at start and
// at each reload. Below each struct stand the rows of its settings, which are all there is to say
// about them: reading, reloading and the JSON Schema follow them, config/reference.yaml is held to
// them by a test. A value of our own and nothing else; [any].

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/app/config_values.hpp"
#include "host/app/setting.hpp"
#include "host/app/yaml_json.hpp"
#include "host/base/limits.hpp"
#include "host/base/log.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/net/flush_mode.hpp"
#include "host/store/synchronous.hpp"
#include "host/wire/deflate.hpp"
#include "host/wire/networks.hpp"
#include "host/wire/origin.hpp"
#include "host/wire/tls.hpp"

namespace broadcast {

struct ServerConfig {
  ListenAddress listen{"0.0.0.0", 5111};
  std::string path = "/ws";
  std::size_t threads = 0;  ///< 0: auto
  FlushMode flush = FlushMode::kAuto;
  std::vector<std::string> origins;
  std::vector<std::string> hosts;  ///< empty: wire/origin decides
  TlsOptions tls;
  std::vector<std::string> trusted_proxies;
  bool proxy_protocol = false;
  bool demo_page = false;
  std::chrono::nanoseconds drain_delay{0};
  std::chrono::nanoseconds drain = std::chrono::seconds(30);
  bool operator==(const ServerConfig&) const = default;
};
template <class Row>
void for_each_setting(Of<ServerConfig>, Row row) {
  using enum Effect;
  using namespace std::chrono_literals;
  using C = ServerConfig;
  row("listen", &C::listen, Parsed<ListenAddress>{take_listen, listen_text}, kRestart,
      "where clients connect: address:port, [ipv6]:port, unix:/path; port 0 is any free one; "
      "sockets that systemd passes are used instead");
  row("path", &C::path, Parsed<std::string>{take_url_path, same_text}, kRestart,
      "path of the WebSocket endpoint");
  row("threads", &C::threads, Parsed<std::size_t>{take_threads, threads_text}, kRestart,
      "shards, 1 to 256; auto: one per core");
  row("flush", &C::flush,
      OneOf<FlushMode>{{"auto", FlushMode::kAuto},
                       {"sendmsg", FlushMode::kSendmsg},
                       {"io_uring", FlushMode::kIoUring}},
      kRestart, "how sockets are written: auto (io_uring where allowed), sendmsg, io_uring");
  row("tls", &C::tls, ReadBy<C>{read_server_tls, nullptr}, kLive,
      R"(TLS to clients: files, or a list of {names: ["*.example.com"], certificate, key}; read again when they change)");
  row("origins", &C::origins, ListOf{expected_origin}, kLive,
      R"(origins of pages that may connect besides the host's own: "https://*.example.com", "http://localhost:*", "*")");
  row("hosts", &C::hosts, ListOf{expected_host}, kLive,
      R"(names under which this host's own pages are requested: ["dashboard.example.com"])");
  row("trusted_proxies", &C::trusted_proxies, ListOf{expected_network}, kLive,
      R"(proxies that say whose a connection is, by Forwarded or X-Forwarded-For: ["10.0.0.0/8", "::1"])");
  row("proxy_protocol", &C::proxy_protocol, Flag{}, kRestart,
      "true: every connection begins with a PROXY header, version 1 or 2, from trusted_proxies");
  row("demo_page", &C::demo_page, Flag{}, kRestart,
      "true: serve a page at / that shows the dashboard's topics");
  row("drain_delay", &C::drain_delay, DurationIn{0ms, 1h}, kLive,
      "at SIGTERM: how long the host goes on serving while /readyz says 503, so that a balancer "
      "sends nobody new");
  row("drain", &C::drain, DurationIn{0ms, 1h}, kLive,
      "after drain_delay: how long clients have to receive what waits for them");
}

struct AdminConfig {
  ListenAddress listen{"127.0.0.1", 5112};
  TlsOptions tls;
  std::vector<TokenConfig> tokens;  ///< not empty beyond loopback
  std::size_t connections = 256;
  bool operator==(const AdminConfig&) const = default;
};
template <class Row>
void for_each_setting(Of<AdminConfig>, Row row) {
  using enum Effect;
  using C = AdminConfig;
  row("listen", &C::listen, Parsed<ListenAddress>{take_address, listen_text}, kRestart,
      "where producers and operators connect; beyond loopback at least one token is required");
  row("tls", &C::tls, ReadBy<C>{read_admin_tls, nullptr}, kLive,
      "TLS to producers and operators, as server.tls");
  row("tokens", &C::tokens, ReadBy<C>{read_tokens, nlohmann::json::array()}, kLive,
      R"(of at least 16 characters: [{token: "${SCANNER_TOKEN}", scopes: [admin, read, publish, "publish:signal:*"]}])");
  row("connections", &C::connections, CountIn{1, 10'000}, kLive,
      "connections at once; beyond this, idle ones are closed; if none is idle, only probes are "
      "answered");
}

/// The members are in base/limits.hpp, each with the counter of its key.
template <class Row>
void for_each_setting(Of<Limits>, Row row) {
  using enum Effect;
  using namespace std::chrono_literals;
  using C = Limits;
  row("message", &C::message_bytes, SizeIn{1_KiB, 64_MiB}, kLive,
      "largest message from a client; one that inflates to more is refused, one that inflates to "
      "ten times this closes the connection");
  row("outbox", &C::outbox_bytes, SizeIn{16_KiB, 1024_MiB}, kLive,
      "bytes that may wait for one client; beyond this a slow reader is closed with 4413");
  row("publish", &C::publish_bytes, SizeIn{1_KiB, 64_MiB}, kLive,
      "largest message, envelope included; at most a quarter of outbox");
  row("write_stall", &C::write_stall, DurationIn{100ms, 1h}, kLive,
      "a client that accepts no data for this long is closed with 4413");
  row("handshake", &C::handshake, DurationIn{100ms, 1h}, kLive,
      "time from the connection to the end of its HTTP request");
  row("topics", &C::topics, CountIn{1, 10'000'000}, kLive, "topics that exist at once");
  row("topics_per_broadcaster", &C::topics_per_broadcaster, OrAuto<CountIn>{{1, 10'000'000}}, kLive,
      "topics of one broadcaster, or of the relay; auto: half of topics, or all of them if no "
      "other broadcaster claims a pattern");
  row("topics_per_connection", &C::topics_per_connection, CountIn{1, 1'000'000}, kLive,
      "at most topics");
  row("topics_per_address", &C::topics_per_address, CountIn{0, 10'000'000}, kLive,
      "topics in demand, now or lately, only because of one address; all clients behind a proxy "
      "count as one address; 0: no limit");
  row("topics_per_request", &C::topics_per_request, CountIn{1, 1'000'000}, kLive,
      "topics in one subscribe or in the query string; at most topics_per_connection");
  row("topic_name", &C::topic_name_bytes, CountIn{1, 255}, kLive, "bytes");
  row("commands_per_second", &C::commands_per_second, CountIn{0, 1'000'000}, kLive,
      "commands of one client, patterns counted by their cost; 0: no limit");
  row("work_per_address", &C::work_per_address, CountIn{0, 1'000'000'000}, kLive,
      "topics a second that the patterns of one address may stand for; 0: no limit");
  row("control_frames_per_second", &C::control_frames_per_second, CountIn{0, 1'000'000}, kLive,
      "pings, pongs and empty fragments of one client; ten times as many may come at once; 0: no "
      "limit");
  row("connections", &C::connections, CountIn{0, 10'000'000}, kLive,
      "connections in all; 0: as many as the descriptors of the process allow");
  row("connections_per_address", &C::connections_per_address, CountIn{0, 10'000'000}, kLive,
      "0: no limit");
  row("accepts_per_second", &C::accepts_per_second, CountIn{0, 1'000'000}, kLive,
      "new connections; the others wait in the kernel's backlog; 0: no limit");
  row("handshakes", &C::handshakes, CountIn{1, 1'000'000}, kLive,
      "handshakes in progress at once; the others wait in the kernel's backlog");
  row("descriptors_reserve", &C::descriptors_reserve, CountIn{16, 1'000'000}, kLive,
      "descriptors kept for broadcasters, state and Redis; those of shards and admin come on top");
  row("memory", &C::memory_bytes, OrAuto<SizeIn>{{1_MiB, 1'000'000_MiB}}, kLive,
      "memory that the host holds for clients; auto: half of what the cgroup or the machine has; "
      "at three quarters, the clients that hold most are closed");
}

struct TopicsConfig {
  bool accept_unknown = false;
  bool operator==(const TopicsConfig&) const = default;
};
template <class Row>
void for_each_setting(Of<TopicsConfig>, Row row) {
  row("unknown", &TopicsConfig::accept_unknown, OneOf<bool>{{"reject", false}, {"accept", true}},
      Effect::kLive, "a topic that no broadcaster serves: reject, or accept silently");
}

template <class Row>
void for_each_setting(Of<DeflateOptions>, Row row) {
  using enum Effect;
  using C = DeflateOptions;
  row("enabled", &C::enabled, Flag{}, kRestart,
      "for clients that offer it; a message is deflated once for all of them");
  row("min_bytes", &C::min_bytes, SizeIn{16, 64_MiB}, kRestart,
      "shorter messages are sent uncompressed");
  row("level", &C::level, CountIn{1, 9}, kRestart, "1 (fast) to 9 (small)");
}

/// What of an `all` topic is kept for those who ask `since`.
struct HistoryConfig {
  std::size_t messages = 256;
  std::chrono::nanoseconds age = std::chrono::hours(24);
  std::size_t bytes = 8_MiB;
  bool operator==(const HistoryConfig&) const = default;
};
template <class Row>
void for_each_setting(Of<HistoryConfig>, Row row) {
  using enum Effect;
  using namespace std::chrono_literals;
  using C = HistoryConfig;
  row("messages", &C::messages, CountIn{0, 1'000'000}, kRestart, "0: none");
  row("age", &C::age, DurationIn{1s, 24h * 365}, kRestart, "");
  row("bytes", &C::bytes, SizeIn{1_KiB, 1024_MiB}, kRestart, "");
}

/// Where numbers, history and last values survive a restart.
struct StateConfig {
  std::string path;  ///< empty: nowhere
  Synchronous synchronous = Synchronous::kFull;
  std::chrono::nanoseconds latest_every = std::chrono::seconds(1);
  bool operator==(const StateConfig&) const = default;
};
template <class Row>
void for_each_setting(Of<StateConfig>, Row row) {
  using enum Effect;
  using namespace std::chrono_literals;
  using C = StateConfig;
  row("path", &C::path, Parsed<std::string>{take_state_file, same_text}, kRestart,
      "file in which numbers, history and last values survive a restart; empty: nothing survives");
  row("synchronous", &C::synchronous,
      OneOf<Synchronous>{{"full", Synchronous::kFull},
                         {"normal", Synchronous::kNormal},
                         {"off", Synchronous::kOff}},
      kRestart,
      "full: each commit waits for the disk; normal: a power failure may lose the last commits; "
      "off: it may also damage the file");
  row("latest_every", &C::latest_every, DurationIn{10ms, 1h}, kRestart,
      "how often last values of topics with delivery latest, and the state that broadcasters keep, "
      "are written");
}

/// Where producers publish besides HTTP, and where they cache.
struct RedisConfig {
  std::string url;                          ///< checked; empty: nowhere
  std::string channels = "ws:broadcast:*";  ///< of Pub/Sub; empty: none
  std::string stream;                       ///< its key; empty: none
  std::chrono::nanoseconds park_after = std::chrono::seconds(30);
  std::string ca;     ///< empty: the system's
  std::string cache;  ///< checked; URL of where broadcasters drop keys; empty: url
  /// Empty: nowhere.
  [[nodiscard]] const std::string& cache_url() const { return cache.empty() ? url : cache; }
  bool operator==(const RedisConfig&) const = default;
};
template <class Row>
void for_each_setting(Of<RedisConfig>, Row row) {
  using enum Effect;
  using namespace std::chrono_literals;
  using C = RedisConfig;
  row("url", &C::url, Parsed<std::string>{AnyText::take, redis_url_text}, kRestart,
      "redis://user:password@host:port/0, rediss:// (TLS), unix:///path?db=0; auto: "
      "CELERY_BROKER_URL, else REDIS_URL; empty: off");
  row("cache", &C::cache, AnyText{}, kRestart,
      "URL of the Redis and database whose keys broadcasters drop; empty: the same as url");
  row("channels", &C::channels, Parsed<std::string>{take_channels, same_text}, kRestart,
      "Pub/Sub channels; the part that matches the star is the topic; empty: none");
  row("stream", &C::stream, Parsed<std::string>{take_stream_key, same_text}, kRestart,
      "key of a Redis stream such as ws:stream; needs state.path to continue where it stopped; "
      "empty: none");
  row("park_after", &C::park_after, DurationIn{0ms, 1h}, kRestart,
      "how long a stream entry waits for an absent broadcaster before it is parked in "
      "<stream>:parked");
  row("ca", &C::ca, Parsed<std::string>{take_file, same_text}, kRestart,
      "file with the certificates to trust with rediss://; empty: the system's");
}

struct LogConfig {
  std::string level = "info";
  LogFormat format = LogFormat::kText;
  bool operator==(const LogConfig&) const = default;
};
template <class Row>
void for_each_setting(Of<LogConfig>, Row row) {
  using enum Effect;
  using C = LogConfig;
  row("level", &C::level,
      OneOf<std::string>{{"trace", "trace"},
                         {"debug", "debug"},
                         {"info", "info"},
                         {"warn", "warn"},
                         {"error", "error"}},
      kLive, "trace, debug, info, warn, error");
  row("format", &C::format,
      OneOf<LogFormat>{{"text", LogFormat::kText}, {"json", LogFormat::kJson}}, kRestart,
      "text, json");
}

struct PluginsConfig {
  std::string directory;          ///< empty: plugins/ beside the binary's bin/
  std::string runtime_directory;  ///< empty: the host's choice
  bool strict = false;
  bool operator==(const PluginsConfig&) const = default;
};
template <class Row>
void for_each_setting(Of<PluginsConfig>, Row row) {
  using enum Effect;
  using C = PluginsConfig;
  row("directory", &C::directory, AnyText{}, kLive,
      "where the libraries are; empty: plugins/ beside the host's bin/");
  row("runtime_directory", &C::runtime_directory, AnyText{}, kRestart,
      "for private copies of the libraries if memory files may not be executed and, without "
      "state.path, for the crash counts; empty: the host's choice");
  row("strict", &C::strict, Flag{}, kRestart,
      R"(true: the host ends if a broadcaster does not start, and messages without "type" are refused)");
}

struct BroadcasterConfig {
  std::size_t place = 0;  ///< among the broadcasters of the file: of two that claim a topic, the
                          ///< first has it
  bool enabled = true;
  std::string library;  ///< file name in plugins.directory, or a path
  std::vector<std::string> permissions;
  std::size_t topics = 0;  ///< 0: as limits.topics_per_broadcaster
  nlohmann::json config = nlohmann::json::object();
  std::map<std::string, YamlPlace> places;  ///< of what is in `config`, by JSON pointer; "" always
};
template <class Row>
void for_each_setting(Of<BroadcasterConfig>, Row row) {
  using enum Effect;
  using C = BroadcasterConfig;
  row("enabled", &C::enabled, Flag{}, kReplaces, "false: not loaded");
  row("library", &C::library, Parsed<std::string>{take_library, nullptr}, kReplaces,
      "default lib<name>.so, in plugins.directory; or a path");
  row("permissions", &C::permissions, ListOf{expected_permission}, kReplaces,
      "clients: count, send to and close clients; cache: drop keys that producers cached");
  row("topics", &C::topics, OrAuto<CountIn>{{1, 10'000'000}}, kLive,
      "topics that this broadcaster may have; auto: limits.topics_per_broadcaster");
  row("config", &C::config, ReadBy<C>{read_plugin_config, nullptr}, kReplaces,
      "the plugin's own settings, checked against the schema in its manifest");
}

struct Config {
  ServerConfig server;
  AdminConfig admin;
  Limits limits;
  DeflateOptions deflate;
  TopicsConfig topics;
  HistoryConfig history;
  StateConfig state;
  RedisConfig redis;
  std::vector<RelayConfig> relay;
  LogConfig log;
  PluginsConfig plugins;
  std::map<std::string, BroadcasterConfig> broadcasters;  ///< by name

  std::string file;  ///< as it was given, for locate(); empty: made by the program
  /// What was passed over when it was read, a line each: "redis.url: CELERY_BROKER_URL ...".
  std::vector<std::string> passed_over;

  /// "config/prod.yaml:41:7: broadcasters.price.config.interval" for "/interval" in the config of
  /// `broadcaster`. What the file does not have is placed where the nearest value around it stands.
  [[nodiscard]] std::string locate(std::string_view broadcaster, std::string_view pointer) const;
};
/// Of `broadcasters` each entry has rows of its own.
template <class Row>
void for_each_setting(Of<Config>, Row row) {
  using enum Effect;
  using C = Config;
  row("server", &C::server, Section{}, kByKey, "");
  row("admin", &C::admin, Section{}, kByKey, "");
  row("limits", &C::limits, Section{}, kByKey, "");
  row("topics", &C::topics, Section{}, kByKey, "");
  row("deflate", &C::deflate, Section{}, kByKey, "permessage-deflate");
  row("history", &C::history, Section{}, kRestart,
      R"(kept for each topic with delivery all, for clients that come back and ask with "since")");
  row("state", &C::state, Section{}, kRestart, "");
  row("redis", &C::redis, Section{}, kRestart,
      "a second way in for producers; status:redis and status:stream report its state");
  row("relay", &C::relay, ReadBy<C>{read_relay, nlohmann::json::array()}, kLive,
      R"(topics passed through from producers as they come: ["news:*", {topic: "log:all", delivery: all}])");
  row("log", &C::log, Section{}, kByKey, "");
  row("plugins", &C::plugins, Section{}, kByKey, "");
}

/// Reads `file`. Throws ConfigError with everything that is wrong, each as
/// `file:line:column: dotted.path: what was expected, what was found`.
[[nodiscard]] Config load_config(const std::string& file, const Environment& environment);

/// The same for a text; `file` only names it.
[[nodiscard]] Config parse_config(std::string_view text, const std::string& file,
                                  const Environment& environment);

/// One step of the above: fills what `root` has, adds what is wrong and every known key to
/// `findings`.
[[nodiscard]] Config read_config(const YamlNode& root, const Environment& environment,
                                 YamlFindings& findings);

/// Where CrashMarker has its file; empty: nowhere. Without a state file nothing of the host's
/// outlives it, but a broadcaster that crashes in START would still take all of them down: then it
/// is in the broadcasters' runtime directory, under the name of the YAML.
[[nodiscard]] std::string crash_marker_path(const Config& config);

/// This process's environment.
[[nodiscard]] Environment process_environment();

}  // namespace broadcast
