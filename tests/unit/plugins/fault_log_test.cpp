#include "plugins/io/fault_log.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(FaultLogTest, TheFirstReasonAndTheEndAreNews) {
  FaultLog log;
  EXPECT_FALSE(log.line("", 0)) << "it has been well all the time";
  EXPECT_TRUE(log.line("refused", 1 * kSecond));
  EXPECT_FALSE(log.line("refused", 100 * kSecond));
  EXPECT_TRUE(log.line("", 101 * kSecond));
  EXPECT_FALSE(log.line("", 102 * kSecond));
  EXPECT_TRUE(log.line("refused", 103 * kSecond));
}

TEST(FaultLogTest, ANewReasonIsNewsTenSecondsAfterTheLastLine) {
  FaultLog log;
  EXPECT_TRUE(log.line("refused", 0));
  EXPECT_FALSE(log.line("wrong password", 9 * kSecond));
  EXPECT_TRUE(log.line("wrong password", 10 * kSecond));
  EXPECT_FALSE(log.line("wrong password", 100 * kSecond));
  EXPECT_TRUE(log.line("refused", 101 * kSecond));
}

TEST(FaultLogTest, AnOutageWithReasonsWithoutEndIsALineInTenSeconds) {
  FaultLog log;
  int lines = 0;
  for (int i = 0; i < 1'000; ++i) {
    lines += log.line("port " + std::to_string(i), i * kSecond / 10) ? 1 : 0;
  }
  EXPECT_EQ(lines, 10);
}

TEST(FaultLogTest, WhoGoesAndComesHasALineAMinuteAndTheRestIsCounted) {
  FaultLog log;
  EXPECT_EQ(log.line("refused", 0), "refused");
  EXPECT_EQ(log.line("", 1 * kSecond), "answers again");
  for (int second = 2; second < 60; second += 2) {
    EXPECT_EQ(log.line("refused", second * kSecond), std::nullopt);
    EXPECT_EQ(log.line("", (second + 1) * kSecond), std::nullopt);
  }
  EXPECT_EQ(log.line("refused", 60 * kSecond), "refused; and 29 short outages since the last line");
  EXPECT_EQ(log.line("", 61 * kSecond), "answers again");
}

TEST(FaultLogTest, AnOutageThatLastsHasALineHoweverSoonItCame) {
  FaultLog log;
  EXPECT_TRUE(log.line("refused", 0));
  EXPECT_TRUE(log.line("", 1 * kSecond));
  EXPECT_FALSE(log.line("refused", 2 * kSecond));
  EXPECT_FALSE(log.line("refused", 11 * kSecond));
  EXPECT_EQ(log.line("refused", 12 * kSecond), "refused");
  EXPECT_EQ(log.line("", 13 * kSecond), "answers again");
}

}  // namespace
}  // namespace broadcast
