#pragma once
// The configuration: what the YAML says, checked, in the units the parts want. Read at start and
// at each reload; config/reference.yaml has every key. A value of our own and nothing else; [any].

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/app/yaml_json.hpp"
#include "host/base/log.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/net/deflate.hpp"
#include "host/net/flush_mode.hpp"
#include "host/store/synchronous.hpp"

namespace broadcast {

/// Where to listen: a numeric address, and 0 for any free port.
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;

  /// Only this machine can reach it.
  [[nodiscard]] bool is_loopback() const;
  bool operator==(const ListenAddress&) const = default;
};

struct ServerConfig {
  ListenAddress listen{"0.0.0.0", 5111};
  std::string path = "/ws";
  std::size_t threads = 0;  ///< 0: auto
  FlushMode flush = FlushMode::kAuto;
  std::vector<std::string> origins;  ///< that may connect besides the host's own
  std::vector<std::string> hosts;    ///< what this host is called; empty: net/origin decides
  bool demo_page = false;            ///< a page that shows the topics, at `/`
  std::chrono::nanoseconds drain = std::chrono::seconds(30);
  bool operator==(const ServerConfig&) const = default;
};

struct TokenConfig {
  std::string token;
  std::vector<std::string> scopes;  ///< admin, read, publish, publish:<topic>, publish:<prefix>*
  bool operator==(const TokenConfig&) const = default;
};

struct AdminConfig {
  ListenAddress listen{"127.0.0.1", 5112};
  std::vector<TokenConfig> tokens;  ///< not empty beyond loopback
  std::size_t connections = 256;
  bool operator==(const AdminConfig&) const = default;
};

struct LimitsConfig {
  std::size_t message_bytes = 64 * 1024;
  std::size_t outbox_bytes = 1024 * 1024;
  std::size_t publish_bytes = 256 * 1024;
  std::chrono::nanoseconds write_stall = std::chrono::seconds(10);
  std::chrono::nanoseconds handshake = std::chrono::seconds(4);
  std::size_t topics = 20'000;
  std::size_t topics_per_broadcaster =
      0;  ///< 0: half of them, all where nobody else claims patterns
  std::size_t topics_per_connection = 1'024;
  std::size_t topics_per_address = 2'048;  ///< in demand because of it; 0: off
  std::size_t topics_per_request = 128;
  std::size_t topic_name_bytes = 255;
  std::uint32_t commands_per_second = 100;        ///< 0: off
  std::size_t work_per_address = 200'000;         ///< topics a second; 0: off
  std::uint32_t control_frames_per_second = 100;  ///< 0: off
  std::size_t connections = 0;                    ///< 0: off
  std::size_t connections_per_address = 0;        ///< 0: off
  std::uint32_t accepts_per_second = 0;           ///< 0: off
  std::size_t handshakes = 4096;                  ///< in progress
  std::size_t descriptors_reserve = 128;
  std::size_t memory_bytes = 0;  ///< that clients make the host hold; 0: half of what there is
  bool operator==(const LimitsConfig&) const = default;
};

struct TopicsConfig {
  bool accept_unknown = false;
  bool operator==(const TopicsConfig&) const = default;
};

/// What of an `all` topic is kept for those who ask `since`.
struct HistoryConfig {
  std::size_t messages = 256;  ///< 0: none
  std::chrono::nanoseconds age = std::chrono::hours(24);
  std::size_t bytes = 8 * 1024 * 1024;
  bool operator==(const HistoryConfig&) const = default;
};

/// Where numbers, history and last values survive a restart.
struct StateConfig {
  std::string path;  ///< empty: nowhere
  Synchronous synchronous = Synchronous::kFull;
  std::chrono::nanoseconds latest_every = std::chrono::seconds(1);
  bool operator==(const StateConfig&) const = default;
};

/// Where producers publish besides HTTP, and where they cache.
struct RedisConfig {
  std::string url;                                                 ///< checked; empty: nowhere
  std::string channels = "ws:broadcast:*";                         ///< of Pub/Sub; empty: none
  std::string stream;                                              ///< its key; empty: none
  std::chrono::nanoseconds park_after = std::chrono::seconds(30);  ///< of a broadcaster's absence
  std::string ca;     ///< file with the certificates to trust with rediss://; empty: the system's
  std::string cache;  ///< checked; URL of where broadcasters drop keys; empty: url
  /// Empty: nowhere.
  [[nodiscard]] const std::string& cache_url() const { return cache.empty() ? url : cache; }
  bool operator==(const RedisConfig&) const = default;
};

/// Topics that are passed through from producers as they come.
struct RelayConfig {
  std::string topic;  ///< "news:krx" or "news:*"
  Delivery delivery = Delivery::kLatest;
  bool operator==(const RelayConfig&) const = default;
};

struct LogConfig {
  std::string level = "info";
  LogFormat format = LogFormat::kText;
  bool operator==(const LogConfig&) const = default;
};

struct PluginsConfig {
  std::string directory;          ///< empty: plugins/ beside the binary's bin/
  std::string runtime_directory;  ///< empty: the host's choice
  bool strict = false;
  bool operator==(const PluginsConfig&) const = default;
};

struct BroadcasterConfig {
  std::size_t place = 0;  ///< among the broadcasters of the file: of two that claim a topic, the
                          ///< first has it
  bool enabled = true;
  std::string library;  ///< file name in plugins.directory, or a path
  std::vector<std::string> permissions;
  std::size_t topics = 0;  ///< of limits.topics; 0: as limits.topics_per_broadcaster
  nlohmann::json config = nlohmann::json::object();
  std::map<std::string, YamlPlace> places;  ///< of what is in `config`, by JSON pointer; "" always
};

struct Config {
  ServerConfig server;
  AdminConfig admin;
  LimitsConfig limits;
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
