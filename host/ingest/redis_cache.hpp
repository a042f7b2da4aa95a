#pragma once
// Drops what producers cached in Redis (bc.cache/1): SCAN and UNLINK of the keys that match a
// pattern, one pattern after the other, on a connection of its own. A pattern that waits is asked
// for once; while Redis is away they wait. One that never matches anything is told. [ingest], but
// for try_drop().

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/log_throttle.hpp"
#include "host/ingest/redis_connection.hpp"
#include "host/seams/cache_control.hpp"

namespace broadcast {

class RedisCache final : public CacheControl, private RedisConnection::User {
 public:
  /// Patterns that may wait.
  static constexpr std::size_t kMostWaiting = 64;
  /// A pattern that has matched nothing is told after so many drops: a cache may be empty for once.
  static constexpr std::size_t kEmptyDrops = 3;

  /// `parts` outlive the cache.
  explicit RedisCache(const RedisConnection::Parts& parts);
  RedisCache(const RedisCache&) = delete;
  RedisCache& operator=(const RedisCache&) = delete;

  void start();
  /// Calls `done` once nothing waits and nothing is under way, maybe before it returns.
  void when_idle(std::function<void()> done);
  /// What is not dropped by now is counted as an error, and so is what is asked for later.
  void stop();
  [[nodiscard]] bool try_drop(std::string_view pattern) override;
  [[nodiscard]] const RedisConnection& connection() const { return connection_; }

 private:
  enum class Asked { kNothing, kScan, kUnlink };
  /// What posted calls find: null once it stopped.
  struct Self {
    RedisCache* cache;
  };

  void on_ready() override;
  void on_reply(const redisReply& reply) override;
  void on_down() override;
  void next();
  void scan();
  void on_scanned(const redisReply& reply);
  void on_unlinked(const redisReply& reply);
  void go_on();
  void note_drop();
  void give_up(const std::string& why);

  /// What is known of a pattern.
  struct Drops {
    bool have_matched = false;
    std::size_t count = 0;
  };

  boost::asio::io_context& io_;
  const RedisUrl& url_;
  Counters& counters_;
  struct Waiting {
    std::deque<std::string> patterns;
    bool is_closed = false;
  };
  Guarded<Waiting> waiting_;
  RedisConnection connection_;
  LogThrottle log_throttle_;
  std::map<std::string, Drops> drops_;  // by pattern; bounded
  std::string pattern_;                 // under way; empty: none
  bool has_matched_ = false;            // it has, so far
  std::string cursor_;
  Asked asked_ = Asked::kNothing;
  std::function<void()> when_idle_;
  std::shared_ptr<Self> self_;
};

}  // namespace broadcast
