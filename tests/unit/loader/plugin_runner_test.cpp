#include "host/loader/plugin_runner.hpp"

#include <array>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using test::ask;
using test::kPatience;
using test::mappings_of;
using test::post;
using test::verdict_of;
using Outcome = Verdict::Outcome;

/// One byte on it lets a stuck probe go on.
class Gate {
 public:
  Gate() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Gate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  [[nodiscard]] std::string order(const std::string& what = "stuck") const {
    return R"({"do":")" + what + R"(","fd":)" + std::to_string(ends_[0]) + "}";
  }
  void open() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }

 private:
  std::array<int, 2> ends_{};
};

class PluginRunnerTest : public testing::Test {
 protected:
  ~PluginRunnerTest() override {
    if (runner != nullptr) {
      EXPECT_TRUE(runner->stop_within(kPatience));
    }
  }

  static PluginRunner::Options options(const std::string& config = "{}") {
    return {.name = "probe",
            .config = config,
            .permissions = {},
            .host_version = "1.3.2",
            .copies = {},
            .restart = {.first = 1ms, .longest = 4ms, .healthy = 60s},
            .inbox = {}};
  }

  /// Of a name of its own, because what stays mapped stays for good.
  static PluginRunner::Options rude(const std::string& config = "{}") {
    auto result = options(config);
    result.name = "rude";
    return result;
  }

  void make(const PluginRunner::Options& with, const std::string& plugin = "probe") {
    runner = PluginRunner::make(test::read_plugin(plugin), with, listening.surroundings());
    EXPECT_EQ(runner->try_claim(), std::nullopt);
    listening.subscribe("probe:log");
    listening.subscribe_status(with.name);
  }
  void start(const PluginRunner::Options& with = options(), const std::string& plugin = "probe") {
    make(with, plugin);
    runner->start();
  }
  [[nodiscard]] std::uint64_t count(Counter counter) { return runner->counters().get(counter); }

  test::ListeningHub listening;
  std::shared_ptr<PluginRunner> runner;
};

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
  EXPECT_EQ(verdict.last.topic, "probe:second");
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

TEST_F(PluginRunnerTest, CountsAFailingTimerAndGoesOn) {
  start(options(R"({"in":"TIMER","do":"refuse"})"));
  EXPECT_EQ(ask(*runner, R"({"do":"timer"})").outcome, Outcome::kAccepted);
  EXPECT_TRUE(listening.wait_for_event("TIMER 9"));
  EXPECT_EQ(ask(*runner, "{}").outcome, Outcome::kAccepted);
  EXPECT_EQ(count(Counter::kPluginErrors), 1u);
  EXPECT_EQ(count(Counter::kPluginRestarts), 0u);
}

TEST_F(PluginRunnerTest, LeavesAStuckCallbackBehindWithoutWaitingForIt) {
  const Gate gate;
  auto small = options();
  small.inbox.messages = 1;
  start(small);
  auto stuck = post(*runner, gate.order());
  ASSERT_TRUE(listening.wait_for_event("stuck"));
  auto waiting = post(*runner, "{}");
  EXPECT_EQ(ask(*runner, "{}").text,
            "probe has 1 messages waiting and takes no more; try again later");
  EXPECT_FALSE(runner->stop_within(1ms));
  EXPECT_EQ(verdict_of(std::move(waiting)).text, "probe is stopped");
  EXPECT_EQ(stuck.wait_for(0s), std::future_status::timeout);
  EXPECT_EQ(ask(*runner, "{}").text, "probe is stopped");

  gate.open();
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(verdict_of(std::move(stuck)).outcome, Outcome::kAccepted);
  EXPECT_EQ(mappings_of("probe"), 0u);
}

