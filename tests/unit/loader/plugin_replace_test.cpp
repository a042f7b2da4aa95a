#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "host/loader/plugin_runner.hpp"
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

class ReplaceTest : public PluginRunnerTest {
 protected:
  static PluginSpec spec(const std::string& config = "{}", const std::string& plugin = "probe") {
    return {.file = test::read_plugin(plugin), .config = config, .permissions = {}};
  }
  /// The refusal, empty if there is none.
  std::string change(std::optional<PluginSpec> to) {
    auto answer = std::make_shared<std::promise<std::string>>();
    auto refusal = answer->get_future();
    runner->post_change(std::move(to), [answer](const PluginRunner::Changed& changed) {
      answer->set_value(changed.refusal);
    });
    if (refusal.wait_for(kPatience) != std::future_status::ready) return "no answer in time";
    return refusal.get();
  }
  void start_and_wait(const PluginRunner::Options& with = options()) {
    start(with);
    ASSERT_TRUE(listening.wait_for_event("START"));
    ASSERT_TRUE(runner->wait_first_start(mono_now() + kPatience).empty());
  }
};

TEST_F(ReplaceTest, TheNextStartsBeforeTheOldOneStopsAndNothingOfItIsLeft) {
  start_and_wait();
  EXPECT_EQ(change(spec()), "");
  const BroadcasterView view = runner->view();
  EXPECT_TRUE(view.running);
  EXPECT_EQ(view.generation, 2u);
  EXPECT_EQ(count(Counter::kPluginRestarts), 0u);
  EXPECT_EQ(runner->libraries_left(), 0u);
  EXPECT_TRUE(listening.wait_for_event("START"));
  // STOP of the old one is not heard: it was revoked before.
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
}

TEST_F(ReplaceTest, TheNextStartReadsWhatTheOldOneKeptLastAndNothingComesAfterIt) {
  start_and_wait(options(R"({"in":"STOP","do":"keep","state":"too late"})"));
  for (const char* state : {"first", "last"}) {
    ask(*runner, R"({"do":"keep","state":")" + std::string(state) + "\"}");
  }
  EXPECT_EQ(change(spec()), "");
  EXPECT_TRUE(listening.wait_for_event("kept last"));
  EXPECT_EQ(change(spec()), "");
  EXPECT_TRUE(listening.wait_for_event("kept last"));
}

TEST_F(ReplaceTest, AnExclusiveOneMayKeepUntilItsStopHasReturned) {
  start_and_wait(options(R"({"in":"STOP","do":"keep","state":"in STOP"})"));
  EXPECT_EQ(change(spec("{}", "exclusive")), "");
  EXPECT_TRUE(listening.wait_for_event("kept in STOP"));
}

TEST_F(ReplaceTest, WhatItKeepsIsThereAfterItWasSwitchedOff) {
  start_and_wait();
  ask(*runner, R"({"do":"keep","state":"abc"})");
  EXPECT_EQ(change(std::nullopt), "");
  EXPECT_EQ(change(spec()), "");
  EXPECT_TRUE(listening.wait_for_event("kept abc"));
}

TEST_F(ReplaceTest, LoadsInTheBackgroundBesideOneThatServesAndCallsBackInFront) {
  const std::string nice = std::to_string(getpriority(PRIO_PROCESS, 0));
  start_and_wait();
  EXPECT_EQ(ask(*runner, R"({"do":"tell_nice"})").text, nice + ", loaded with " + nice);
  EXPECT_EQ(change(spec()), "");
  EXPECT_EQ(ask(*runner, R"({"do":"tell_nice"})").text, nice + ", loaded with 19");
}

TEST_F(ReplaceTest, NumbersAndSubscribersStayAndDemandIsToldAgain) {
  make(options());
  const TopicPtr topic = listening.subscribe("probe:first");
  runner->start();
  ASSERT_TRUE(listening.wait_for_event("DEMAND probe:first 1 replay"));
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  EXPECT_EQ(change(spec()), "");
  EXPECT_TRUE(listening.wait_for_event("DEMAND probe:first 1 replay"));
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  EXPECT_EQ(listening.hub().audience().peek(topic).seq, 2u);
}

