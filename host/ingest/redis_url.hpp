#pragma once
// Where a Redis is and who we are there, out of a URL such as Celery and redis-py read it. A value;
// pure; [any].

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

  /// What is asked of the server's certificate, and what is shown of our own; with kTls.
  struct Tls {
    enum class Verify : std::uint8_t { kNothing, kAuthority, kAuthorityAndName };
    Verify verify = Verify::kAuthorityAndName;
    std::string ca;           ///< file with the certificates to trust
    std::string certificate;  ///< file with our own
    std::string key;          ///< file with its key; empty: it is in the same file
    bool operator==(const Tls&) const = default;
  };
  Tls tls;

  /// For a log: everything but user and password.
  [[nodiscard]] std::string shown() const;
  bool operator==(const RedisUrl&) const = default;
};

/// `redis://user:password@host:port/0`, `rediss://` with TLS, `unix:///path?db=0` (also
/// `redis+socket://`, as Celery has it). Of the query: db, virtual_host, username, password, and
/// with TLS ssl_cert_reqs, ssl_check_hostname, ssl_ca_certs, ssl_certfile, ssl_keyfile. Throws
/// std::invalid_argument that says what was expected, and repeats nothing of the text but the name
/// of a part of the query: it may hold a password.
[[nodiscard]] RedisUrl parse_redis_url(std::string_view text);

/// The parts of the query that have no effect here, such as socket_timeout: they are another
/// client's, or about TLS where there is none. REQUIRES: parse_redis_url() takes it.
[[nodiscard]] std::vector<std::string> unused_parts(std::string_view text);

/// It has a scheme that parse_redis_url() reads, whatever follows it: no `amqp://`.
[[nodiscard]] bool has_redis_scheme(std::string_view text);

}  // namespace broadcast
