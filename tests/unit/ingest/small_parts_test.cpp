// How long to wait for the next try, and which keys may be dropped.
#include <string>

#include <gtest/gtest.h>

#include "host/hub/cache_control.hpp"
#include "host/ingest/retry_delay.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;

MonoTime at(std::chrono::nanoseconds since) { return MonoTime{} + 1h + since; }

TEST(RetryDelayTest, GrowsFromAFifthOfASecondToTenAndStaysThere) {
  RetryDelay least;
  RetryDelay most;
  for (const auto longest : {400ms, 800ms, 1600ms, 3200ms, 6400ms, 10'000ms, 10'000ms}) {
    EXPECT_EQ(least.next({}, at(0s), 0), longest / 2);
    EXPECT_EQ(most.next({}, at(0s), 1), longest);
  }
}

TEST(RetryDelayTest, BeginsAnewOnlyBehindAConnectionThatHeld) {
  RetryDelay delay;
  for (int i = 0; i < 10; ++i) static_cast<void>(delay.next({}, at(0s), 0));
  EXPECT_EQ(delay.next(at(0s), at(9s), 0), 5s);
  EXPECT_EQ(delay.next(at(0s), at(10s), 0), 200ms);
}

TEST(CachePatternTest, NamesSomeKeysAndNeverAllOfThem) {
  EXPECT_TRUE(is_cache_pattern("daytrading:signals:*"));
  for (const char* all : {"", "*", "?*", "[a-z]*", "\\*"})
    EXPECT_FALSE(is_cache_pattern(all)) << all;
  EXPECT_FALSE(is_cache_pattern(std::string(257, 'x')));
}

}  // namespace
}  // namespace broadcast
