#include "host/app/broadcaster_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/app/plan_fixture.hpp"

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Why some are refused, a line each.
std::string refusals(const std::string& broadcasters) {
  const Config config = with_test_plugins(R"("broadcasters": )" + broadcasters);
  std::string text;
  for (const auto& refused : plan_broadcasters(config).refused) text += refused.why + "\n";
  return text;
}

TEST(BroadcasterPlanTest, TakesWhatIsWhole) {
  const Config config = with_test_plugins(
      R"("broadcasters": {"probe": {"library": "probe.so", "config": {"a": 1}},
                          "off": {"enabled": false, "library": "nowhere.so"}})");
  const BroadcasterPlan plan = plan_broadcasters(config);
  EXPECT_TRUE(plan.refused.empty());
  ASSERT_EQ(plan.ready.size(), 1u);
  EXPECT_EQ(plan.ready[0].name, "probe");
  EXPECT_EQ(plan.ready[0].config, R"({"a":1})");
  EXPECT_EQ(plan.disabled, std::vector<std::string>{"off"});
}

TEST(BroadcasterPlanTest, RefusesTheSecondOwnerOfATopic) {
  EXPECT_EQ(
      refusals(R"({"probe": {"library": "probe.so"}, "quotes": {"library": "second_owner.so"}})"),
      "quotes: topic \"probe:{ticker}\" is already owned by probe (probe.so). Disable one of "
      "them under broadcasters:.\n");
}

TEST(BroadcasterPlanTest, TheFirstInTheFileHasTheTopicWhateverItIsCalled) {
  EXPECT_EQ(
      refusals(R"({"quotes": {"library": "second_owner.so"}, "probe": {"library": "probe.so"}})"),
      "probe: topic \"probe:log\" is already owned by quotes (second_owner.so). Disable one of "
      "them under broadcasters:.\n");
}

TEST(BroadcasterPlanTest, ASwitchedOffBroadcasterOwnsNothing) {
  EXPECT_EQ(refusals(R"({"probe": {"enabled": false, "library": "probe.so"},
                         "quotes": {"library": "second_owner.so"}})"),
            "");
}

TEST(BroadcasterPlanTest, ARefusedBroadcasterOwnsNothing) {
  const std::string text =
      refusals(R"({"early": {"library": "second_owner.so", "config": {"colour": "red"}},
                   "probe": {"library": "probe.so"}})");
  EXPECT_THAT(text, HasSubstr("broadcasters.early.config.colour"));
  EXPECT_THAT(text, testing::Not(HasSubstr("already owned")));
}

TEST(BroadcasterPlanTest, NamesThePermissionThatIsMissing) {
  EXPECT_EQ(refusals(R"({"heartbeat": {"library": "wants_clients.so"}})"),
            "heartbeat: asks for \"bc.clients/1\"; grant it with "
            "broadcasters.heartbeat.permissions: [clients].\n");
  EXPECT_EQ(refusals(R"({"heartbeat": {"library": "wants_clients.so", "permissions": [clients]}})"),
            "");
}

TEST(BroadcasterPlanTest, WhateverElseIsWrongIsARefusalWithItsPlace) {
  Config config = with_test_plugins(
      "\"broadcasters\": {\"probe\": {\"library\": \"probe.so\",\n \"config\": {\"a\": 1}}}");
  config.broadcasters["probe"].config["a"] = "\xff";  // which JSON cannot carry
  const BroadcasterPlan plan = plan_broadcasters(config);
  ASSERT_EQ(plan.refused.size(), 1u);
  EXPECT_THAT(
      plan.refused[0].why,
      testing::AllOf(StartsWith("f.yaml:2:2: broadcasters.probe.config: "), HasSubstr("UTF-8")));
}

}  // namespace
}  // namespace broadcast
