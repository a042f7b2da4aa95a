// How long to wait for the next try, and how seldom to say something.
#include <string>

#include <gtest/gtest.h>

#include "host/hub/cache_control.hpp"
#include "host/ingest/retry_delay.hpp"
#include "host/ingest/seldom.hpp"

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

TEST(SeldomTest, SaysItOnceAMinuteForEachNameAndHowOftenItWasKeptBack) {
  Seldom seldom;
  EXPECT_EQ(seldom.line("a", at(0s))->more(), "");
  EXPECT_TRUE(seldom.line("b", at(1s)));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(seldom.line("a", at(59s)));
  EXPECT_EQ(seldom.line("a", at(60s))->more(), "; and 5 since the last line");
  EXPECT_FALSE(seldom.line("a", at(61s)));
}

TEST(SeldomTest, HoldsSoManyNamesAndForgetsThemAfterAWhile) {
  Seldom seldom;
  for (std::size_t i = 0; i < Seldom::kNames; ++i) {
    EXPECT_TRUE(seldom.line(std::to_string(i), at(0s)));
  }
  EXPECT_EQ(seldom.line("one more", at(1s))->name, "others");
  EXPECT_FALSE(seldom.line("and another", at(2s)));
  EXPECT_EQ(seldom.line("one more", at(11min))->name, "one more");
}

TEST(SeldomTest, KeepsOnlyTheBeginningOfALongName) {
  Seldom seldom;
  EXPECT_EQ(seldom.line(std::string(100'000, 'x'), at(0s))->name.size(), Seldom::kNameBytes);
}

TEST(CachePatternTest, NamesSomeKeysAndNeverAllOfThem) {
  EXPECT_TRUE(is_cache_pattern("daytrading:signals:*"));
  for (const char* all : {"", "*", "?*", "[a-z]*", "\\*"})
    EXPECT_FALSE(is_cache_pattern(all)) << all;
  EXPECT_FALSE(is_cache_pattern(std::string(257, 'x')));
}

}  // namespace
}  // namespace broadcast
