#include "host/loader/broadcasters.hpp"

#include <optional>

#include <gtest/gtest.h>

#include "tests/unit/loader/runner_fixture.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using test::ask;
using test::Gate;
using test::kPatience;
using test::post;
using Outcome = Verdict::Outcome;

TEST(BroadcastersTest, RefusesTheSecondOwnerOfATopicAndKeepsTheFirst) {
  test::ListeningHub listening;
  Broadcasters broadcasters(listening.surroundings());
  EXPECT_EQ(broadcasters.try_add(test::read_plugin("probe"), {.name = "probe"}), std::nullopt);
  EXPECT_EQ(broadcasters.try_add(test::read_plugin("second_owner"), {.name = "quotes"}),
            "quotes: topic \"probe:{ticker}\" is already owned by probe (probe.so). Disable one of "
            "them under "
            "broadcasters:.");
  EXPECT_EQ(broadcasters.try_add(test::read_plugin("wants_clients"), {.name = "heartbeat"}),
            "heartbeat: asks for \"bc.clients/1\"; grant it with "
            "broadcasters.heartbeat.permissions: [clients].");
  EXPECT_EQ(broadcasters.try_add(test::read_plugin("wants_clients"),
                                 {.name = "heartbeat", .permissions = {"clients"}}),
            std::nullopt);
  ASSERT_EQ(broadcasters.runners().size(), 2u);
  broadcasters.start();
  EXPECT_EQ(ask(*broadcasters.runners()[0], "{}").outcome, Outcome::kAccepted);
  EXPECT_TRUE(broadcasters.stop(mono_now() + kPatience));
}

TEST(BroadcastersTest, StopsTheOthersWhileOneIsStuck) {
  const Gate gate;
  test::ListeningHub listening;
  Broadcasters broadcasters(listening.surroundings());
  ASSERT_EQ(broadcasters.try_add(test::read_plugin("probe"), {.name = "probe"}), std::nullopt);
  ASSERT_EQ(broadcasters.try_add(test::read_plugin("thread_local"), {.name = "other"}),
            std::nullopt);
  broadcasters.start();
  listening.subscribe("probe:log");
  const auto stuck = post(*broadcasters.runners()[0], gate.order());
  ASSERT_TRUE(listening.wait_for_event("stuck"));
  EXPECT_FALSE(broadcasters.stop(mono_now() + 100ms));
  EXPECT_TRUE(broadcasters.runners()[1]->wait_stopped(mono_now() + kPatience));
  gate.open();
  EXPECT_TRUE(broadcasters.stop(mono_now() + kPatience));
}

TEST(BroadcastersTest, TellsWhichFailedToStartAndWhy) {
  test::ListeningHub listening;
  Broadcasters broadcasters(listening.surroundings());
  ASSERT_EQ(broadcasters.try_add(test::read_plugin("probe"),
                                 {.name = "probe", .config = R"({"in":"START","do":"refuse"})"}),
            std::nullopt);
  ASSERT_EQ(broadcasters.try_add(test::read_plugin("undefined_symbol"), {.name = "incomplete"}),
            std::nullopt);
  ASSERT_EQ(broadcasters.try_add(test::read_plugin("minimal"), {.name = "good"}), std::nullopt);
  broadcasters.start();
  const auto failed = broadcasters.wait_first_start(mono_now() + kPatience);
  ASSERT_EQ(failed.size(), 2u);
  EXPECT_EQ(failed[0].name, "probe");
  EXPECT_EQ(failed[0].why, "START failed (status -1): signals[0].ticker is missing");
  EXPECT_EQ(failed[1].name, "incomplete");
  EXPECT_EQ(failed[1].why, "undefined_symbol.so: undefined symbol: function_that_nobody_defines");
  EXPECT_TRUE(broadcasters.stop(mono_now() + kPatience));
}

TEST(BroadcastersTest, WaitsForAStartNoLongerThanItIsTold) {
  const Gate gate;
  test::ListeningHub listening;
  Broadcasters broadcasters(listening.surroundings());
  ASSERT_EQ(broadcasters.try_add(
                test::read_plugin("probe"),
                {.name = "probe", .config = R"({"in":"START",)" + gate.order().substr(1)}),
            std::nullopt);
  listening.subscribe("probe:log");
  broadcasters.start();
  ASSERT_TRUE(listening.wait_for_event("stuck"));
  const auto missing = broadcasters.wait_first_start(mono_now());
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].why, "its START has not returned in time");
  gate.open();
  EXPECT_TRUE(broadcasters.wait_first_start(mono_now() + kPatience).empty());
  EXPECT_TRUE(broadcasters.stop(mono_now() + kPatience));
}

TEST(BroadcastersTest, AFailedInstanceThatIsStuckInStopHoldsUpNobodyElse) {
  const Gate gate;
  test::ListeningHub listening;
  Broadcasters broadcasters(listening.surroundings());
  ASSERT_EQ(broadcasters.try_add(
                test::read_plugin("probe"),
                {.name = "probe", .config = R"({"in":"STOP",)" + gate.order().substr(1)}),
            std::nullopt);
  ASSERT_EQ(broadcasters.try_add(test::read_plugin("thread_local"), {.name = "other"}),
            std::nullopt);
  broadcasters.start();
  ASSERT_TRUE(broadcasters.wait_first_start(mono_now() + kPatience).empty());
  PluginRunner& probe = *broadcasters.runners()[0];
  PluginRunner& other = *broadcasters.runners()[1];
  listening.subscribe_status("probe");
  EXPECT_EQ(ask(probe, R"({"do":"throw"})").outcome, Outcome::kUnavailable);
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", "exception in MESSAGE"}));
  EXPECT_EQ(ask(probe, "{}").outcome, Outcome::kUnavailable);
  EXPECT_EQ(ask(other, "{}").outcome, Outcome::kAccepted);
  EXPECT_FALSE(broadcasters.stop(mono_now() + 100ms));
  EXPECT_TRUE(other.wait_stopped(mono_now() + kPatience));
  gate.open();
  EXPECT_TRUE(broadcasters.stop(mono_now() + kPatience));
}

TEST(BroadcastersTest, IsNotCleanlyStoppedWhileALibraryIsMapped) {
  test::ListeningHub listening;
  Broadcasters broadcasters(listening.surroundings());
  ASSERT_EQ(broadcasters.try_add(test::read_plugin("throws_in_destroy"), {.name = "rude"}),
            std::nullopt);
  broadcasters.start();
  EXPECT_TRUE(broadcasters.wait_first_start(mono_now() + kPatience).empty());
  EXPECT_FALSE(broadcasters.stop(mono_now() + kPatience));
}

}  // namespace
}  // namespace broadcast
