#include "host/base/token_bucket.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr double kPerSecond = 10;
constexpr nanoseconds kNow{0};

TEST(TokenBucketTest, IsFullAtFirstAndFillsUpAsTimePasses) {
  TokenBucket bucket(3);
  MonoTime now{};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.take(kPerSecond, 3, now), kNow) << i;
  EXPECT_EQ(bucket.take(kPerSecond, 3, now), milliseconds(100));
  now += milliseconds(60);
  EXPECT_EQ(bucket.take(kPerSecond, 3, now), milliseconds(40));
  now += milliseconds(41);
  EXPECT_EQ(bucket.take(kPerSecond, 3, now), kNow);
  EXPECT_GT(bucket.take(kPerSecond, 3, now), kNow);
}

TEST(TokenBucketTest, NeverHoldsMoreThanAtOnce) {
  TokenBucket bucket(2);
  const MonoTime later = MonoTime{} + std::chrono::hours(1);
  EXPECT_EQ(bucket.take(kPerSecond, 2, later), kNow);
  EXPECT_EQ(bucket.take(kPerSecond, 2, later), kNow);
  EXPECT_GT(bucket.take(kPerSecond, 2, later), kNow);
}

TEST(TokenBucketTest, LessThanOneASecondStillComes) {
  TokenBucket bucket(1);
  const MonoTime now{};
  EXPECT_EQ(bucket.take(0.5, 1, now), kNow);
  EXPECT_EQ(bucket.take(0.5, 1, now), std::chrono::seconds(2));
  EXPECT_EQ(bucket.take(0.5, 1, now + std::chrono::seconds(2)), kNow);
}

TEST(TokenBucketTest, WhatIsGivenForATimeOfWaitingComesOnTopAndGoesAsItCame) {
  TokenBucket bucket(2);
  MonoTime now = MonoTime{} + std::chrono::hours(1);
  EXPECT_EQ(bucket.take(kPerSecond, 2, now), kNow);
  now += std::chrono::seconds(1);
  bucket.give(std::chrono::seconds(1), kPerSecond, 2, now);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(bucket.take(kPerSecond, 2, now), kNow) << i;
  now += milliseconds(200);  // five are left, and two of them go
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.take(kPerSecond, 2, now), kNow) << i;
  EXPECT_GT(bucket.take(kPerSecond, 2, now), kNow);
  now += std::chrono::seconds(1);
  bucket.give(std::chrono::seconds(1), kPerSecond, 2, now);
  now += std::chrono::hours(1);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(bucket.take(kPerSecond, 2, now), kNow) << i;
  EXPECT_GT(bucket.take(kPerSecond, 2, now), kNow);
}

int taken(TokenBucket& bucket, MonoTime now) {
  int count = 0;
  while (bucket.take(kPerSecond, 2, now) == kNow) ++count;
  return count;
}

TEST(TokenBucketTest, WhatIsGivenIsNotCountedTwiceAndHasABound) {
  MonoTime now = MonoTime{} + std::chrono::hours(1);
  TokenBucket bucket(2);
  EXPECT_EQ(taken(bucket, now), 2);
  now += milliseconds(1550);
  bucket.give(milliseconds(1550), kPerSecond, 2, now);
  EXPECT_EQ(taken(bucket, now), 15);
  bucket.give(std::chrono::seconds(1), kPerSecond, 2, now);
  EXPECT_EQ(taken(bucket, now), 0) << "that time was had already";
  now += std::chrono::hours(8);
  bucket.give(std::chrono::hours(8), kPerSecond, 2, now);
  EXPECT_EQ(taken(bucket, now), 20);
}

TEST(TokenBucketTest, WhoIsChargedMoreThanThereIsWaitsForTheRest) {
  const MonoTime now = MonoTime{} + std::chrono::hours(1);
  TokenBucket bucket(2);
  bucket.charge(6, kPerSecond, 2, now);
  EXPECT_EQ(bucket.take(kPerSecond, 2, now), milliseconds(500));
  EXPECT_EQ(bucket.take(kPerSecond, 2, now + milliseconds(501)), kNow);
}

}  // namespace
}  // namespace broadcast
