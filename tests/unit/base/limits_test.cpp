#include "host/base/limits.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

Limits with_topics(std::size_t topics) {
  Limits limits;
  limits.topics = topics;
  return limits;
}

TEST(LiveLimitsTest, AreWhatWasSetLast) {
  LiveLimits live(with_topics(1));
  EXPECT_EQ(live->topics, 1U);
  live.set(with_topics(2));
  EXPECT_EQ(live->topics, 2U);
  EXPECT_EQ(live->publish_bytes, Limits{}.publish_bytes);
}

TEST(LiveLimitsTest, WhatWasReadBeforeStaysReadable) {
  LiveLimits live(with_topics(1));
  const Limits* const before = live.operator->();
  live.set(with_topics(2));
  EXPECT_EQ(before->topics, 1U);
}

TEST(LiveLimitsTest, TheSameOnceMoreKeepsNothing) {
  LiveLimits live(with_topics(1));
  const Limits* const before = live.operator->();
  live.set(with_topics(1));
  EXPECT_EQ(live.operator->(), before);
}

/// For ThreadSanitizer.
TEST(LiveLimitsTest, AreReadWhileTheyAreReplaced) {
  constexpr std::size_t kTimes = 1000;
  LiveLimits live(with_topics(1));
  std::atomic<bool> reads{false};
  std::thread reader([&] {
    std::size_t newest = 0;
    while (newest < kTimes) {
      const std::size_t now = live->topics;
      EXPECT_GE(now, newest) << "older limits came back";
      newest = now;
      reads = true;
      reads.notify_one();
    }
  });
  reads.wait(false);
  for (std::size_t topics = 1; topics <= kTimes; ++topics) live.set(with_topics(topics));
  reader.join();
}

}  // namespace
}  // namespace broadcast
