// How long to wait for the next try to connect, and which keys may be dropped.
#include <string>

#include <gtest/gtest.h>

#include "host/ingest/redis_connection.hpp"
#include "host/seams/cache_control.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;

TEST(RedisRetryTest, GrowsFromAFifthOfASecondToTenAndStaysThere) {
  Backoff backoff(RedisConnection::kRetry);
  for (const auto longest : {400ms, 800ms, 1600ms, 3200ms, 6400ms, 10'000ms, 10'000ms}) {
    const auto wait = backoff.after(0s);
    EXPECT_EQ(jittered(wait, 0), longest / 2);
    EXPECT_EQ(jittered(wait, 1), longest);
  }
}

TEST(RedisRetryTest, BeginsAnewOnlyBehindAConnectionThatHeld) {
  Backoff backoff(RedisConnection::kRetry);
  for (int i = 0; i < 10; ++i) static_cast<void>(backoff.after(0s));
  EXPECT_EQ(jittered(backoff.after(9s), 0), 5s);
  EXPECT_EQ(jittered(backoff.after(10s), 0), 200ms);
}

TEST(CachePatternTest, NamesSomeKeysAndNeverAllOfThem) {
  EXPECT_TRUE(is_cache_pattern("daytrading:signals:*"));
  for (const char* all : {"", "*", "?*", "[a-z]*", "\\*"})
    EXPECT_FALSE(is_cache_pattern(all)) << all;
  EXPECT_FALSE(is_cache_pattern(std::string(257, 'x')));
}

}  // namespace
}  // namespace broadcast
