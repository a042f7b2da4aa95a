#include "host/app/config_values.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <sys/un.h>

#include "host/app/config.hpp"
#include "host/app/yaml_reader.hpp"
#include "host/base/crash_marker.hpp"
#include "host/hub/relay.hpp"
#include "host/hub/topic_pattern.hpp"
#include "host/wire/origin.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kUnix = "unix:";
constexpr const char* kExpectedAddress =
    "address:port such as 127.0.0.1:5111, [::1]:5111 or localhost:5111";
constexpr std::string_view kPublishScope = "publish:";
constexpr std::size_t kMostNameBytes = 64;  // of a broadcaster
static_assert(kMostNameBytes < CrashFile::kNameBytes);
constexpr std::size_t kMinTokenBytes = 16;  // shorter ones can be guessed
constexpr std::size_t kMaxRedisNameBytes = 255;

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
  map.value("token", token.token, AnyText{});
  if (token.token.size() < kMinTokenBytes || !std::ranges::all_of(token.token, is_visible)) {
    map.fail({"token"},
             "expected a token of at least " + std::to_string(kMinTokenBytes) +
                 " visible ASCII characters without spaces; \"openssl rand -hex 32\" makes one");
  }
  map.scalars("scopes", [&](const std::string& text) -> std::string {
    if (!is_scope(text)) return "admin, read, publish, publish:<topic> or publish:<prefix>*";
    token.scopes.push_back(text);
    return {};
  });
  const YamlNode* scopes = map.given("scopes");
  if (scopes == nullptr || scopes->kind == YamlNode::Kind::kNull ||
      (scopes->kind == YamlNode::Kind::kList && scopes->children.empty())) {
    map.fail({"scopes"}, "a token without scopes allows nothing; expected [admin] or [publish]");
  }
  return token;
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

/// Empty: none.
void read_identity(YamlReader& map, TlsIdentity& identity) {
  map.value("certificate", identity.certificate, Parsed<std::string>{take_file, same_text});
  map.value("key", identity.key, Parsed<std::string>{take_file, same_text});
  if (identity.certificate.empty() != identity.key.empty()) {
    map.fail({"certificate", "key"}, "a certificate and its key belong together; name both files");
  }
}

/// A map for one certificate, or a list where names have certificates of their own.
void read_tls(YamlReader& map, const char* key, TlsOptions& tls) {
  const auto read_item = [&](YamlReader& item) {
    TlsIdentity identity;
    item.scalars("names", [&](const std::string& text) {
      const std::string_view name = text;
      const bool is_name = is_host_name(name.starts_with("*.") ? name.substr(2) : name);
      if (is_name) identity.names.push_back(text);
      return is_name ? "" : "a host name such as a.example.com, or *.example.com";
    });
    read_identity(item, identity);
    if (identity.certificate.empty()) item.fail({"certificate"}, "needs certificate and key");
    tls.identities.push_back(std::move(identity));
  };
  const auto read_map = [&](YamlReader& below) {
    TlsIdentity identity;
    read_identity(below, identity);
    below.list_of_maps("certificates", read_item);
    below.value("client_ca", tls.client_ca, Parsed<std::string>{take_file, same_text});
    below.value("min_version", tls.min_version,
                OneOf<TlsVersion>{{"1.2", TlsVersion::k12}, {"1.3", TlsVersion::k13}});
    if (below.describes()) {
      below.explain("certificate", "file: the certificate, and the chain behind it, PEM", "");
      below.explain("key", "file: its private key, PEM, not encrypted", "");
      below.explain(
          "certificates",
          R"(instead, where names have certificates of their own: [{names: ["*.example.com"], certificate, key}])",
          nlohmann::json::array());
      below.explain("client_ca", "file: clients need a certificate that this CA has signed", "");
      below.explain("min_version", "1.2 or 1.3", "1.2");
    }
    if (!identity.certificate.empty()) {
      if (!tls.identities.empty()) {
        below.fail({"certificates"}, "certificate and key stand beside it: put them into the list");
      }
      tls.identities.push_back(std::move(identity));
    } else if (!tls.client_ca.empty() && tls.identities.empty()) {
      below.fail({"client_ca"}, "needs certificate and key");
    }
  };
  const YamlNode* const given = map.given(key);
  if (given != nullptr && given->kind == YamlNode::Kind::kList && given->children.empty()) {
    map.fail({key}, "an empty list names no certificate; without the key there is no TLS");
  }
  map.map_or_list_of_maps(key, read_map, read_item);
}

}  // namespace

bool ListenAddress::is_loopback() const {
  if (is_unix()) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string take_address(const std::string& text, ListenAddress& listen) {
  std::optional<ListenAddress> parsed = parse_listen(text);
  if (!parsed) return kExpectedAddress;
  listen = std::move(*parsed);
  return {};
}

std::string take_listen(const std::string& text, ListenAddress& listen) {
  if (!text.starts_with(kUnix)) {
    const std::string expected = take_address(text, listen);
    return expected.empty() ? "" : expected + ", or unix: and the path of a socket";
  }
  const std::string path = text.substr(kUnix.size());
  const bool is_path = path.starts_with('/') && !path.ends_with('/') &&
                       path.size() < sizeof sockaddr_un::sun_path &&
                       path.find('\0') == std::string::npos;
  if (!is_path) {
    return "unix: and an absolute path of at most " +
           std::to_string(sizeof sockaddr_un::sun_path - 1) +
           " bytes, such as unix:/run/broadcast-host/ws.sock";
  }
  listen = {.host = {}, .port = 0, .unix_path = path};
  return {};
}

std::string listen_text(const ListenAddress& listen) {
  if (listen.is_unix()) return std::string(kUnix) + listen.unix_path;
  const bool is_v6 = listen.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + listen.host + "]" : listen.host) + ":" + std::to_string(listen.port);
}

