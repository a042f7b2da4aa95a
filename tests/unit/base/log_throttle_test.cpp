#include "host/base/log_throttle.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

MonoTime after(std::chrono::nanoseconds since) { return MonoTime{} + 1h + since; }

TEST(LogThrottleTest, SaysItOnceAMinuteForEachNameAndHowOftenItWasKeptBack) {
  LogThrottle log_throttle;
  EXPECT_EQ(log_throttle.line("a", after(0s))->more(), "");
  EXPECT_TRUE(log_throttle.line("b", after(1s)));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(log_throttle.line("a", after(59s)));
  EXPECT_EQ(log_throttle.line("a", after(60s))->more(), "; and 5 more since the last line");
  EXPECT_FALSE(log_throttle.line("a", after(61s)));
}

TEST(LogThrottleTest, HoldsSoManyNamesAndForgetsThemAfterAWhile) {
  LogThrottle log_throttle;
  for (std::size_t i = 0; i < LogThrottle::kNames; ++i) {
    EXPECT_TRUE(log_throttle.line(std::to_string(i), after(0s)));
  }
  EXPECT_EQ(log_throttle.line("one more", after(1s))->name, "others");
  EXPECT_FALSE(log_throttle.line("and another", after(2s)));
  EXPECT_EQ(log_throttle.line("one more", after(11min))->name, "one more");
}

TEST(LogThrottleTest, KeepsOnlyTheBeginningOfALongName) {
  LogThrottle log_throttle;
  EXPECT_EQ(log_throttle.line(std::string(100'000, 'x'), after(0s))->name.size(),
            LogThrottle::kNameBytes);
}

TEST(LogThrottleTest, TellsTheEndOfABurstAMinuteLater) {
  LogThrottle log_throttle;
  static_cast<void>(log_throttle.line("a", after(0s)));
  static_cast<void>(log_throttle.line("alone", after(0s)));
  for (int i = 0; i < 37; ++i) EXPECT_FALSE(log_throttle.line("a", after(1s)));
  EXPECT_THAT(log_throttle.due(after(59s)), IsEmpty());
  const std::vector<LogThrottle::Line> due = log_throttle.due(after(60s));
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due[0].name, "a");
  EXPECT_EQ(due[0].kept_back, 37U);
  EXPECT_EQ(due[0].rest(), "a: 37 more since the last line");
  EXPECT_THAT(log_throttle.due(after(60s)), IsEmpty());
  EXPECT_FALSE(log_throttle.line("a", after(119s))) << "the minute begins anew";
}

}  // namespace
}  // namespace broadcast
