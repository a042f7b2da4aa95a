#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "host/loader/plugin_runner.hpp"
#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/loader/runner_fixture.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using test::ask;
using test::kPatience;
using test::PluginRunnerTest;
using Outcome = Verdict::Outcome;

TEST_F(PluginRunnerTest, CatchesAnExceptionThroughTheBorderAndRestarts) {
  start();
  ASSERT_TRUE(listening.wait_for_event("START"));
  const Verdict verdict = ask(*runner, R"({"do":"throw"})");
  EXPECT_EQ(verdict.outcome, Outcome::kUnavailable);
  EXPECT_EQ(verdict.text, "probe failed on this message and is restarting: thrown ? on request");
  EXPECT_TRUE(listening.wait_for(
      {R"("state":"down")", "exception in MESSAGE: thrown ? on request; next try in 1 s"}));
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(listening.wait_for({R"("state":"ok")"}));
  EXPECT_EQ(count(Counter::kPluginExceptions), 1u);
  EXPECT_EQ(count(Counter::kPluginRestarts), 1u);
}

TEST_F(PluginRunnerTest, ShowsOperatorsItsNextLife) {
  start();
  ASSERT_TRUE(listening.wait_for({R"("state":"ok")"}));
  static_cast<void>(ask(*runner, R"({"do":"throw"})"));
  ASSERT_TRUE(listening.wait_for({R"("state":"ok")"}));
  const BroadcasterView view = runner->view();
  EXPECT_TRUE(view.running);
  EXPECT_EQ(view.generation, 2u);
  EXPECT_FALSE(view.last_error.empty());
}

TEST_F(PluginRunnerTest, CatchesWhatIsNoExceptionToo) {
  start();
  EXPECT_EQ(ask(*runner, R"({"do":"throw_int"})").text,
            "probe failed on this message and is restarting: unknown exception");
}

TEST_F(PluginRunnerTest, TreatsAnExceptionThatThePluginsFenceCaughtAlike) {
  start();
  EXPECT_EQ(ask(*runner, R"({"do":"fenced"})").text,
            "probe failed on this message and is restarting: no such table");
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", "exception in MESSAGE: no such table"}));
  EXPECT_EQ(count(Counter::kPluginExceptions), 1u);
}

TEST_F(PluginRunnerTest, GivesAFailedInstanceItsStop) {
  start(options(R"({"in":"STOP","do":"throw"})"));
  EXPECT_EQ(ask(*runner, R"({"do":"throw"})").outcome, Outcome::kUnavailable);
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_EQ(count(Counter::kPluginExceptions), 2u);
}

TEST_F(PluginRunnerTest, WhatItKeepsIsThereAfterARestart) {
  start();
  EXPECT_EQ(ask(*runner, R"({"do":"keep","state":"abc"})").outcome, Outcome::kAccepted);
  ask(*runner, R"({"do":"throw"})");
  EXPECT_TRUE(listening.wait_for_event("kept abc"));
}

TEST_F(PluginRunnerTest, RestartsAtThePluginsOwnRequestWithoutCountingAnException) {
  start();
  ASSERT_TRUE(listening.wait_for_event("START"));
  const Verdict verdict = ask(*runner, R"({"do":"restart"})");
  EXPECT_EQ(verdict.text, "probe is restarting at its own request: new settings");
  EXPECT_TRUE(verdict.has_failed_on_it);
  EXPECT_TRUE(listening.wait_for({"asked for a restart in MESSAGE: new settings"}));
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_EQ(count(Counter::kPluginExceptions), 0u);
  EXPECT_EQ(count(Counter::kPluginRestarts), 1u);
}

TEST_F(PluginRunnerTest, TriesAgainWhenConfigOrStartFail) {
  start(options(R"({"in":"START","do":"refuse"})"));
  EXPECT_TRUE(listening.wait_for({"START failed (status -1): signals[0].ticker is missing"}));
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_GE(count(Counter::kPluginErrors), 1u);
  EXPECT_EQ(count(Counter::kPluginExceptions), 0u);
}

TEST_F(PluginRunnerTest, CountsAnExceptionInEveryStage) {
  for (const char* stage : {"CONFIG", "START", "POST", "TIMER", "DEMAND", "STOP"}) {
    test::ListeningHub own;
    auto with = options(R"({"in":")" + std::string(stage) + R"(","do":"throw"})");
    const auto each = PluginRunner::make(test::read_plugin("probe"), with, own.surroundings());
    EXPECT_EQ(each->try_claim(), std::nullopt);
    own.subscribe("probe:log");
    own.subscribe_status("probe");
    each->start();
    static_cast<void>(ask(*each, R"({"do":"post"})"));
    static_cast<void>(ask(*each, R"({"do":"timer"})"));
    if (stage != std::string_view("STOP")) {
      EXPECT_TRUE(own.wait_for({R"("state":"down")", std::string("exception in ") + stage}));
    }
    EXPECT_TRUE(each->stop_within(kPatience));
    EXPECT_GE(each->counters().get(Counter::kPluginExceptions), 1u) << stage;
  }
}

