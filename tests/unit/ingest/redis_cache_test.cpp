#include "host/ingest/redis_cache.hpp"

#include <gtest/gtest.h>

#include "host/ingest/ingest.hpp"
#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/ingest/fake_redis.hpp"

namespace broadcast {
namespace {

using test::bulk;
using test::FakeRedis;

/// A SCAN in two steps, and one key for each.
std::optional<std::string> two_steps(const FakeRedis::Command& command) {
  if (command[0] == "UNLINK") return ":1\r\n";
  if (command[0] != "SCAN") return std::nullopt;
  return test::list({bulk(command[1] == "0" ? "7" : "0"), test::list({bulk("key")})});
}

TEST(RedisCacheTest, IsIdleOnceAllIsDropped) {
  test::RedisPlay play;
  play.redis.answer = two_steps;
  RedisCache cache(play.parts());
  EXPECT_TRUE(cache.try_drop("a:*"));
  EXPECT_TRUE(cache.try_drop("b:*"));
  cache.start();
  bool is_idle = false;
  cache.when_idle([&] { is_idle = true; });
  EXPECT_FALSE(is_idle);
  ASSERT_TRUE(play.run_until([&] { return is_idle; }));
  EXPECT_EQ(play.counters.get(Counter::kCacheDrops), 2U);
  EXPECT_EQ(play.counters.get(Counter::kCacheKeys), 4U);
  cache.stop();
  EXPECT_EQ(play.counters.get(Counter::kCacheErrors), 0U);
}

TEST(RedisCacheTest, APatternThatNeverMatchesIsToldOnce) {
  const test::CapturedLog log;
  test::RedisPlay play;
  play.redis.answer = [](const FakeRedis::Command& command) -> std::optional<std::string> {
    if (command[0] == "UNLINK") return ":1\r\n";
    if (command[0] != "SCAN") return std::nullopt;
    const bool is_there = command[3] == "there:*";
    return test::list({bulk("0"), test::list(is_there ? std::vector{bulk("there:1")}
                                                      : std::vector<std::string>{})});
  };
  RedisCache cache(play.parts());
  cache.start();
  for (std::uint64_t drops = 2; drops <= 12; drops += 2) {
    EXPECT_TRUE(cache.try_drop("gone:*"));
    EXPECT_TRUE(cache.try_drop("there:*"));
    ASSERT_TRUE(play.run_until([&] { return play.counters.get(Counter::kCacheDrops) == drops; }));
    EXPECT_EQ(log.count_of("has matched no key of"), drops < 6 ? 0 : 1);
  }
  EXPECT_EQ(log.count_of("gone:* has matched no key of " + play.url.shown() + " in 3 drops"), 1);
  cache.stop();
}

TEST(RedisCacheTest, WhatIsLeftAtTheEndOrAskedForLaterIsCounted) {
  test::RedisPlay play;
  play.redis.answer = [](const FakeRedis::Command& command) {
    return command[0] == "SCAN" ? std::optional<std::string>("") : std::nullopt;
  };
  RedisCache cache(play.parts());
  cache.start();
  for (const char* pattern : {"a:*", "b:*", "c:*"}) EXPECT_TRUE(cache.try_drop(pattern));
  ASSERT_TRUE(play.run_until([&] { return play.redis.count_of("SCAN") == 1; }));
  cache.stop();
  EXPECT_EQ(play.counters.get(Counter::kCacheErrors), 3U);
  EXPECT_FALSE(cache.try_drop("d:*"));
  EXPECT_EQ(play.counters.get(Counter::kCacheErrors), 4U);
}

/// What Ingest does with it: reads nothing more, and gives the cache the time that it is told.
TEST(IngestTest, EndsWithTheCacheOnceBroadcastersAreGone) {
  test::RedisPlay play;
  play.redis.answer = two_steps;
  Ingest ingest({.cache = play.url}, play.gate, play.hub.sequencer(), play.hub.statuses(),
                play.counters);
  ingest.start();
  ingest.stop_reading();
  EXPECT_TRUE(ingest.cache()->try_drop("a:*"));
  std::thread redis([&] {
    EXPECT_TRUE(play.run_until([&] { return play.counters.get(Counter::kCacheDrops) == 1; }));
  });
  ingest.stop(mono_now() + std::chrono::seconds(30));
  redis.join();
  EXPECT_EQ(play.counters.get(Counter::kCacheErrors), 0U);
}

TEST(IngestTest, EndsAlsoWhereThereIsNoCache) {
  test::RedisPlay play;
  Ingest ingest({.url = play.url, .channels = "live:*"}, play.gate, play.hub.sequencer(),
                play.hub.statuses(), play.counters);
  ingest.start();
  ingest.stop_reading();
  ingest.stop(mono_now() + std::chrono::hours(1));
  ingest.stop(mono_now());
}

}  // namespace
}  // namespace broadcast
