#include "host/base/counters.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(CountersTest, CountsFromSeveralThreadsAddUp) {
  Counters counters;
  const auto count = [&] {
    for (int i = 0; i < 10'000; ++i) counters.add(Counter::kDeliveries);
    counters.add(Counter::kConflated, 7);
  };
  std::thread other(count);
  count();
  other.join();
  EXPECT_EQ(counters.get(Counter::kDeliveries), 20'000U);
  EXPECT_EQ(counters.get(Counter::kConflated), 14U);
  EXPECT_EQ(counters.get(Counter::kClosedSlow), 0U);
}

}  // namespace
}  // namespace broadcast
