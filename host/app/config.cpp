#include "host/app/config.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <arpa/inet.h>

#include "host/app/yaml_reader.hpp"
#include "host/base/crash_marker.hpp"
#include "host/hub/relay.hpp"
#include "host/hub/topic_pattern.hpp"
#include "host/ingest/redis_url.hpp"
#include "host/net/origin.hpp"

namespace broadcast {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;
constexpr std::size_t kMaxFileBytes = kMiB;
constexpr std::uint64_t kMillion = 1'000'000;

constexpr std::string_view kPublishScope = "publish:";
constexpr std::size_t kMostNameBytes = 64;  // of a broadcaster
static_assert(kMostNameBytes < CrashFile::kNameBytes);
constexpr std::size_t kMinTokenBytes = 16;  // shorter ones can be guessed

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_visible(char c) { return c > ' ' && c < 0x7F; }

std::optional<ListenAddress> parse_listen(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  const std::string digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > 5 || !std::ranges::all_of(digits, is_digit)) {
    return std::nullopt;
  }
  const unsigned long port = std::stoul(digits);
  const bool in_brackets = host.starts_with('[') && host.ends_with(']');
  if (in_brackets) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  in6_addr address{};
  const bool is_numeric = inet_pton(in_brackets ? AF_INET6 : AF_INET, host.c_str(), &address) == 1;
  if (!is_numeric || port > 65535) return std::nullopt;
  return ListenAddress{host, static_cast<std::uint16_t>(port)};
}

std::string listen_text(const ListenAddress& listen) {
  const bool is_v6 = listen.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + listen.host + "]" : listen.host) + ":" + std::to_string(listen.port);
}

void read_listen(YamlReader& map, ListenAddress& listen) {
  map.scalar("listen", [&](const std::string& text) -> std::string {
    std::optional<ListenAddress> parsed = parse_listen(text);
    if (!parsed) return "address:port such as 127.0.0.1:5111, [::1]:5111 or localhost:5111";
    listen = std::move(*parsed);
    return {};
  });
}

void read_server(YamlReader& map, ServerConfig& server) {
  read_listen(map, server.listen);
  map.scalar("path", [&](const std::string& text) -> std::string {
    const bool is_path = text.starts_with('/') && std::ranges::all_of(text, is_visible) &&
                         text.find_first_of("?#") == std::string::npos;
    if (!is_path) return "a path such as /ws";
    server.path = text;
    return {};
  });
  map.scalar("threads", [&](const std::string& text) -> std::string {
    if (text == "auto") return server.threads = 0, std::string();
    std::string expected = "auto or a number from 1 to 256";
    if (text.empty() || text.size() > 3 || !std::ranges::all_of(text, is_digit)) return expected;
    const unsigned long threads = std::stoul(text);
    if (threads < 1 || threads > 256) return expected;
    server.threads = threads;
    return {};
  });
  map.choice("flush", server.flush,
             {{"auto", FlushMode::kAuto},
              {"sendmsg", FlushMode::kSendmsg},
              {"io_uring", FlushMode::kIoUring}});
  map.scalars("origins", [&](const std::string& text) -> std::string {
    std::string expected = expected_origin(text);
    if (expected.empty()) server.origins.push_back(text);
    return expected;
  });
  map.scalars("hosts", [&](const std::string& text) -> std::string {
    if (!is_host_name(text)) return "a host's name without a port, such as dashboard.example.com";
    server.hosts.push_back(text);
    return {};
  });
  map.flag("demo_page", server.demo_page);
  map.duration("drain", server.drain, {milliseconds(0), hours(1)});
}

bool is_scope(std::string_view scope) {
  if (scope == "admin" || scope == "read" || scope == "publish") return true;
  if (!scope.starts_with(kPublishScope)) return false;
  scope.remove_prefix(kPublishScope.size());
  if (scope.ends_with('*')) scope.remove_suffix(1);
  constexpr std::size_t kMaxTopicBytes = 255;
  return is_topic_name(scope, kMaxTopicBytes);
}

