#include <gtest/gtest.h>

#include <broadcast/backoff.hpp>

namespace broadcast {
namespace {

using namespace std::chrono_literals;

TEST(BackoffTest, DoublesUpToTheLongestAndResetsAfterAHealthyRun) {
  Backoff backoff({.first = 1s, .longest = 5s, .healthy = 60s});
  EXPECT_EQ(backoff.after(0s), 1s);
  EXPECT_EQ(backoff.after(59s), 2s);
  EXPECT_EQ(backoff.after(0s), 4s);
  EXPECT_EQ(backoff.after(0s), 5s);
  EXPECT_EQ(backoff.after(0s), 5s);
  EXPECT_EQ(backoff.after(60s), 1s);
  EXPECT_EQ(backoff.after(0s), 2s);
}

TEST(BackoffTest, BeginsAnewWhenItIsToldOfASuccess) {
  Backoff backoff({.first = 1s, .longest = 5s});
  for (const auto wait : {1s, 2s, 4s, 5s, 5s}) EXPECT_EQ(backoff.next(), wait);
  backoff.reset();
  EXPECT_EQ(backoff.next(), 1s);
}

TEST(BackoffTest, WaitsTheLongestWhereTheFirstIsLonger) {
  Backoff backoff({.first = 10s, .longest = 5s});
  EXPECT_EQ(backoff.next(), 5s);
  EXPECT_EQ(backoff.next(), 5s);
}

TEST(BackoffTest, JitterTakesAwayHalfAtTheMost) {
  EXPECT_EQ(jittered(10s, 0), 5s);
  EXPECT_EQ(jittered(10s, 0.5), 7500ms);
  EXPECT_EQ(jittered(10s, 1), 10s);
}

}  // namespace
}  // namespace broadcast
