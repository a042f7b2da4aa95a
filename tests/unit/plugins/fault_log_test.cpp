#include "plugins/database/fault_log.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(FaultLogTest, TheFirstReasonAndTheEndAreNews) {
  FaultLog log;
  EXPECT_FALSE(log.is_news("", 0)) << "it has been well all the time";
  EXPECT_TRUE(log.is_news("refused", 1 * kSecond));
  EXPECT_FALSE(log.is_news("refused", 100 * kSecond));
  EXPECT_TRUE(log.is_news("", 101 * kSecond));
  EXPECT_FALSE(log.is_news("", 102 * kSecond));
  EXPECT_TRUE(log.is_news("refused", 103 * kSecond));
}

TEST(FaultLogTest, ANewReasonIsNewsTenSecondsAfterTheLastLine) {
  FaultLog log;
  EXPECT_TRUE(log.is_news("refused", 0));
  EXPECT_FALSE(log.is_news("wrong password", 9 * kSecond));
  EXPECT_TRUE(log.is_news("wrong password", 10 * kSecond));
  EXPECT_FALSE(log.is_news("wrong password", 100 * kSecond));
  EXPECT_TRUE(log.is_news("refused", 101 * kSecond));
}

TEST(FaultLogTest, AnOutageWithReasonsWithoutEndIsALineInTenSeconds) {
  FaultLog log;
  int lines = 0;
  for (int i = 0; i < 1'000; ++i) {
    lines += log.is_news("port " + std::to_string(i), i * kSecond / 10) ? 1 : 0;
  }
  EXPECT_EQ(lines, 10);
}

}  // namespace
}  // namespace broadcast