/// Problems name the token's place, never the token.
TokenConfig read_token(YamlReader& map) {
  TokenConfig token;
  map.text("token", token.token);
  if (token.token.size() < kMinTokenBytes || !std::ranges::all_of(token.token, is_visible)) {
    map.fail({"token"}, "expected a token of at least " + std::to_string(kMinTokenBytes) +
                            " visible ASCII characters without spaces, as \"openssl rand -hex 32\" "
                            "makes one");
  }
  map.scalars("scopes", [&](const std::string& text) -> std::string {
    if (!is_scope(text)) return "admin, read, publish, publish:<topic> or publish:<prefix>*";
    token.scopes.push_back(text);
    return {};
  });
  const YamlNode* scopes = map.node("scopes");
  if (scopes == nullptr || scopes->kind == YamlNode::Kind::kNull ||
      (scopes->kind == YamlNode::Kind::kList && scopes->children.empty())) {
    map.fail({"scopes"}, "a token without scopes allows nothing; expected [admin] or [publish]");
  }
  return token;
}

void read_admin(YamlReader& map, AdminConfig& admin) {
  read_listen(map, admin.listen);
  map.list_of_maps("tokens", [&](YamlReader& item) {
    TokenConfig token = read_token(item);
    if (!token.token.empty() &&
        std::ranges::find(admin.tokens, token.token, &TokenConfig::token) != admin.tokens.end()) {
      item.fail({"token"}, "given twice; give one token all its scopes");
    }
    admin.tokens.push_back(std::move(token));
  });
  map.count("connections", admin.connections, {1, 10'000});
  if (!admin.listen.is_loopback() && admin.tokens.empty()) {
    map.fail({"listen"}, listen_text(admin.listen) +
                             " can be reached from beyond this machine and admin.tokens is empty; "
                             "add a token, or listen on 127.0.0.1");
  }
}

void check_limits(YamlReader& map, const LimitsConfig& limits) {
  if (limits.publish_bytes > limits.outbox_bytes / 4) {
    map.fail({"publish", "outbox"}, "limits.publish (" + size_text(limits.publish_bytes) +
                                        ") may be at most a quarter of limits.outbox (" +
                                        size_text(limits.outbox_bytes) + ")");
  }
  if (limits.topics_per_connection > limits.topics) {
    map.fail({"topics_per_connection", "topics"},
             "limits.topics_per_connection (" + std::to_string(limits.topics_per_connection) +
                 ") may be at most limits.topics (" + std::to_string(limits.topics) + ")");
  }
  if (limits.topics_per_request > limits.topics_per_connection) {
    map.fail({"topics_per_request", "topics_per_connection"},
             "limits.topics_per_request (" + std::to_string(limits.topics_per_request) +
                 ") may be at most limits.topics_per_connection (" +
                 std::to_string(limits.topics_per_connection) + ")");
  }
  if (limits.connections != 0 && limits.connections_per_address > limits.connections) {
    map.fail({"connections_per_address"}, "limits.connections_per_address (" +
                                              std::to_string(limits.connections_per_address) +
                                              ") may be at most limits.connections (" +
                                              std::to_string(limits.connections) + ")");
  }
}

void read_limits(YamlReader& map, LimitsConfig& limits) {
  map.size("message", limits.message_bytes, {kKiB, 64 * kMiB});
  map.size("outbox", limits.outbox_bytes, {16 * kKiB, 1024 * kMiB});
  map.size("publish", limits.publish_bytes, {kKiB, 64 * kMiB});
  map.duration("write_stall", limits.write_stall, {milliseconds(100), hours(1)});
  map.duration("handshake", limits.handshake, {milliseconds(100), hours(1)});
  map.count("topics", limits.topics, {1, 10 * kMillion});
  map.count_or_auto("topics_per_broadcaster", limits.topics_per_broadcaster, {1, 10 * kMillion});
  map.count("topics_per_connection", limits.topics_per_connection, {1, kMillion});
  map.count("topics_per_address", limits.topics_per_address, {0, 10 * kMillion});
  map.count("topics_per_request", limits.topics_per_request, {1, kMillion});
  map.count("topic_name", limits.topic_name_bytes, {1, 255});
  map.count("commands_per_second", limits.commands_per_second, {0, kMillion});
  map.count("work_per_address", limits.work_per_address, {0, 1000 * kMillion});
  map.count("control_frames_per_second", limits.control_frames_per_second, {0, kMillion});
  map.count("connections", limits.connections, {0, 10 * kMillion});
  map.count("connections_per_address", limits.connections_per_address, {0, 10 * kMillion});
  map.count("accepts_per_second", limits.accepts_per_second, {0, kMillion});
  map.count("handshakes", limits.handshakes, {1, kMillion});
  map.count("descriptors_reserve", limits.descriptors_reserve, {16, kMillion});
  map.size_or_auto("memory", limits.memory_bytes, {kMiB, kMillion * kMiB});
  check_limits(map, limits);
}

void read_deflate(YamlReader& map, DeflateOptions& deflate) {
  map.flag("enabled", deflate.enabled);
  map.size("min_bytes", deflate.min_bytes, {16, 64 * kMiB});
  map.count("level", deflate.level, {1, 9});
}

void read_history(YamlReader& map, HistoryConfig& history) {
  map.count("messages", history.messages, {0, kMillion});
  map.duration("age", history.age, {seconds(1), hours(24 * 365)});
  map.size("bytes", history.bytes, {kKiB, 1024 * kMiB});
}

void read_state(YamlReader& map, StateConfig& state) {
  map.scalar("path", [&](const std::string& text) -> std::string {
    const bool is_file = !text.ends_with('/') && text.find('\0') == std::string::npos;
    if (!is_file) return "the path of a file such as /var/lib/broadcast/state.db";
    state.path = text;
    return {};
  });
  map.choice(
      "synchronous", state.synchronous,
      {{"full", Synchronous::kFull}, {"normal", Synchronous::kNormal}, {"off", Synchronous::kOff}});
  map.duration("latest_every", state.latest_every, {milliseconds(10), hours(1)});
}

/// A URL, and the variable that it stands in.
struct FoundUrl {
  std::string variable;
  std::string url;
};

/// Where Celery and the dashboard look, too. Celery's broker may be another one than Redis: then it
/// is passed over, as long as there is a Redis.
FoundUrl find_redis_url(const Environment& environment, std::vector<std::string>& passed_over) {
  std::vector<FoundUrl> found;
  for (const char* name : {"CELERY_BROKER_URL", "REDIS_URL"}) {
    if (auto url = environment(name); url && !url->empty())
      found.push_back({name, *std::move(url)});
  }
  const auto chosen = std::ranges::find_if(found, has_redis_scheme, &FoundUrl::url);
  if (chosen == found.end()) return found.empty() ? FoundUrl{} : found.front();
  for (auto other = found.begin(); other != chosen; ++other) {
    passed_over.push_back("redis.url: " + other->variable +
                          " of the environment is not Redis's and is passed over; " +
                          chosen->variable + " is read");
  }
  return *chosen;
}

/// Problems name the place, never the URL: it may hold a password.
void check_redis_url(YamlReader& map, const char* key, const std::string& url,
                     const std::string& hint) {
  if (url.empty()) return;
  try {
    static_cast<void>(parse_redis_url(url));
  } catch (const std::invalid_argument& error) {
    map.fail({key}, error.what() + hint);
  }
}

void read_redis_url(YamlReader& map, const Environment& environment, std::string& url,
                    std::vector<std::string>& passed_over) {
  FoundUrl found;
  const bool is_given = map.node("url") != nullptr;
  map.text("url", url);
  // "${CELERY_BROKER_URL:-${REDIS_URL:-}}", as files written before `auto` have it.
  const bool is_other_broker =
      !url.empty() && !has_redis_scheme(url) && url == environment("CELERY_BROKER_URL");
  if (!is_given || url == "auto" || is_other_broker) {
    found = find_redis_url(environment, passed_over);
    url = found.url;
  }
  check_redis_url(
      map, "url", url,
      found.variable.empty()
          ? ""
          : " (" + found.variable + " of the environment; url: \"\" switches Redis off)");
}

void read_redis(YamlReader& map, const Environment& environment, Config& config) {
  constexpr std::size_t kMaxRedisNameBytes = 255;
  RedisConfig& redis = config.redis;
  read_redis_url(map, environment, redis.url, config.passed_over);
  map.text("cache", redis.cache);
  check_redis_url(map, "cache", redis.cache, "");
  map.scalar("channels", [&](const std::string& text) -> std::string {
    const bool is_pattern =
        text.size() > 1 && text.ends_with('*') && text.size() <= kMaxRedisNameBytes &&
        text.find_first_of("*?[\\") == text.size() - 1 && std::ranges::all_of(text, is_visible);
    if (!is_pattern && !text.empty()) return "a prefix and a star such as ws:broadcast:*";
    redis.channels = text;
    return {};
  });
  map.scalar("stream", [&](const std::string& text) -> std::string {
    const bool is_key = text.size() <= kMaxRedisNameBytes && std::ranges::all_of(text, is_visible);
    if (!is_key) return "a key such as ws:stream, without spaces";
    redis.stream = text;
    return {};
  });
  map.duration("park_after", redis.park_after, {milliseconds(0), hours(1)});
  map.scalar("ca", [&](const std::string& text) -> std::string {
    if (text.find('\0') != std::string::npos) return "the path of a file";
    redis.ca = text;
    return {};
  });
}

std::string take_relay(const std::string& text, RelayConfig& relay) {
  try {
    static_cast<void>(relay_pattern(text, relay.delivery));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  relay.topic = text;
  return {};
}

void read_relay(YamlReader& map, std::vector<RelayConfig>& relays) {
  map.scalars_or_maps(
      "relay",
      [&](const std::string& text) {
        RelayConfig relay;
        std::string expected = take_relay(text, relay);
        if (expected.empty()) relays.push_back(std::move(relay));
        return expected;
      },
      [&](YamlReader& item) {
        RelayConfig relay;
        item.scalar("topic", [&](const std::string& text) { return take_relay(text, relay); });
        if (item.node("topic") == nullptr) {
          item.fail({"topic"}, "expected a topic such as news:krx, or a branch such as news:*");
        }
        item.choice("delivery", relay.delivery,
                    {{"latest", Delivery::kLatest}, {"all", Delivery::kAll}});
        if (!relay.topic.empty()) relays.push_back(std::move(relay));
      });
}

void read_log(YamlReader& map, LogConfig& log) {
  map.choice<std::string>("level", log.level,
                          {{"trace", "trace"},
                           {"debug", "debug"},
                           {"info", "info"},
                           {"warn", "warn"},
                           {"error", "error"}});
  map.choice("format", log.format, {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
}

void read_plugins(YamlReader& map, PluginsConfig& plugins) {
  map.text("directory", plugins.directory);
  map.text("runtime_directory", plugins.runtime_directory);
  map.flag("strict", plugins.strict);
}

std::string expected_name(const std::string& name) {
  const bool fits =
      name.size() <= kMostNameBytes && !name.empty() && is_lower(name[0]) &&
      std::ranges::all_of(name, [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
  if (!fits) return "a name of a-z, 0-9 and _ that begins with a letter, at most 64 long";
  const bool is_ours = name == Relay::kName || name == "redis" || name == "stream";
  return is_ours ? "another name: status:" + name + " is the host's own" : "";
}

void read_broadcaster_config(YamlReader& map, BroadcasterConfig& broadcaster) {
  const std::string path = key_path(map.path(), "config");
  broadcaster.places[""] = {map.at(), path};
  const YamlNode* node = map.map("config");
  if (node == nullptr) return;
  JsonFromYaml converted = to_json(*node, path);
  broadcaster.places = std::move(converted.places);
  broadcaster.config = std::move(converted.value);
}

BroadcasterConfig read_broadcaster(const std::string& name, YamlReader& map) {
  BroadcasterConfig broadcaster;
  broadcaster.library = "lib" + name + ".so";
  map.flag("enabled", broadcaster.enabled);
  map.scalar("library", [&](const std::string& text) -> std::string {
    if (text.empty()) return "the file of a plugin such as lib" + name + ".so";
    broadcaster.library = text;
    return {};
  });
  map.scalars("permissions", [&](const std::string& text) -> std::string {
    if (text != "clients" && text != "cache") return "one of clients, cache";
    broadcaster.permissions.push_back(text);
    return {};
  });
  map.count_or_auto("topics", broadcaster.topics, {1, 10 * kMillion});
  read_broadcaster_config(map, broadcaster);
  return broadcaster;
}

std::string read_file(const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    throw ConfigError({file + ": cannot be read: " + why});
  };
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) refuse(std::generic_category().message(errno));
  std::string text(kMaxFileBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A directory opens, and fails here.
  if (stream.bad()) refuse(std::generic_category().message(errno));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kMaxFileBytes) refuse("larger than " + size_text(kMaxFileBytes));
  return text;
}

}  // namespace

bool ListenAddress::is_loopback() const {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string Config::locate(std::string_view broadcaster, std::string_view pointer) const {
  const auto found = broadcasters.find(std::string(broadcaster));
  if (found == broadcasters.end()) return file + ": broadcasters." + std::string(broadcaster);
  const auto& places = found->second.places;
  std::string known(pointer);
  while (!known.empty() && !places.contains(known)) known.resize(known.rfind('/'));
  const YamlPlace& place = places.at(known);
  std::string path = place.path;
  std::ranges::replace_copy(pointer.substr(known.size()), std::back_inserter(path), '/', '.');
  if (file.empty()) return path;
  return file + ":" + std::to_string(place.at.line) + ":" + std::to_string(place.at.column) + ": " +
         path;
}

Config load_config(const std::string& file, const Environment& environment) {
  return parse_config(read_file(file), file, environment);
}

Config parse_config(std::string_view text, const std::string& file,
                    const Environment& environment) {
  YamlFindings findings;
  const YamlNode root = read_yaml(text, environment, findings);
  Config config = read_config(root, environment, findings);
  findings.throw_if_any(file);
  config.file = file;
  return config;
}

Config read_config(const YamlNode& root, const Environment& environment, YamlFindings& findings) {
  Config config;
  const bool is_map = root.kind == YamlNode::Kind::kMap || root.kind == YamlNode::Kind::kNull;
  if (!is_map) findings.add(root.at, "", "expected a map with keys such as server, broadcasters");
  YamlReader::read(is_map ? root : YamlNode{}, "", findings, [&](YamlReader& map) {
    map.section("server", [&](YamlReader& server) { read_server(server, config.server); });
    map.section("admin", [&](YamlReader& admin) { read_admin(admin, config.admin); });
    map.section("limits", [&](YamlReader& limits) { read_limits(limits, config.limits); });
    map.section("topics", [&](YamlReader& topics) {
      topics.choice("unknown", config.topics.accept_unknown, {{"reject", false}, {"accept", true}});
    });
    map.section("deflate", [&](YamlReader& deflate) { read_deflate(deflate, config.deflate); });
    map.section("history", [&](YamlReader& history) { read_history(history, config.history); });
    map.section("state", [&](YamlReader& state) { read_state(state, config.state); });
    map.section("redis", [&](YamlReader& redis) { read_redis(redis, environment, config); });
    read_relay(map, config.relay);
    map.section("log", [&](YamlReader& log) { read_log(log, config.log); });
    map.section("plugins", [&](YamlReader& plugins) { read_plugins(plugins, config.plugins); });
    map.named_maps("broadcasters", expected_name, [&](const std::string& name, YamlReader& one) {
      BroadcasterConfig read = read_broadcaster(name, one);
      read.place = config.broadcasters.size();
      config.broadcasters[name] = std::move(read);
    });
  });
  return config;
}

std::string crash_marker_path(const Config& config) {
  if (!config.state.path.empty()) return config.state.path + ".running";
  if (config.plugins.runtime_directory.empty() || config.file.empty()) return "";
  std::string yaml = std::filesystem::absolute(config.file).lexically_normal();
  std::ranges::replace(yaml, '/', '-');
  return config.plugins.runtime_directory + "/broadcast-host" + yaml + ".running";
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value =
        std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nobody sets one
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

}  // namespace broadcast
