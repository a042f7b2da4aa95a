#include "host/loader/plugin_runner.hpp"

#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/unit/loader/runner_fixture.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using test::ask;
using test::Gate;
using test::kPatience;
using test::mappings_of;
using test::PluginRunnerTest;
using test::post;
using test::verdict_of;
using Outcome = Verdict::Outcome;

TEST_F(PluginRunnerTest, LivesFromStartToStop) {
  start();
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(listening.wait_for({R"("type":"status")", R"("state":"ok")"}));
  EXPECT_GT(mappings_of("probe"), 0u);
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_TRUE(listening.wait_for_event("STOP"));
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", R"("detail":"stopped")"}));
  EXPECT_EQ(runner->libraries_left(), 0u);
  EXPECT_EQ(mappings_of("probe"), 0u);
}

TEST_F(PluginRunnerTest, AnswersWithWhatThePluginMadeOfTheMessage) {
  start();
  Verdict verdict = ask(*runner, R"({"do":"publish_twice"})");
  EXPECT_EQ(verdict.outcome, Outcome::kAccepted);
  EXPECT_EQ(verdict.published, 2u);
  EXPECT_EQ(verdict.topic, "probe:second");
  verdict = ask(*runner, R"({"do":"elsewhere"})");
  EXPECT_EQ(verdict.outcome, Outcome::kAccepted);
  EXPECT_EQ(verdict.published, 0u);
  verdict = ask(*runner, R"({"do":"refuse"})");
  EXPECT_EQ(verdict.outcome, Outcome::kRefused);
  EXPECT_EQ(verdict.text, "signals[0].ticker is missing");
  verdict = ask(*runner, R"({"do":"refuse_silently"})");
  EXPECT_EQ(verdict.text, "probe refused it (status -1)");
  verdict = ask(*runner, R"({"do":"busy"})");
  EXPECT_EQ(verdict.outcome, Outcome::kUnavailable);
  EXPECT_EQ(verdict.text, "probe is busy");
  EXPECT_EQ(count(Counter::kPluginErrors), 0u);
  EXPECT_EQ(count(Counter::kProducerAccepted), 2u);
  EXPECT_EQ(count(Counter::kProducerRefused), 2u);
  EXPECT_EQ(count(Counter::kProducerUnavailable), 1u);
}

TEST_F(PluginRunnerTest, ShowsOperatorsWhatBecameOfIt) {
  PluginRunner::Options patient = options();
  patient.restart = {.first = 1h, .longest = 1h, .healthy = 1h};  // so that it can be seen
  make(patient);
  BroadcasterView view = runner->view();
  EXPECT_EQ(view.name, "probe");
  EXPECT_EQ(view.abi, "1.0");
  EXPECT_FALSE(view.running);
  EXPECT_EQ(view.generation, 0u);
  runner->start();
  ASSERT_TRUE(listening.wait_for({R"("state":"ok")"}));
  view = runner->view();
  EXPECT_TRUE(view.running);
  EXPECT_EQ(view.generation, 1u);
  EXPECT_TRUE(view.last_error.empty());
  static_cast<void>(ask(*runner, R"({"do":"throw"})"));
  ASSERT_TRUE(listening.wait_for({R"("state":"down")"}));
  view = runner->view();
  EXPECT_FALSE(view.running);
  EXPECT_EQ(view.last_error, "exception in MESSAGE: thrown ? on request");
  EXPECT_FALSE(view.last_error_at.empty());
  EXPECT_EQ(view.counts[static_cast<std::size_t>(Counter::kPluginExceptions)], 1u);
}

TEST_F(PluginRunnerTest, IsRehearsedAsFarAsItsConfig) {
  const auto rehearsed = [](const PluginRunner::Options& with, const std::string& plugin) {
    test::ListeningHub own;
    const auto one = PluginRunner::make(test::read_plugin(plugin), with, own.surroundings());
    EXPECT_EQ(one->try_claim(), std::nullopt);
    std::string why = one->rehearse(PluginRunner::Rehearsal::kConfigured);
    EXPECT_EQ(one->libraries_left(), 0u);
    return why;
  };
  EXPECT_EQ(rehearsed(options(), "probe"), "");
  EXPECT_EQ(rehearsed(options(R"({"in":"START","do":"refuse"})"), "probe"), "");
  EXPECT_EQ(rehearsed(options(R"({"in":"CONFIG","do":"refuse"})"), "probe"),
            "CONFIG failed (status -1): signals[0].ticker is missing");
  EXPECT_NE(rehearsed(options(), "undefined_symbol"), "");
  EXPECT_EQ(mappings_of("probe"), 0u);
}

TEST_F(PluginRunnerTest, TellsDemandAsItChangesAndAgainAfterARestart) {
  make(options());
  const TopicPtr early = listening.subscribe("probe:early");
  runner->start();
  EXPECT_TRUE(listening.wait_for_event("DEMAND probe:early 1 replay"));
  listening.subscribe("probe:late");
  EXPECT_TRUE(listening.wait_for_event("DEMAND probe:late 1"));
  listening.unsubscribe(early);
  listening.hub().on_tick(mono_now() + 1s, 0);
  EXPECT_TRUE(listening.wait_for_event("DEMAND probe:early 0"));
  static_cast<void>(ask(*runner, R"({"do":"throw"})"));
  EXPECT_TRUE(listening.wait_for_event("DEMAND probe:late 1 replay"));
}

TEST_F(PluginRunnerTest, DeliversTimersAndPosts) {
  start();
  EXPECT_EQ(ask(*runner, R"({"do":"timer"})").outcome, Outcome::kAccepted);
  EXPECT_TRUE(listening.wait_for_event("TIMER 9"));
  EXPECT_EQ(ask(*runner, R"({"do":"post"})").outcome, Outcome::kAccepted);
  EXPECT_TRUE(listening.wait_for_event("POST 7"));
}

TEST_F(PluginRunnerTest, DeliversEveryPostBeforeStop) {
  const Gate gate;
  start();
  auto stuck = post(*runner, gate.order());
  auto posts = post(*runner, R"({"do":"post"})");
  gate.open();
  EXPECT_EQ(verdict_of(std::move(posts)).outcome, Outcome::kAccepted);
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_TRUE(listening.wait_for_event("POST 7"));
  EXPECT_TRUE(listening.wait_for_event("STOP"));
}

TEST_F(PluginRunnerTest, StopsBeforeItEverStarted) {
  make(options());
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(ask(*runner, "{}").text, "probe is stopped");
}

}  // namespace
}  // namespace broadcast
