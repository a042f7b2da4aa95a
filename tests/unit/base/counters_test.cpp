#include "host/base/counters.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

constexpr std::size_t kCount = static_cast<std::size_t>(Counter::kCount);

TEST(CountersTest, EveryCounterHasItsOwnMetricName) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::string_view name = counter_name(static_cast<Counter>(i));
    EXPECT_TRUE(name.ends_with("_total")) << name;
    EXPECT_TRUE(std::ranges::all_of(name, [](char c) {
      return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    })) << name;
    EXPECT_TRUE(names.insert(name).second) << name << " names two counters";
  }
}

TEST(CountersTest, ANameStandsForTheCounterItIsCalledAfter) {
  EXPECT_EQ(counter_name(Counter::kConnectionsAccepted), "connections_accepted_total");
  EXPECT_EQ(counter_name(Counter::kPublishBusy), "publish_busy_total");
  EXPECT_EQ(counter_name(Counter::kErrorReplies), "error_replies_total");
  EXPECT_EQ(counter_name(Counter::kClosedNotUtf8), "closed_not_utf8_total");
  EXPECT_EQ(counter_name(Counter::kClosedFlood), "closed_flood_total");
  EXPECT_EQ(counter_name(Counter::kProducerUnavailable), "producer_unavailable_total");
}

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