std::string take_url_path(const std::string& text, std::string& path) {
  const bool is_path = text.starts_with('/') && std::ranges::all_of(text, is_visible) &&
                       text.find_first_of("?#") == std::string::npos;
  if (!is_path) return "a path such as /ws";
  path = text;
  return {};
}

std::string take_threads(const std::string& text, std::size_t& threads) {
  if (text == "auto") return threads = 0, std::string();
  std::string expected = "auto or a number from 1 to 256";
  if (text.empty() || text.size() > 3 || !std::ranges::all_of(text, is_digit)) return expected;
  const unsigned long number = std::stoul(text);
  if (number < 1 || number > 256) return expected;
  threads = number;
  return {};
}

std::string threads_text(const std::size_t& threads) {
  return threads == 0 ? "auto" : std::to_string(threads);
}

std::string expected_host(std::string_view text) {
  return is_host_name(text) ? "" : "a host's name without a port, such as dashboard.example.com";
}

std::string take_state_file(const std::string& text, std::string& file) {
  const bool is_file = !text.ends_with('/') && text.find('\0') == std::string::npos;
  if (!is_file) return "the path of a file such as /var/lib/broadcast/state.db";
  file = text;
  return {};
}

std::string take_channels(const std::string& text, std::string& channels) {
  const bool is_pattern =
      text.size() > 1 && text.ends_with('*') && text.size() <= kMaxRedisNameBytes &&
      text.find_first_of("*?[\\") == text.size() - 1 && std::ranges::all_of(text, is_visible);
  if (!is_pattern && !text.empty()) return "a prefix and a star such as ws:broadcast:*";
  channels = text;
  return {};
}

std::string take_stream_key(const std::string& text, std::string& key) {
  const bool is_key = text.size() <= kMaxRedisNameBytes && std::ranges::all_of(text, is_visible);
  if (!is_key) return "a key such as ws:stream, without spaces";
  key = text;
  return {};
}

std::string take_file(const std::string& text, std::string& file) {
  if (text.find('\0') != std::string::npos) return "the path of a file";
  file = text;
  return {};
}

std::string take_library(const std::string& text, std::string& library) {
  if (text.empty()) return "the file of a plugin such as " + library;
  library = text;
  return {};
}

std::string expected_permission(std::string_view text) {
  return text == "clients" || text == "cache" ? "" : "one of clients, cache";
}

std::string expected_broadcaster_name(const std::string& name) {
  const bool fits =
      name.size() <= kMostNameBytes && !name.empty() && is_lower(name[0]) &&
      std::ranges::all_of(name, [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
  if (!fits) return "a name of a-z, 0-9 and _ that begins with a letter, at most 64 long";
  const bool is_ours = name == Relay::kName || name == "redis" || name == "stream";
  return is_ours ? "another name: status:" + name + " is the host's own" : "";
}

std::string same_text(const std::string& text) { return text; }

std::string redis_url_text(const std::string& url) { return url.empty() ? "auto" : url; }

void read_server_tls(YamlReader& map, const char* key, ServerConfig& server) {
  read_tls(map, key, server.tls);
}

void read_admin_tls(YamlReader& map, const char* key, AdminConfig& admin) {
  read_tls(map, key, admin.tls);
}

void read_tokens(YamlReader& map, const char* key, AdminConfig& admin) {
  map.list_of_maps(key, [&](YamlReader& item) {
    TokenConfig token = read_token(item);
    if (!token.token.empty() &&
        std::ranges::find(admin.tokens, token.token, &TokenConfig::token) != admin.tokens.end()) {
      item.fail({"token"}, "given twice; give one token all its scopes");
    }
    admin.tokens.push_back(std::move(token));
  });
}

void read_relay(YamlReader& map, const char* key, Config& config) {
  map.scalars_or_maps(
      key,
      [&](const std::string& text) {
        RelayConfig relay;
        std::string expected = take_relay(text, relay);
        if (expected.empty()) config.relay.push_back(std::move(relay));
        return expected;
      },
      [&](YamlReader& item) {
        RelayConfig relay;
        item.value("topic", relay, Parsed<RelayConfig>{take_relay, nullptr});
        if (item.given("topic") == nullptr) {
          item.fail({"topic"}, "expected a topic such as news:krx, or a branch such as news:*");
        }
        item.value("delivery", relay.delivery,
                   OneOf<Delivery>{{"latest", Delivery::kLatest}, {"all", Delivery::kAll}});
        if (!relay.topic.empty()) config.relay.push_back(std::move(relay));
      });
}

void read_plugin_config(YamlReader& map, const char* key, BroadcasterConfig& broadcaster) {
  const std::string path = key_path(map.path(), key);
  broadcaster.places[""] = {map.at(), path};
  const YamlNode* node = map.map(key);
  if (node == nullptr) return;
  JsonFromYaml converted = to_json(*node, path);
  broadcaster.places = std::move(converted.places);
  broadcaster.config = std::move(converted.value);
}

}  // namespace broadcast
