#include <array>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/loader/plugin_runner.hpp"
#include "tests/unit/base/captured_log.hpp"
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

}  // namespace
}  // namespace broadcast