TEST_F(ReplaceTest, WhateverFailsBeforeStartReturnsKeepsTheOldOne) {
  start_and_wait();
  for (const auto& [config, why] :
       {std::pair{R"({"in":"CONFIG","do":"refuse"})",
                  "probe: CONFIG failed (status -1): signals[0].ticker is missing"},
        std::pair{R"({"in":"START","do":"refuse"})",
                  "probe: START failed (status -1): signals[0].ticker is missing"},
        std::pair{R"({"in":"START","do":"throw"})",
                  "probe: exception in START: thrown ? on request"}}) {
    EXPECT_EQ(change(spec(config)), why);
    EXPECT_EQ(runner->view().generation, 1u);
    EXPECT_TRUE(runner->view().running);
    EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  }
  EXPECT_EQ(change(spec("{}", "undefined_symbol")),
            "probe: undefined_symbol.so: undefined symbol: function_that_nobody_defines");
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  EXPECT_EQ(runner->libraries_left(), 0u);
  EXPECT_EQ(count(Counter::kPluginRestarts), 0u);
}

TEST_F(ReplaceTest, TopicsThatAreAnothersAreRefusedAndTheOldOneKeepsItsOwn) {
  const std::string refusal =
      "probe: topic \"thread_key:log\" is already owned by other (thread_key.so). Disable one of "
      "them under broadcasters:.";
  start_and_wait();
  const auto other = PluginRunner::make(test::read_plugin("thread_key"), {.name = "other"},
                                        listening.surroundings());
  ASSERT_EQ(other->try_claim(), std::nullopt);
  EXPECT_EQ(change(spec("{}", "thread_key")), refusal);
  EXPECT_EQ(runner->view().generation, 1u);
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  EXPECT_EQ(runner->libraries_left(), 0u);
  EXPECT_EQ(change(std::nullopt), "");
  EXPECT_EQ(change(spec("{}", "thread_key")), refusal);
  EXPECT_FALSE(runner->view().enabled);
}

TEST_F(ReplaceTest, AStuckOneIsQuarantinedAndItsProducerAnswered) {
  const Gate gate;
  auto impatient = options();
  impatient.times.pause = impatient.times.stop = 1ms;
  start_and_wait(impatient);
  auto stuck = post(*runner, gate.order());
  ASSERT_TRUE(listening.wait_for_event("stuck"));
  auto waiting = post(*runner, R"({"do":"publish_twice"})");
  EXPECT_EQ(change(spec()), "");
  EXPECT_EQ(verdict_of(std::move(waiting)).published, 2u) << "by the next one";
  EXPECT_EQ(verdict_of(std::move(stuck)).text,
            "probe did not finish with this message and was replaced; try again");
  auto quarantined = runner->view().quarantined;
  ASSERT_EQ(quarantined.size(), 1u);
  EXPECT_EQ(quarantined[0].generation, 1u);
  EXPECT_EQ(quarantined[0].why, "a callback does not return");
  gate.open();
  while (runner->libraries_left() > 0) std::this_thread::yield();
  EXPECT_TRUE(runner->view().quarantined.empty());
  EXPECT_EQ(runner->view().generation, 2u);
}

TEST_F(ReplaceTest, AStartThatDoesNotReturnIsGivenUpAndComesTooLate) {
  const Gate gate;
  auto impatient = options();
  impatient.times.start = impatient.times.stop = 1ms;
  start_and_wait(impatient);
  EXPECT_EQ(change(spec(R"({"in":"START",)" + gate.order().substr(1))),
            "probe: START has not returned in time");
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u) << "the old one goes on";
  gate.open();
  while (runner->libraries_left() > 0) std::this_thread::yield();
  EXPECT_EQ(runner->view().generation, 1u);
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
}

