#include "host/loader/plugin_metrics.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(PluginMetricsTest, CountersAddUpGaugesAreSetHistogramsObserve) {
  PluginMetrics metrics;
  PluginMetrics::Ids ids;
  EXPECT_EQ(metrics.define(ids, 1, BC_COUNTER, "ticks", "Ticks."), BC_OK);
  EXPECT_EQ(metrics.define(ids, 2, BC_GAUGE, "depth", ""), BC_OK);
  EXPECT_EQ(metrics.define(ids, 3, BC_HISTOGRAM, "took_seconds", ""), BC_OK);
  for (const double value : {2.0, 3.0}) {
    for (const std::uint32_t id : {1U, 2U, 3U}) metrics.record(ids, id, value);
  }
  metrics.record(ids, 3, 0.0005);  // a bound belongs to its bucket
  metrics.record(ids, 3, 1e9);
  const auto view = metrics.view();
  EXPECT_EQ(view[0].value, 5);
  EXPECT_EQ(view[0].help, "Ticks.");
  EXPECT_EQ(view[1].value, 3);
  EXPECT_EQ(view[2].buckets[1], 1U);
  EXPECT_EQ(view[2].buckets[9], 2U);
  EXPECT_EQ(view[2].buckets.back(), 1U);
}

TEST(PluginMetricsTest, WhatMakesNoSenseHasNoEffect) {
  PluginMetrics metrics;
  PluginMetrics::Ids ids;
  ASSERT_EQ(metrics.define(ids, 1, BC_COUNTER, "ticks", ""), BC_OK);
  metrics.record(ids, 1, -1);
  metrics.record(ids, 1, std::numeric_limits<double>::quiet_NaN());
  metrics.record(ids, 1,
                 std::numeric_limits<double>::infinity());  // no later sum would be a number
  metrics.record(ids, 7, 1);
  EXPECT_EQ(metrics.view()[0].value, 0);
}

TEST(PluginMetricsTest, RefusesWhatPrometheusCouldNotRead) {
  PluginMetrics metrics;
  PluginMetrics::Ids ids;
  for (const std::string& name :
       {std::string(), std::string("Depth"), std::string("1st"), std::string("a b"),
        std::string("a-b"), std::string("é"), std::string(65, 'x')}) {
    EXPECT_EQ(metrics.define(ids, 1, BC_GAUGE, name, ""), BC_E_INVALID) << name;
  }
  EXPECT_EQ(metrics.define(ids, 1, 3, "depth", ""), BC_E_INVALID);
  ASSERT_EQ(metrics.define(ids, 1, BC_GAUGE, "depth", ""), BC_OK);
  EXPECT_EQ(metrics.define(ids, 1, BC_GAUGE, "width", ""), BC_E_INVALID) << "an id given twice";
  EXPECT_EQ(metrics.define(ids, 2, BC_COUNTER, "depth", ""), BC_E_INVALID) << "another kind";
}

TEST(PluginMetricsTest, RefusesNamesThatBelongToAnotherKind) {
  PluginMetrics metrics;
  PluginMetrics::Ids ids;
  for (const char* name : {"depth_total", "depth_count", "depth_sum", "depth_bucket"}) {
    EXPECT_EQ(metrics.define(ids, 1, BC_GAUGE, name, ""), BC_E_INVALID) << name;
    EXPECT_EQ(metrics.define(ids, 1, BC_HISTOGRAM, name, ""), BC_E_INVALID) << name;
  }
  EXPECT_EQ(metrics.define(ids, 1, BC_COUNTER, "depth_total", ""), BC_OK);
}

TEST(PluginMetricsTest, ACounterIsTheSameWithAndWithoutTotal) {
  PluginMetrics metrics;
  PluginMetrics::Ids ids;
  ASSERT_EQ(metrics.define(ids, 1, BC_COUNTER, "ticks", ""), BC_OK);
  ASSERT_EQ(metrics.define(ids, 2, BC_COUNTER, "ticks_total", ""), BC_OK);
  metrics.record(ids, 1, 1);
  metrics.record(ids, 2, 1);
  ASSERT_EQ(metrics.view().size(), 1U);
  EXPECT_EQ(metrics.view()[0].value, 2);
}

TEST(PluginMetricsTest, HasRoomForSoMany) {
  PluginMetrics metrics;
  PluginMetrics::Ids ids;
  for (std::uint32_t i = 0; i < PluginMetrics::kMost; ++i) {
    ASSERT_EQ(metrics.define(ids, i, BC_GAUGE, "m" + std::to_string(i), ""), BC_OK);
  }
  EXPECT_EQ(metrics.define(ids, 1000, BC_GAUGE, "one_more", ""), BC_E_BUSY);
  EXPECT_EQ(metrics.define(ids, 1001, BC_GAUGE, "m0", ""), BC_OK)
      << "one more name for what is there";
}

