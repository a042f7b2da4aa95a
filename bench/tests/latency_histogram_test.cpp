#include "bench/load/latency_histogram.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(LatencyHistogramTest, QuantilesAreRightToASixtyFourth) {
  LatencyHistogram latencies;
  for (int i = 1; i <= 100'000; ++i) latencies.add(std::int64_t{1'000} * i);
  EXPECT_EQ(latencies.count(), 100'000U);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = share * 100'000;
    EXPECT_GE(latencies.quantile_us(share), exact);
    EXPECT_LE(latencies.quantile_us(share), exact * (1 + 1.0 / 64) + 1);
  }
  EXPECT_EQ(latencies.max_us(), 100'000);
  EXPECT_EQ(latencies.quantile_us(1), 100'000);
}

TEST(LatencyHistogramTest, HoldsWhatIsOutOfAllProportion) {
  LatencyHistogram latencies;
  latencies.add(-5);
  EXPECT_EQ(latencies.quantile_us(1), 0);
  latencies.add(INT64_MAX);
  EXPECT_GT(latencies.quantile_us(0.5), 9e15);
  latencies.clear();
  EXPECT_EQ(latencies.count(), 0U);
  EXPECT_EQ(latencies.quantile_us(0.5), 0);
}

}  // namespace
}  // namespace broadcast