TEST_F(ReplaceTest, AStartThatIsGivenUpPublishesNothingBesideTheOldOne) {
  const Gate gate;
  auto impatient = options();
  impatient.times.start = 1s;  // to come to its START, and be stuck there
  impatient.times.stop = kPatience;
  start_and_wait(impatient);
  auto answer = std::make_shared<std::promise<std::string>>();
  runner->post_change(
      spec(R"({"in":"START",)" + gate.order("stuck_and_tell").substr(1)),
      [answer](const PluginRunner::Changed& changed) { answer->set_value(changed.refusal); });
  ASSERT_TRUE(listening.wait_for_event("stuck"));
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u) << "the old one goes on";
  gate.open();
  EXPECT_EQ(answer->get_future().get(), "probe: START has not returned in time");
  EXPECT_FALSE(listening.came({R"("event":"freed")"}));
  EXPECT_EQ(runner->view().generation, 1u);
}

TEST_F(ReplaceTest, SwitchedOffItGivesItsTopicsAwayAndOnAgainTakesThemBack) {
  start_and_wait();
  const TopicPtr topic = listening.subscribe("probe:first");
  EXPECT_EQ(change(std::nullopt), "");
  EXPECT_FALSE(runner->view().enabled);
  EXPECT_TRUE(listening.wait_for({R"("state":"disabled")", "switched off by the operator"}));
  EXPECT_EQ(ask(*runner, "{}").text, "probe is switched off");
  EXPECT_EQ(listening.hub().topics().owner_of("probe:first"), nullptr);
  EXPECT_EQ(listening.hub().topics().owner_of("probe:never"), nullptr);
  EXPECT_EQ(mappings_of("probe"), 0u);
  EXPECT_EQ(change(spec()), "");
  EXPECT_TRUE(listening.wait_for_event("DEMAND probe:first 1 replay"));
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  EXPECT_EQ(listening.hub().audience().peek(topic).seq, 1u);
}

TEST_F(ReplaceTest, AnExclusiveOneEndsBeforeTheNextBeginsAndComesBackIfThatFails) {
  make(options());
  runner->start();
  ASSERT_TRUE(listening.wait_for_event("START"));
  ASSERT_TRUE(runner->wait_first_start(mono_now() + kPatience).empty());
  EXPECT_EQ(change(spec("{}", "exclusive")), "");
  EXPECT_TRUE(listening.wait_for_event("STOP")) << "heard: it was not revoked yet";
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_EQ(change(spec(R"({"in":"START","do":"refuse"})", "exclusive")),
            "probe: START failed (status -1): signals[0].ticker is missing");
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  EXPECT_EQ(runner->view().generation, 4u);
}

TEST_F(ReplaceTest, OneThatIsDownIsReplacedAtOnceAndGoesOnTryingIfTheNextFails) {
  auto patient = options(R"({"in":"START","do":"throw"})");
  patient.restart = {.first = 1h, .longest = 1h, .healthy = 1h};
  start(patient);
  ASSERT_TRUE(listening.wait_for({R"("state":"down")", "next try in 3600 s"}));
  EXPECT_EQ(change(spec(R"({"in":"CONFIG","do":"refuse"})")),
            "probe: CONFIG failed (status -1): signals[0].ticker is missing");
  EXPECT_EQ(change(spec()), "");
  EXPECT_TRUE(listening.wait_for({R"("state":"ok")"}));
  EXPECT_TRUE(runner->view().running);
}

TEST_F(ReplaceTest, AStopInTheMiddleOfAChangeEndsBoth) {
  const Gate gate;
  start_and_wait();
  auto answer = std::make_shared<std::promise<std::string>>();
  runner->post_change(
      spec(R"({"in":"CONFIG",)" + gate.order().substr(1)),
      [answer](const PluginRunner::Changed& changed) { answer->set_value(changed.refusal); });
  while (mappings_of("probe") < 2) std::this_thread::yield();
  runner->request_stop(mono_now() + kPatience);
  gate.open();
  EXPECT_TRUE(runner->wait_stopped(mono_now() + kPatience));
  EXPECT_EQ(answer->get_future().get(), "probe: the host is stopping");
  EXPECT_EQ(ask(*runner, "{}").text, "probe is stopped");
  EXPECT_EQ(runner->libraries_left(), 0u);
  EXPECT_EQ(mappings_of("probe"), 0u);
}

}  // namespace
}  // namespace broadcast