TEST(PluginMetricsTest, ANewGenerationGoesOnFromTheNumbersOfTheOneBefore) {
  PluginMetrics metrics;
  PluginMetrics::Ids ids;
  ASSERT_EQ(metrics.define(ids, 1, BC_COUNTER, "ticks", ""), BC_OK);
  metrics.record(ids, 1, 5);
  PluginMetrics::Ids next;
  metrics.record(next, 1, 100);
  ASSERT_EQ(metrics.define(next, 9, BC_COUNTER, "ticks", ""), BC_OK);
  metrics.record(next, 9, 1);
  ASSERT_EQ(metrics.view().size(), 1U);
  EXPECT_EQ(metrics.view()[0].value, 6);
}

/// `count` gauges beside "stays", a counter that every generation defines last.
PluginMetrics::Ids generation(PluginMetrics& metrics, const std::string& prefix,
                              std::size_t count = PluginMetrics::kMost - 1) {
  PluginMetrics::Ids ids;
  for (std::uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(metrics.define(ids, i, BC_GAUGE, prefix + std::to_string(i), ""), BC_OK);
  }
  EXPECT_EQ(metrics.define(ids, 1000, BC_COUNTER, "stays", ""), BC_OK);
  metrics.record(ids, 1000, 1);
  return ids;
}

double value_of(const PluginMetrics& metrics, const std::string& name) {
  for (const MetricView& metric : metrics.view()) {
    if (metric.name == name) return metric.value;
  }
  return -1;
}

TEST(PluginMetricsTest, WhatNoGenerationDefinesAnyMoreMakesRoom) {
  PluginMetrics metrics;
  const auto first = generation(metrics, "a");
  const auto second = generation(metrics, "b");  // beside it
  metrics.release(first);
  metrics.release(second);
  for (const char* prefix : {"c", "d", "e"}) metrics.release(generation(metrics, prefix));
  EXPECT_LE(metrics.view().size(), 2 * PluginMetrics::kMost);
  EXPECT_EQ(value_of(metrics, "stays"), 5) << "it came again each time";
  EXPECT_EQ(value_of(metrics, "a0"), -1);
  EXPECT_EQ(value_of(metrics, "e0"), 0);
}

TEST(PluginMetricsTest, NoGenerationHasMoreThanItsOwn) {
  PluginMetrics metrics;
  metrics.release(generation(metrics, "old"));
  PluginMetrics::Ids ids = generation(metrics, "new");
  EXPECT_EQ(metrics.define(ids, 2000, BC_GAUGE, "old1", ""), BC_E_BUSY);
  EXPECT_EQ(metrics.define(ids, 2001, BC_COUNTER, "stays_total", ""), BC_OK) << "it has that";
}

TEST(PluginMetricsTest, ANameThatNoGenerationDefinesAnyMoreMayBeOfAnotherKind) {
  PluginMetrics metrics;
  PluginMetrics::Ids first;
  ASSERT_EQ(metrics.define(first, 1, BC_GAUGE, "depth", ""), BC_OK);
  metrics.record(first, 1, 7);
  metrics.release(first);
  PluginMetrics::Ids second;
  ASSERT_EQ(metrics.define(second, 1, BC_COUNTER, "depth", ""), BC_OK);
  EXPECT_EQ(value_of(metrics, "depth"), 0);
}

TEST(PluginMetricsTest, ThreadsRecordAtOnceWhileSomebodyReads) {
  constexpr int kTimes = 2000;
  PluginMetrics metrics;
  PluginMetrics::Ids ids;
  ASSERT_EQ(metrics.define(ids, 1, BC_COUNTER, "ticks", ""), BC_OK);
  ASSERT_EQ(metrics.define(ids, 2, BC_HISTOGRAM, "took_seconds", ""), BC_OK);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kTimes; ++n) {
        metrics.record(ids, 1, 1);
        metrics.record(ids, 2, 0.002);
      }
    });
  }
  double before = 0;
  for (int n = 0; n < kTimes; ++n) {
    const double now = metrics.view()[0].value;
    EXPECT_GE(now, before);
    before = now;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(metrics.view()[0].value, 4 * kTimes);
  EXPECT_EQ(metrics.view()[1].buckets[3], 4U * kTimes);
}

}  // namespace
}  // namespace broadcast
