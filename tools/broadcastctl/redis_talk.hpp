#pragma once
// Commands to the Redis of a host's YAML, one after the other, over the connection that the host
// has. Blocks; [main].

#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>

#include "host/app/config.hpp"
#include "host/base/counters.hpp"
#include "host/ingest/redis_connection.hpp"
#include "host/ingest/redis_url.hpp"

namespace broadcast {

class RedisTalk final : private RedisConnection::User {
 public:
  using Reader = std::function<void(const redisReply&)>;

  /// Connects to `config.redis.url`. Throws CannotRun: it cannot be reached, or does not let us in.
  explicit RedisTalk(const Config& config);
  ~RedisTalk() override { connection_.stop(); }
  RedisTalk(const RedisTalk&) = delete;
  RedisTalk& operator=(const RedisTalk&) = delete;

  /// Hands the reply to `reader`. Throws CannotRun for an error of Redis, and without a reply.
  void ask(std::initializer_list<std::string_view> words, const Reader& reader);

 private:
  void on_ready() override { is_ready_ = true; }
  void on_reply(const redisReply& reply) override;
  void on_down() override {}
  void run_until(const std::function<bool()>& is_so);

  const RedisUrl url_;
  Counters counters_;
  boost::asio::io_context io_;
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_client};
  RedisConnection connection_;
  bool is_ready_ = false;
  const Reader* reader_ = nullptr;  // of the reply that is awaited
  std::string error_;               // instead of a reply
};

}  // namespace broadcast
