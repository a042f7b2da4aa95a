#pragma once
// One connection to a Redis, for ever: connects, says who we are, asks for an answer when it is
// quiet, gives up when there is none, and tries again after a jittered wait. Its user is told when
// it is ready and when it is not, and sends commands meanwhile. Nothing blocks. [ingest]

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <broadcast/backoff.hpp>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/ingest/redis_reply.hpp"
#include "host/ingest/redis_socket.hpp"
#include "host/ingest/redis_url.hpp"

namespace broadcast {

class RedisConnection {
 public:
  /// Between tries to connect; each wait is jittered, so that hosts do not come back together. A
  /// connection that held for ten seconds was a success.
  static constexpr Backoff::Times kRetry = {.first = std::chrono::milliseconds(400),
                                            .longest = std::chrono::seconds(10),
                                            .healthy = std::chrono::seconds(10)};

  /// Outlives the connection; may be destroyed with it while none of these runs.
  class User {
   public:
    virtual ~User() = default;
    virtual void on_ready() = 0;
    /// Each reply to a command of the user, and whatever is pushed; may call drop().
    virtual void on_reply(const redisReply& reply) = 0;
    /// It was ready, and is no more: commands without a reply get none.
    virtual void on_down() = 0;
  };
  struct Parts {
    boost::asio::io_context& io;
    const RedisUrl& url;
    boost::asio::ssl::context& tls;
    Counters& counters;
    RespBounds::Limits limits;
    std::string name;  ///< for the log and CLIENT SETNAME: "subscriber"
  };

  /// All of `parts` outlives the connection.
  RedisConnection(const Parts& parts, User& user);
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  void start();
  /// For good: nobody is told anything any more.
  void stop();
  /// REQUIRES: ready. What waits to be written is bounded by what the user sends without a reply.
  void send(std::initializer_list<std::string_view> words) {
    send(std::span<const std::string_view>(words.begin(), words.size()));
  }
  void send(std::span<const std::string_view> words);
  /// Gives the connection up, for `why`, and tries again.
  void drop(const std::string& why);

  /// [any]
  [[nodiscard]] bool is_ready() const { return is_ready_.load(std::memory_order_relaxed); }
  /// Why it is not ready, for clients to read: without addresses. Empty: it is, or the first try is
  /// still under way.
  [[nodiscard]] const std::string& down_words() const { return down_words_; }

 private:
  void connect();
  void greet();
  void read();
  void on_read(std::size_t size);
  void take(const redisReply& reply);
  void on_greeting(const redisReply& reply);
  void write();
  void watch();
  void on_silence(MonoTime now);
  void fail(const std::string& why, const std::string& words);
  void retry();

  const Parts parts_;
  User& user_;
  std::shared_ptr<RedisSocket> socket_;  // null while it waits for the next try
  std::uint64_t try_ = 0;                // handlers of an earlier one do nothing
  std::size_t connects_ = 0;
  std::optional<RedisReader> reader_;
  std::array<char, 64 * 1024> buffer_;
  std::string waiting_;  // to be written, while a write is under way
  bool is_writing_ = false;
  bool awaits_auth_ = false;   // the next answer is to AUTH
  std::size_t greetings_ = 0;  // replies still to come
  std::atomic<bool> is_ready_{false};
  std::string down_words_;
  std::string logged_;      // of the last failure, so that each is said once
  MonoTime heard_{};        // until it is ready: when it began
  bool has_asked_ = false;  // PING, since it was heard
  std::optional<MonoTime> ready_since_;
  Backoff backoff_{kRetry};
  std::minstd_rand random_{std::random_device{}()};
  boost::asio::steady_timer timer_;
  bool is_stopped_ = false;
};

}  // namespace broadcast
