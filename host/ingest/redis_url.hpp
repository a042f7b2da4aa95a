#pragma once
// Where a Redis is and who we are there, out of a URL such as Celery and redis-py read it. A value;
// pure; [any].

#include <cstdint>
#include <string>
#include <string_view>

namespace broadcast {

struct RedisUrl {
  enum class Transport : std::uint8_t { kTcp, kTls, kUnix };
  Transport transport = Transport::kTcp;
  std::string host = "localhost";  ///< of TCP and TLS, without brackets
  std::uint16_t port = 6379;
  std::string path;  ///< of the unix socket
  std::string user;
  std::string password;
  std::uint32_t database = 0;

  /// For a log: everything but user and password.
  [[nodiscard]] std::string shown() const;
  bool operator==(const RedisUrl&) const = default;
};

/// `redis://user:password@host:port/0`, `rediss://` with TLS, `unix:///path?db=0` (also
/// `redis+socket://`, as Celery has it). Throws std::invalid_argument that says what was expected
/// and repeats nothing of the text: it may hold a password.
[[nodiscard]] RedisUrl parse_redis_url(std::string_view text);

}  // namespace broadcast