TEST_F(PluginRunnerTest, OutlivesItsOwnerWhileItIsStuck) {
  const Gate gate;
  start();
  auto stuck = post(*runner, gate.order());
  ASSERT_TRUE(listening.wait_for_event("stuck"));
  EXPECT_FALSE(runner->stop_within(1ms));
  const std::weak_ptr<PluginRunner> left = runner;
  runner.reset();
  EXPECT_FALSE(left.expired());
  gate.open();
  EXPECT_EQ(verdict_of(std::move(stuck)).outcome, Outcome::kAccepted);
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", R"("detail":"stopped")"}));
  while (!left.expired()) std::this_thread::yield();
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

TEST_F(PluginRunnerTest, DeliversEveryPostOfAnInstanceThatFailed) {
  start(options(R"({"in":"POST","do":"throw"})"));
  EXPECT_EQ(ask(*runner, R"({"do":"post_and_throw"})").outcome, Outcome::kUnavailable);
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(count(Counter::kPluginExceptions), 2u);
}

TEST_F(PluginRunnerTest, KeepsALibraryMappedWhoseDestroyThrew) {
  start(rude(), "throws_in_destroy");
  EXPECT_EQ(ask(*runner, "{}").outcome, Outcome::kAccepted);
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(runner->libraries_left(), 1u);
  EXPECT_EQ(count(Counter::kPluginExceptions), 1u);
}

TEST_F(PluginRunnerTest, KeepsTheHostThereForAThreadThatAFailedDestroyLeft) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  start(rude(R"({"in":"destroy","do":"haunt","fd":)" + std::to_string(ends[0]) + "}"));
  ASSERT_TRUE(listening.wait_for_event("START"));
  EXPECT_EQ(ask(*runner, R"({"do":"throw"})").outcome, Outcome::kUnavailable);
  ASSERT_TRUE(listening.wait_for_event("START"));
  EXPECT_EQ(runner->libraries_left(), 1u);
  char byte = '!';
  EXPECT_EQ(::write(ends[1], &byte, 1), 1);
  EXPECT_EQ(::read(ends[1], &byte, 1), 1);
  EXPECT_EQ(byte, 's');

  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(::write(ends[1], &byte, 1), 1);
  EXPECT_EQ(::read(ends[1], &byte, 1), 1);
  EXPECT_EQ(byte, 's');
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(PluginRunnerTest, GivesUpWhenTooManyCopiesStayMapped) {
  const test::CapturedLog log;
  start(rude(R"({"in":"START","do":"throw","and":{"in":"destroy"}})"));
  EXPECT_TRUE(listening.wait_for({R"("state":"down")",
                                  "gave up: 8 copies of its library could not be unloaded; "
                                  "correct the plugin and restart the host"}));
  const Verdict verdict = ask(*runner, "{}");
  EXPECT_EQ(verdict.text, "rude has given up; the host must be restarted");
  EXPECT_TRUE(verdict.has_given_up);
  EXPECT_EQ(verdict.retry_after, 0ms);
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(runner->libraries_left(), 8u);
  EXPECT_EQ(count(Counter::kPluginRestarts), 7u);
  EXPECT_EQ(log.count_of("error rude: gave up: 8 copies"), 1);
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

TEST_F(PluginRunnerTest, StopsBeforeItEverStarted) {
  make(options());
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_EQ(ask(*runner, "{}").text, "probe is stopped");
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

class PluginCycleTest : public PluginRunnerTest, public testing::WithParamInterface<const char*> {};

TEST_P(PluginCycleTest, LeavesNothingMappedAfter200Lives) {
  const auto file = test::read_plugin(GetParam());
  for (int cycle = 0; cycle < 200; ++cycle) {
    const auto each = PluginRunner::make(file, options(), listening.surroundings());
    each->start();
    ASSERT_EQ(ask(*each, "{}").outcome, Outcome::kAccepted);
    ASSERT_TRUE(each->stop_within(kPatience));
    ASSERT_EQ(each->libraries_left(), 0u) << cycle;
  }
  EXPECT_EQ(mappings_of("probe"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Plugins, PluginCycleTest,
                         testing::Values("probe", "thread_local", "thread_key"));

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
  EXPECT_EQ(listening.hub().look(topic).seq, 2u);
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
            "probe did not come back from this message and was replaced; try again");
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
  EXPECT_EQ(listening.hub().owner_of("probe:first"), nullptr);
  EXPECT_EQ(listening.hub().owner_of("probe:never"), nullptr);
  EXPECT_EQ(mappings_of("probe"), 0u);
  EXPECT_EQ(change(spec()), "");
  EXPECT_TRUE(listening.wait_for_event("DEMAND probe:first 1 replay"));
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  EXPECT_EQ(listening.hub().look(topic).seq, 1u);
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

// Producers, demand, replacements, good and bad, all at once.
TEST(PluginRunnerStressTest, AnswersEveryMessageOnceWhileCallersOverlapWithReplacements) {
  test::ListeningHub listening;
  const auto file = test::read_plugin("probe");
  auto runner = PluginRunner::make(file, {.name = "probe"}, listening.surroundings());
  ASSERT_EQ(runner->try_claim(), std::nullopt);
  listening.subscribe("probe:log");
  runner->start();
  ASSERT_TRUE(runner->wait_first_start(mono_now() + kPatience).empty());
  std::atomic<bool> is_over{false};
  std::atomic<int> accepted{0};
  std::atomic<int> not_accepted{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; !is_over; ++i) {
        runner->post_demand("probe:log", i);
        const Verdict verdict = ask(*runner, R"({"do":"publish_twice"})");
        const bool is_whole = verdict.outcome == Outcome::kAccepted && verdict.published == 2;
        ++(is_whole ? accepted : not_accepted);
        EXPECT_TRUE(is_whole) << verdict.text << ", published " << verdict.published;
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    std::promise<std::string> answer;
    const std::string config = i % 4 == 3 ? R"({"in":"START","do":"refuse"})" : "{}";
    runner->post_change(
        PluginSpec{.file = file, .config = config, .permissions = {}},
        [&](PluginRunner::Changed changed) { answer.set_value(std::move(changed.refusal)); });
    EXPECT_EQ(answer.get_future().get().empty(), i % 4 != 3);
  }
  is_over = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(runner->stop_within(kPatience));
  EXPECT_GT(accepted, 0);
  EXPECT_EQ(not_accepted, 0);
  EXPECT_EQ(mappings_of("probe"), 0u);
}

// Producers, subscribers, restarts and a stop all at once: each message gets exactly one verdict.
TEST(PluginRunnerStressTest, AnswersEveryMessageWhileCallersOverlapWithRestartsAndAStop) {
  test::ListeningHub listening;
  auto runner = PluginRunner::make(test::read_plugin("probe"),
                                   {.name = "probe",
                                    .restart = {.first = 1ms, .longest = 1ms, .healthy = 1h},
                                    .inbox = {.messages = 2}},
                                   listening.surroundings());
  ASSERT_EQ(runner->try_claim(), std::nullopt);
  listening.subscribe("probe:log");
  runner->start();
  std::atomic<bool> is_over{false};
  std::atomic<int> posted{0};
  std::atomic<int> verdicts{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; !is_over; ++i) {
        runner->post_demand("probe:log", i);
        const bool throws = caller == 0 && i % 20 == 10;
        ++posted;
        auto verdict = post(*runner, throws ? R"({"do":"throw"})" : R"({"do":"publish_twice"})");
        if (verdict.wait_for(kPatience) == std::future_status::ready) ++verdicts;
      }
    });
  }
  for (int lives = 0; lives < 5; ++lives) EXPECT_TRUE(listening.wait_for_event("START"));
  EXPECT_TRUE(runner->stop_within(kPatience));
  is_over = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(verdicts, posted);
}

}  // namespace
}  // namespace broadcast
