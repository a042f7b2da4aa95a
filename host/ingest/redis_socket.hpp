#pragma once
// The socket below a Redis connection: TCP, TLS or unix, each with the same three operations. One
// read and one write at a time; destroying it cancels them. [ingest]

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>

#include "host/ingest/redis_url.hpp"

namespace broadcast {

class RedisSocket {
 public:
  using Done = std::function<void(boost::system::error_code)>;
  using Read = std::function<void(boost::system::error_code, std::size_t)>;

  virtual ~RedisSocket() = default;

  /// Resolves, connects and, with TLS, shakes hands and checks the name in the certificate.
  virtual void async_connect(Done done) = 0;
  virtual void async_read(boost::asio::mutable_buffer buffer, Read done) = 0;
  virtual void async_write(std::string bytes, Done done) = 0;
  /// Operations under way end with an error.
  virtual void close() = 0;
};

/// Makes `tls` trust and show what `url`, and before it `ca`, a file of certificates, say; does
/// nothing for a URL without TLS. Throws std::runtime_error that names the file, and the `key`
/// under `redis:` that the URL stands at: "redis.ca: /x.pem: ...", "redis.cache: ssl_certfile:
/// ...".
void prepare_tls(boost::asio::ssl::context& tls, const RedisUrl& url, const std::string& key,
                 const std::string& ca);

/// `url` and `tls` outlive the socket. Shared, because handlers under way keep it. Of a name with
/// many addresses the `first`th is tried first, counted around: so one that swallows what it is
/// sent does not keep the next try from the others.
[[nodiscard]] std::shared_ptr<RedisSocket> make_redis_socket(boost::asio::io_context& io,
                                                             const RedisUrl& url,
                                                             boost::asio::ssl::context& tls,
                                                             std::size_t first);

}  // namespace broadcast