TEST_F(PluginRunnerTest, SaysWhyALibraryCannotBeLoaded) {
  start(options(), "undefined_symbol");
  EXPECT_TRUE(
      listening.wait_for({R"("state":"down")",
                          "undefined_symbol.so: undefined symbol: function_that_nobody_defines"}));
}

TEST_F(PluginRunnerTest, AnswersAtOnceWhileItBacksOff) {
  auto slow = options(R"({"in":"START","do":"throw"})");
  slow.restart.first = slow.restart.longest = 1h;
  start(slow);
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", "next try in 3600 s"}));
  const Verdict verdict = ask(*runner, "{}");
  EXPECT_EQ(verdict.outcome, Outcome::kUnavailable);
  EXPECT_TRUE(verdict.text.starts_with("probe is restarting after an exception; try again in "))
      << verdict.text;
  EXPECT_GT(verdict.retry_after, 0ms);
  EXPECT_LE(verdict.retry_after, 1h);
}

TEST_F(PluginRunnerTest, CountsAFailingTimerAndGoesOn) {
  start(options(R"({"in":"TIMER","do":"refuse"})"));
  EXPECT_EQ(ask(*runner, R"({"do":"timer"})").outcome, Outcome::kAccepted);
  EXPECT_TRUE(listening.wait_for_event("TIMER 9"));
  EXPECT_EQ(ask(*runner, "{}").outcome, Outcome::kAccepted);
  EXPECT_EQ(count(Counter::kPluginErrors), 1u);
  EXPECT_EQ(count(Counter::kPluginRestarts), 0u);
}

TEST_F(PluginRunnerTest, DeliversEveryPostOfAnInstanceThatFailed) {
  start(options(R"({"in":"POST","do":"throw"})"));
  EXPECT_EQ(ask(*runner, R"({"do":"post_and_throw"})").outcome, Outcome::kUnavailable);
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(count(Counter::kPluginExceptions), 2u);
}

TEST_F(PluginRunnerTest, LogsAFailureThatRepeatsItselfOnce) {
  const test::CapturedLog log;
  start(options(R"({"in":"START","do":"refuse"})"));
  for (int life = 0; life < 4; ++life) EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(log.count_of("START failed"), 1) << log.text();
}

TEST_F(PluginRunnerTest, LogsAFailureAgainOnceItHadStarted) {
  const test::CapturedLog log;
  start();
  for (int life = 0; life < 2; ++life) {
    EXPECT_TRUE(listening.wait_for_event("START"));
    EXPECT_EQ(ask(*runner, R"({"do":"throw"})").outcome, Outcome::kUnavailable);
  }
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(log.count_of("exception in MESSAGE"), 2) << log.text();
}

class SdkPluginTest : public PluginRunnerTest, public testing::WithParamInterface<const char*> {};

TEST_P(SdkPluginTest, StopsExceptionsAtItsOwnFence) {
  start(options(), GetParam());
  EXPECT_EQ(ask(*runner, "{}").published, 1u);
  EXPECT_TRUE(listening.wait_for({R"("state":"ok")"}));
  EXPECT_EQ(ask(*runner, R"({"do":"refuse"})").text, "ticker is missing");
  EXPECT_EQ(ask(*runner, R"({"do":"throw"})").text,
            "probe failed on this message and is restarting: no such table");
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", "exception in MESSAGE: no such table"}));
  EXPECT_TRUE(listening.wait_for({R"("state":"ok")"}));
  EXPECT_EQ(ask(*runner, R"({"do":"throw_int"})").text,
            "probe failed on this message and is restarting: unknown exception");
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", "exception in MESSAGE: unknown exception"}));
  EXPECT_TRUE(listening.wait_for({R"("state":"ok")"}));
  EXPECT_EQ(ask(*runner, R"({"do":"restart"})").text,
            "probe is restarting at its own request: new settings");
  EXPECT_EQ(count(Counter::kPluginExceptions), 2u);
}

INSTANTIATE_TEST_SUITE_P(Plugins, SdkPluginTest, testing::Values("libfenced"));
#if !defined(__SANITIZE_ADDRESS__)
// A static libstdc++ never frees its emergency pool for exceptions, which LeakSanitizer reports.
INSTANTIATE_TEST_SUITE_P(StaticRuntime, SdkPluginTest, testing::Values("libfenced_static"));
#endif

}  // namespace
}  // namespace broadcast
