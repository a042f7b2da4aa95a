#include "host/app/config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "host/app/yaml_reader.hpp"
#include "host/ingest/redis_url.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kMaxFileBytes = 1_MiB;

// Whether settings fit each other; each by itself has been read.

void check_admin(YamlReader& map, const AdminConfig& admin) {
  if (admin.listen.is_loopback() || !admin.tokens.empty()) return;
  map.fail({"listen"}, listen_text(admin.listen) +
                           " can be reached from beyond this machine and admin.tokens is empty; "
                           "add a token, or listen on 127.0.0.1");
}

void check_server(YamlReader& map, const ServerConfig& server) {
  if (server.proxy_protocol && server.trusted_proxies.empty()) {
    map.fail(
        {"proxy_protocol"},
        "server.proxy_protocol needs server.trusted_proxies: the addresses of the proxies that "
        "may send a PROXY header");
  }
}

void check_limits(YamlReader& map, const Limits& limits) {
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
                          " from the environment is not a Redis URL and is skipped; " +
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

void settle_redis(YamlReader& map, const Environment& environment, RedisConfig& redis,
                  std::vector<std::string>& passed_over) {
  FoundUrl found;
  // "${CELERY_BROKER_URL:-${REDIS_URL:-}}", as files written before `auto` have it.
  const bool is_other_broker = !redis.url.empty() && !has_redis_scheme(redis.url) &&
                               redis.url == environment("CELERY_BROKER_URL");
  if (map.given("url") == nullptr || redis.url == "auto" || is_other_broker) {
    found = find_redis_url(environment, passed_over);
    redis.url = found.url;
  }
  check_redis_url(
      map, "url", redis.url,
      found.variable.empty()
          ? ""
          : " (" + found.variable + " from the environment; url: \"\" switches Redis off)");
  check_redis_url(map, "cache", redis.cache, "");
}

/// Reads a map of the YAML into the struct whose rows it has.
class SettingsReader {
 public:
  /// Both outlive this.
  SettingsReader(const Environment& environment, std::vector<std::string>& passed_over)
      : environment_(environment), passed_over_(passed_over) {}

  template <class Struct>
  void read(YamlReader& map, Struct& into) {
    const Struct defaults = defaults_of<Struct>();
    for_each_setting(Of<Struct>{},
                     [&](const char* key, auto member, const auto& kind, Effect, const char* text) {
                       read_one(map, key, into, member, kind);
                       if (map.describes()) map.explain(key, text, kind.shown(defaults.*member));
                     });
    settle(map, into);
  }

 private:
  /// Not inlined: GCC 12 would take its strings for uninitialized.
  template <class Struct>
  [[gnu::noinline]] static Struct defaults_of() {
    return {};
  }

  template <class Struct, class Value, class Kind>
  void read_one(YamlReader& map, const char* key, Struct& into, Value Struct::*member,
                const Kind& kind) {
    map.value(key, into.*member, kind);
  }
  template <class Struct, class Value>
  void read_one(YamlReader& map, const char* key, Struct& into, Value Struct::*member,
                const ListOf& list) {
    map.scalars(key, [&](const std::string& text) {
      std::string expected = list.expected(text);
      if (expected.empty()) (into.*member).push_back(text);
      return expected;
    });
  }
  template <class Struct, class Value>
  void read_one(YamlReader& map, const char* key, Struct& into, Value Struct::*,
                const ReadBy<Struct>& reader) {
    reader.read(map, key, into);
  }
  template <class Struct, class Value>
  void read_one(YamlReader& map, const char* key, Struct& into, Value Struct::*member,
                const Section&) {
    map.section(key, [&](YamlReader& below) { read(below, into.*member); });
  }

  template <class Struct>
  void settle(YamlReader&, const Struct&) {}
  void settle(YamlReader& map, ServerConfig& server) { check_server(map, server); }
  void settle(YamlReader& map, AdminConfig& admin) { check_admin(map, admin); }
  void settle(YamlReader& map, Limits& limits) { check_limits(map, limits); }
  void settle(YamlReader& map, RedisConfig& redis) {
    settle_redis(map, environment_, redis, passed_over_);
  }

  const Environment& environment_;
  std::vector<std::string>& passed_over_;
};

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
  SettingsReader settings(environment, config.passed_over);
  YamlReader::read(is_map ? root : YamlNode{}, "", findings, [&](YamlReader& map) {
    settings.read(map, config);
    const auto read_broadcaster = [&](const std::string& name, YamlReader& one) {
      BroadcasterConfig broadcaster{.place = config.broadcasters.size(),
                                    .library = "lib" + name + ".so"};
      settings.read(one, broadcaster);
      config.broadcasters[name] = std::move(broadcaster);
    };
    map.named_maps("broadcasters", expected_broadcaster_name, read_broadcaster);
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
