#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

#include "tests/unit/plugins/plugin_path.hpp"

namespace broadcast {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kDefaults = "{}";

TEST(HeartbeatTest, PingsEveryClientEachInterval) {
  FakeHost host(plugin_path("heartbeat"), kDefaults);
  host.start();
  host.advance(minutes(60));
  ASSERT_EQ(host.sent_to_all().size(), 120U);
  const auto ping = nlohmann::json::parse(host.sent_to_all().front());
  EXPECT_EQ(ping["type"], "ping");
  EXPECT_EQ(ping["timestamp"], "2026-02-02T02:40:30.000000+00:00");
  EXPECT_EQ(ping.size(), 2U);
}

TEST(HeartbeatTest, ClosesSilentClientsWith4408LookingForThemEverySecond) {
  FakeHost host(plugin_path("heartbeat"), kDefaults);
  host.start();
  host.advance(seconds(30));
  ASSERT_EQ(host.closed_idle().size(), 30U);
  EXPECT_EQ(host.closed_idle().front().idle, seconds(90));
  EXPECT_EQ(host.closed_idle().front().code, 4408);
}

TEST(HeartbeatTest, HasTheHostPingThoseThatAreSilent) {
  FakeHost host(plugin_path("heartbeat"), R"({"interval":"20s","timeout":"1m"})");
  host.start();
  host.advance(minutes(5));
  ASSERT_EQ(host.heartbeats().size(), 1U);
  EXPECT_EQ(host.heartbeats().front().interval, seconds(20));
  EXPECT_EQ(host.heartbeats().front().timeout, minutes(1));
  EXPECT_THAT(host.misuse(), testing::IsEmpty());
}

TEST(HeartbeatTest, RefusesATimeoutThatNoPongCouldMeet) {
  EXPECT_THROW(FakeHost(plugin_path("heartbeat"), R"({"interval":"30s","timeout":"30s"})"),
               std::runtime_error);
}

}  // namespace
}  // namespace broadcast
