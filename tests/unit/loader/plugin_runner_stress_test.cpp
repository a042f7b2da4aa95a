#include <atomic>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "host/loader/plugin_runner.hpp"
#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using test::ask;
using test::kPatience;
using test::mappings_of;
using test::post;
using Outcome = Verdict::Outcome;

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
