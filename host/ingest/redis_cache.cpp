#include "host/ingest/redis_cache.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "host/base/printable.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kScanned = "256";  // keys that one SCAN looks at
constexpr std::size_t kShown = 256;
constexpr std::size_t kPatterns = 256;  // whose drops are known

}  // namespace

RedisCache::RedisCache(const RedisConnection::Parts& parts)
    : io_(parts.io),
      url_(parts.url),
      counters_(parts.counters),
      connection_(parts, *this),
      self_(std::make_shared<Self>(Self{this})) {}

void RedisCache::start() { connection_.start(); }

void RedisCache::when_idle(std::function<void()> done) {
  when_idle_ = std::move(done);
  next();
}

void RedisCache::stop() {
  self_->cache = nullptr;
  connection_.stop();
  const std::size_t waited = waiting_.with_lock([](Waiting& waiting) {
    waiting.is_closed = true;
    return std::exchange(waiting.patterns, {}).size();
  });
  const std::size_t left = waited + (std::exchange(pattern_, {}).empty() ? 0 : 1);
  if (left == 0) return;
  counters_.add(Counter::kCacheErrors, left);
  spdlog::warn("redis: the host ends before the keys of {} patterns were dropped", left);
}

bool RedisCache::try_drop(std::string_view pattern) {
  enum class Queued { kNo, kAlready, kYes };
  const Queued queued = waiting_.with_lock([&](Waiting& waiting) {
    auto& patterns = waiting.patterns;
    if (std::ranges::find(patterns, pattern) != patterns.end()) return Queued::kAlready;
    if (waiting.is_closed || patterns.size() >= kMostWaiting) return Queued::kNo;
    patterns.emplace_back(pattern);
    return Queued::kYes;
  });
  if (queued == Queued::kNo) counters_.add(Counter::kCacheErrors);
  if (queued == Queued::kYes) {
    boost::asio::post(io_, [self = self_] {
      if (self->cache != nullptr) self->cache->next();
    });
  }
  return queued != Queued::kNo;
}

void RedisCache::on_ready() {
  // What was under way begins anew: the cursor was the other connection's, or the other Redis's.
  cursor_ = "0";
  if (pattern_.empty()) return next();
  scan();
}

void RedisCache::on_down() { asked_ = Asked::kNothing; }

void RedisCache::next() {
  if (!pattern_.empty()) return;
  const bool is_ready = connection_.is_ready();
  const bool is_idle = waiting_.with_lock([&](Waiting& waiting) {
    if (waiting.patterns.empty()) return true;
    if (!is_ready) return false;
    pattern_ = std::move(waiting.patterns.front());
    waiting.patterns.pop_front();
    return false;
  });
  if (is_idle && when_idle_) return std::exchange(when_idle_, nullptr)();
  if (pattern_.empty()) return;
  has_matched_ = false;
  cursor_ = "0";
  scan();
}

void RedisCache::scan() {
  asked_ = Asked::kScan;
  connection_.send({"SCAN", cursor_, "MATCH", pattern_, "COUNT", kScanned});
}

void RedisCache::on_reply(const redisReply& reply) {
  const Asked asked = std::exchange(asked_, Asked::kNothing);
  if (asked == Asked::kNothing) return;
  if (is_error(reply)) return give_up(error_text(reply));
  if (asked == Asked::kScan) {
    on_scanned(reply);
  } else {
    on_unlinked(reply);
  }
}

void RedisCache::on_scanned(const redisReply& reply) {
  const auto parts = list_of(reply);
  const auto cursor = parts.size() == 2 ? text_of(*parts[0]) : std::nullopt;
  if (!cursor) return give_up("the reply to SCAN is unreadable");
  cursor_ = *cursor;
  std::vector<std::string_view> words = {"UNLINK"};
  for (const redisReply* const key : list_of(*parts[1])) {
    if (const auto text = text_of(*key)) words.push_back(*text);
  }
  if (words.size() == 1) return go_on();
  has_matched_ = true;
  asked_ = Asked::kUnlink;
  connection_.send(words);
}

void RedisCache::on_unlinked(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_INTEGER) {
    counters_.add(Counter::kCacheKeys, static_cast<std::uint64_t>(reply.integer));
  }
  go_on();
}

void RedisCache::go_on() {
  if (cursor_ != "0") return scan();
  counters_.add(Counter::kCacheDrops);
  note_drop();
  pattern_.clear();
  next();
}

/// A pattern that never matches is mostly a mistake, and nobody would see it: answers only stay
/// old.
void RedisCache::note_drop() {
  if (drops_.size() >= kPatterns && !drops_.contains(pattern_)) return;
  Drops& drops = drops_[pattern_];
  drops.have_matched = drops.have_matched || has_matched_;
  if (drops.have_matched || ++drops.count != kEmptyDrops) return;
  spdlog::warn(
      "redis: cache: {} has matched no key of {} in {} drops; if the cache is elsewhere, set "
      "redis.cache; if its keys have another prefix, correct the broadcaster's pattern",
      printable(pattern_, kShown), url_.shown(), drops.count);
}

void RedisCache::give_up(const std::string& why) {
  counters_.add(Counter::kCacheErrors);
  if (const auto line = log_throttle_.line(pattern_, mono_now())) {
    spdlog::warn("redis: keys {} were not all dropped: {}{}", printable(line->name, kShown), why,
                 line->more());
  }
  pattern_.clear();
  next();
}

}  // namespace broadcast
