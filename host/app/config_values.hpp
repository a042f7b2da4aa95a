#pragma once
// Values of the YAML that are more than a number or a word, and their readers, which the rows of
// config.hpp name: take_x reads a text into the value or returns what was expected instead,
// expected_x only says so, read_x reads a list or a map. [any]

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/hub/topic_owner.hpp"

namespace broadcast {

class YamlReader;
struct AdminConfig;
struct ServerConfig;
struct BroadcasterConfig;
struct Config;

/// Where to listen: a numeric address, and 0 for any free port; or a Unix socket.
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
  std::string unix_path = {};  ///< not empty: there

  [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
  /// Only this machine can reach it.
  [[nodiscard]] bool is_loopback() const;
  bool operator==(const ListenAddress&) const = default;
};

struct TokenConfig {
  std::string token;
  std::vector<std::string> scopes;  ///< admin, read, publish, publish:<topic>, publish:<prefix>*
  bool operator==(const TokenConfig&) const = default;
};

/// Topics that are passed through from producers as they come.
struct RelayConfig {
  std::string topic;  ///< "news:krx" or "news:*"
  Delivery delivery = Delivery::kLatest;
  bool operator==(const RelayConfig&) const = default;
};

[[nodiscard]] std::string take_listen(const std::string& text, ListenAddress& listen);
/// The same without Unix sockets.
[[nodiscard]] std::string take_address(const std::string& text, ListenAddress& listen);
[[nodiscard]] std::string listen_text(const ListenAddress& listen);
[[nodiscard]] std::string take_url_path(const std::string& text, std::string& path);
[[nodiscard]] std::string take_threads(const std::string& text, std::size_t& threads);
[[nodiscard]] std::string threads_text(const std::size_t& threads);
[[nodiscard]] std::string expected_host(std::string_view text);
[[nodiscard]] std::string take_state_file(const std::string& text, std::string& file);
[[nodiscard]] std::string take_channels(const std::string& text, std::string& channels);
[[nodiscard]] std::string take_stream_key(const std::string& text, std::string& key);
[[nodiscard]] std::string take_file(const std::string& text, std::string& file);
/// REQUIRES: `library` is what it is by default.
[[nodiscard]] std::string take_library(const std::string& text, std::string& library);
[[nodiscard]] std::string expected_permission(std::string_view text);
/// Of the key under `broadcasters:`.
[[nodiscard]] std::string expected_broadcaster_name(const std::string& name);

[[nodiscard]] std::string same_text(const std::string& text);
/// redis.url is looked for in the environment unless the file says otherwise.
[[nodiscard]] std::string redis_url_text(const std::string& url);

void read_server_tls(YamlReader& map, const char* key, ServerConfig& server);
void read_admin_tls(YamlReader& map, const char* key, AdminConfig& admin);
void read_tokens(YamlReader& map, const char* key, AdminConfig& admin);
void read_relay(YamlReader& map, const char* key, Config& config);
void read_plugin_config(YamlReader& map, const char* key, BroadcasterConfig& broadcaster);

}  // namespace broadcast
