#include "host/admin/metrics.hpp"

#include <map>
#include <regex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin_play.hpp"

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsTest : public testing::Test {
 protected:
  std::string text() { return metrics_reply(host.view()).body; }

  OwnedTopics topics;
  FakeHost host{topics};
};

TEST_F(MetricsTest, EveryCounterHasExactlyOneRow) {
  BroadcasterView& price = host.add("price", BroadcasterState::kOk);
  std::map<std::uint64_t, int> seen;
  HostView view = host.view();
  view.count = [](Counter counter) { return 1'000'000 + static_cast<std::uint64_t>(counter); };
  for (std::size_t i = 0; i < price.counts.size(); ++i) price.counts[i] = 2'000'000 + i;
  std::istringstream lines(metrics_reply(view).body);
  for (std::string line; std::getline(lines, line);) {
    const auto value = static_cast<std::uint64_t>(std::atof(&line[line.rfind(' ') + 1]));
    if (line.starts_with("broadcast_") && value >= 1'000'000) ++seen[value];
  }
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(Counter::kCount); ++i) {
    const bool is_of_broadcasters = seen.contains(2'000'000 + i);
    EXPECT_EQ(seen[1'000'000 + i] + (is_of_broadcasters ? 1 : 0) > 0, true) << "counter " << i;
    EXPECT_LE(seen[1'000'000 + i], 1) << "counter " << i;
    EXPECT_LE(seen[2'000'000 + i], 1) << "counter " << i;
  }
}

TEST_F(MetricsTest, NamesAndLabelsAreOfPrometheus) {
  host.add("price", BroadcasterState::kDegraded);
  const std::regex sample(R"re([a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? \S+)re");
  std::istringstream lines(text());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(line.starts_with("#") || std::regex_match(line, sample)) << line;
  }
  EXPECT_THAT(text(), HasSubstr("broadcast_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("broadcast_shards 2\n"));
}

TEST_F(MetricsTest, ABroadcasterIsInOneState) {
  host.add("price", BroadcasterState::kDegraded);
  EXPECT_THAT(text(), HasSubstr("broadcast_broadcaster_state{broadcaster=\"price\","
                                "state=\"degraded\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("broadcast_broadcaster_state{broadcaster=\"price\","
                                "state=\"ok\"} 0\n"));
  EXPECT_THAT(text(), HasSubstr("broadcast_broadcaster_running{broadcaster=\"price\"} 1\n"));
}

TEST_F(MetricsTest, ProducersAreCountedByBroadcaster) {
  BroadcasterView& vcp = host.add("vcp_signal", BroadcasterState::kOk);
  vcp.counts[static_cast<std::size_t>(Counter::kProducerRefused)] = 3;
  EXPECT_THAT(text(), HasSubstr("broadcast_broadcaster_producer_messages_total{"
                                "broadcaster=\"vcp_signal\",verdict=\"refused\"} 3\n"));
}

TEST_F(MetricsTest, WhatWasRefusedHasNoNumbersOfItsOwn) {
  host.views.push_back({.name = "price", .refusal = "truncated"});
  EXPECT_THAT(text(), HasSubstr("broadcast_broadcaster_running{broadcaster=\"price\"} 0\n"));
  EXPECT_THAT(text(), Not(HasSubstr("broadcast_broadcaster_published_total{broadcaster=\"price")));
}

TEST_F(MetricsTest, PluginsNumbersStandUnderTheirBroadcaster) {
  MetricView histogram{
      .name = "parse_seconds", .help = "To parse.", .kind = MetricKind::kHistogram, .value = 61.5};
  histogram.buckets[1] = 2;      // up to 0.5 ms
  histogram.buckets.back() = 1;  // more than a minute
  host.add("price", BroadcasterState::kOk).metrics = {
      {.name = "switches", .help = "Of sources.", .kind = MetricKind::kCounter, .value = 3},
      histogram};
  EXPECT_THAT(text(), HasSubstr("# HELP broadcast_plugin_switches_total Of sources.\n"
                                "# TYPE broadcast_plugin_switches_total counter\n"
                                "broadcast_plugin_switches_total{broadcaster=\"price\"} 3\n"));
  const std::string bucket = "broadcast_plugin_parse_seconds_bucket{broadcaster=\"price\",le=";
  EXPECT_THAT(text(), HasSubstr(bucket + "\"0.0005\"} 2\n"));
  EXPECT_THAT(text(), HasSubstr(bucket + "\"60\"} 2\n"));
  EXPECT_THAT(text(), HasSubstr(bucket + "\"+Inf\"} 3\n"));
  EXPECT_THAT(text(), HasSubstr("broadcast_plugin_parse_seconds_sum{broadcaster=\"price\"} 61.5"));
}

TEST_F(MetricsTest, ABackslashInHelpIsEscaped) {
  host.add("a", BroadcasterState::kOk).metrics = {{.name = "depth", .help = R"(of C:\queue)"}};
  EXPECT_THAT(text(), HasSubstr("# HELP broadcast_plugin_depth of C:\\\\queue\n"));
}

TEST_F(MetricsTest, OneNameOfTwoKindsBecomesTwoFamilies) {
  host.add("a", BroadcasterState::kOk).metrics = {{.name = "depth", .kind = MetricKind::kGauge}};
  host.add("b", BroadcasterState::kOk).metrics = {
      {.name = "depth", .kind = MetricKind::kHistogram}};
  EXPECT_THAT(text(), HasSubstr("# TYPE broadcast_plugin_depth gauge\n"));
  EXPECT_THAT(text(), HasSubstr("# TYPE broadcast_plugin_b_depth histogram\n"));
}

}  // namespace
}  // namespace broadcast
