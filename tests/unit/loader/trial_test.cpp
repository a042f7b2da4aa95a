// A trial executes this program anew, and so main() is here.

#include "host/loader/trial.hpp"

#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "host/base/log.hpp"
#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/base/ended_life.hpp"
#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using test::ask;
using test::kPatience;
using test::read_plugin;

constexpr const char* kTryPlugin = "try-plugin";
TrialProgram here() { return {.arguments = {"trial_test", kTryPlugin}}; }
TrialProgram impatient() {
  TrialProgram program = here();
  program.limit = 3s;
  return program;
}

/// Why `plugin` does not pass; with a config, it is configured.
std::string tried(const std::string& plugin, std::optional<std::string> config = std::nullopt,
                  const TrialProgram& program = here()) {
  const auto file = read_plugin(plugin);
  return try_library(program,
                     {.file = *file,
                      .name = "tried",
                      .permissions = {},
                      .host_version = "1.3.2",
                      .copies = {},
                      .config = std::move(config)},
                     [] { return false; });
}

/// How a crash is told. A sanitizer ends the process itself.
constexpr const char* kCrashed = "(killed by SIGSEGV|ended by itself with exit code [0-9]+) at: ";

void expect_crash(const std::string& plugin, const std::string& in,
                  std::optional<std::string> config = std::nullopt) {
  EXPECT_THAT(tried(plugin, std::move(config)),
              testing::ContainsRegex("^" + plugin + "\\.so: tried in a separate process: " +
                                     kCrashed + in + "\\. Correct it"));
}

TEST(TrialTest, PassesWhatIsGood) {
  EXPECT_EQ(tried("probe"), "");
  EXPECT_EQ(tried("probe", R"({"in":"START","do":"throw"})"), "");
  EXPECT_EQ(tried("thread_key"), "");
  EXPECT_EQ(tried("libfenced_static"), "");
}

TEST(TrialTest, NamesWhereALibraryCrashes) {
  expect_crash("careless_load_crash", "load");
  expect_crash("careless_create_crash", "create");
  expect_crash("careless_destroy_crash", "destroy");
  expect_crash("careless_unload_crash", "unload");
}

TEST(TrialTest, EndsALibraryThatHangs) {
  for (const char* plugin :
       {"careless_load_hang", "careless_destroy_hang", "careless_unload_hang"}) {
    EXPECT_THAT(tried(plugin, std::nullopt, impatient()),
                testing::HasSubstr("gave no sign of life for 3 s and was killed"))
        << plugin;
  }
}

TEST(TrialTest, TellsWhatAStaticConstructorThrows) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "no exception gets through the dlopen() of ThreadSanitizer";
#endif
  EXPECT_THAT(tried("careless_load_throw"),
              testing::HasSubstr("one of its static constructors throws: no such table"));
}

TEST(TrialTest, TellsWhyALibraryIsRefused) {
  EXPECT_EQ(tried("undefined_symbol"),
            "undefined_symbol.so: undefined symbol: function_that_nobody_defines");
}

TEST(TrialTest, ConfiguresOnlyWhereItIsToldTo) {
  EXPECT_EQ(tried("careless_config_crash"), "");
  expect_crash("careless_config_crash", "CONFIG", R"({"depth":1})");
  EXPECT_EQ(tried("probe", R"({"in":"CONFIG","do":"refuse"})"),
            "CONFIG failed (status -1): signals[0].ticker is missing");
}

TEST(TrialTest, HasNoneOfTheDescriptorsHere) {
  const Descriptor open(::fcntl(STDERR_FILENO, F_DUPFD, 50));
  ::setenv("CARELESS_INHERITED", std::to_string(open.get()).c_str(), 1);
  EXPECT_EQ(tried("careless_load_inherits"), "");
}

TEST(TrialTest, IsCalledOff) {
  const auto file = read_plugin("careless_load_hang");
  const std::string why = try_library(
      here(),
      {.file = *file, .name = "tried", .permissions = {}, .host_version = "1", .copies = {}},
      [] { return true; });
  EXPECT_THAT(why, testing::HasSubstr("called off"));
}

class TriedRunnerTest : public testing::Test {
 protected:
  ~TriedRunnerTest() override {
    if (runner != nullptr) {
      EXPECT_TRUE(runner->stop_within(kPatience));
    }
  }
  void start(const std::string& plugin, const TrialProgram& program = here(),
             const Backoff::Times& restart = {.first = 1h, .longest = 1h}) {
    PluginRunner::Surroundings surroundings = listening.surroundings();
    surroundings.trial = program;
    surroundings.marker = marker;
    runner = PluginRunner::make(read_plugin(plugin), {.name = "tried", .restart = restart},
                                surroundings);
    EXPECT_EQ(runner->try_claim(), std::nullopt);
    listening.subscribe_status("tried");
    runner->start();
  }
  /// Why it was refused, once that is known.
  std::future<std::string> begin_change(const std::string& plugin) {
    auto answer = std::make_shared<std::promise<std::string>>();
    runner->post_change(
        PluginSpec{.file = read_plugin(plugin)},
        [answer](const PluginRunner::Changed& changed) { answer->set_value(changed.refusal); });
    return answer->get_future();
  }
  std::string change(const std::string& plugin) {
    auto refusal = begin_change(plugin);
    if (refusal.wait_for(kPatience) != std::future_status::ready) return "no answer in time";
    return refusal.get();
  }

  /// Of this process: their numbers.
  static std::string children() {
    std::string all;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream file(thread.path() / "children");
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }
  static bool wait_for_child() {
    const MonoTime until = mono_now() + kPatience;
    while (children().empty() && mono_now() < until) std::this_thread::yield();
    return !children().empty();
  }

  test::ListeningHub listening;
  CrashMarker* marker = nullptr;
  std::shared_ptr<PluginRunner> runner;
};

TEST_F(TriedRunnerTest, StartsWhatPasses) {
  start("probe");
  EXPECT_EQ(runner->wait_first_start(mono_now() + kPatience), "");
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
}

TEST_F(TriedRunnerTest, ACrashWhileLoadingIsToldAndCostsNobody) {
  const test::CapturedLog log;
  start("careless_load_crash");
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", "tried in a separate process", "at: load"}));
  EXPECT_EQ(log.count_of("error tried: careless_load_crash.so: tried in a separate process"), 1);
  EXPECT_THAT(ask(*runner, "{}").text, testing::HasSubstr("tried could not be loaded"));
}

TEST_F(TriedRunnerTest, WhatDoesNotPassReplacesNobody) {
  start("careful");
  ASSERT_EQ(runner->wait_first_start(mono_now() + kPatience), "");
  for (const char* plugin :
       {"careless_load_crash", "careless_load_throw", "careless_unload_crash"}) {
    EXPECT_THAT(change(plugin), testing::HasSubstr("tried: " + std::string(plugin) + ".so: "));
    EXPECT_EQ(ask(*runner, "{}").outcome, Verdict::Outcome::kAccepted);
    EXPECT_EQ(runner->view().generation, 1u);
  }
  EXPECT_EQ(change("careful"), "");
}

TEST_F(TriedRunnerTest, AStopDoesNotWaitForATrialThatHangs) {
  start("careless_load_hang");
  EXPECT_TRUE(runner->stop_within(kPatience / 2));  // a trial may hang for longer
}

TEST_F(TriedRunnerTest, AStopDoesNotWaitForTheTrialOfAReplacement) {
  start("careful");
  ASSERT_EQ(runner->wait_first_start(mono_now() + kPatience), "");
  std::future<std::string> refusal = begin_change("careless_load_hang");
  ASSERT_TRUE(wait_for_child());
  const MonoTime begun = mono_now();
  EXPECT_TRUE(runner->stop_within(std::chrono::hours(1)));
  EXPECT_LT(mono_now() - begun, kPatience / 2);  // a trial may hang for longer
  EXPECT_EQ(refusal.get(), "tried: the host is stopping");
  EXPECT_EQ(children(), "");  // killed, and reaped
}

TEST_F(TriedRunnerTest, WhoFailsDuringTheTrialOfItsReplacementIsTriedAgainMeanwhile) {
  start("probe", here(), {.first = 1ms, .longest = 1ms});
  ASSERT_EQ(runner->wait_first_start(mono_now() + kPatience), "");
  static_cast<void>(begin_change("careless_load_hang"));
  ASSERT_TRUE(wait_for_child());
  EXPECT_EQ(ask(*runner, R"({"do":"throw"})").outcome, Verdict::Outcome::kUnavailable);
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", "exception in MESSAGE"}));
  const MonoTime until = mono_now() + kPatience / 2;  // a trial may hang for longer
  while (ask(*runner, R"({"do":"publish_twice"})").published != 2 && mono_now() < until) {
  }
  EXPECT_EQ(ask(*runner, R"({"do":"publish_twice"})").published, 2u);
  EXPECT_TRUE(runner->stop_within(kPatience));
}

TEST_F(TriedRunnerTest, AReplacementOfOneThatHasFailedMeanwhileServes) {
  const test::Hold hold;
  start("probe", here(), {.first = 1h, .longest = 1h});
  ASSERT_EQ(runner->wait_first_start(mono_now() + kPatience), "");
  std::future<std::string> refusal = begin_change("careless_load_held");
  ASSERT_TRUE(wait_for_child());
  EXPECT_EQ(ask(*runner, R"({"do":"throw"})").outcome, Verdict::Outcome::kUnavailable);
  EXPECT_TRUE(listening.wait_for({R"("state":"down")", "exception in MESSAGE"}));
  hold.let_go();
  EXPECT_EQ(refusal.get(), "");
  EXPECT_EQ(ask(*runner, "{}").outcome, Verdict::Outcome::kAccepted);
}

TEST_F(TriedRunnerTest, ItsStartsAreCountedUntilOneGoesWell) {
  const test::MarkerPath path;
  const std::uint64_t build = build_of(*read_plugin("probe"), "{}");
  test::end_life(path.get(), {.broadcaster = "tried", .callback = Callback::kStart, .build = build},
                 2);
  CrashMarker own(path.get());
  marker = &own;
  EXPECT_EQ(own.ends_in_start("tried", build).count, 2u);
  start("probe");
  EXPECT_EQ(runner->wait_first_start(mono_now() + kPatience), "");
  EXPECT_EQ(own.ends_in_start("tried", build).count, 0u);
  EXPECT_TRUE(runner->stop_within(kPatience));
  runner.reset();
}

TEST(TriedRunnersTest, WhoWaitsInLineForTheLinkerDoesNotHang) {
  const test::Hold hold;
  test::ListeningHub listening;
  PluginRunner::Surroundings surroundings = listening.surroundings();
  surroundings.trial = here();
  const auto slow =
      PluginRunner::make(read_plugin("careless_load_slow"), {.name = "slow"}, surroundings);
  slow->start();
  const MonoTime until = mono_now() + kPatience;
  while (test::mappings_of("slow") == 0 && mono_now() < until) std::this_thread::yield();
  ASSERT_GT(test::mappings_of("slow"), 0u);
  surroundings.trial.limit_here = 1s;
  const auto behind = PluginRunner::make(read_plugin("careful"), {.name = "behind"}, surroundings);
  behind->start();
  EXPECT_NE(behind->wait_first_start(mono_now() + 3s), "");
  hold.let_go();
  EXPECT_EQ(slow->wait_first_start(mono_now() + kPatience), "");
  EXPECT_EQ(behind->wait_first_start(mono_now() + kPatience), "");
  EXPECT_TRUE(slow->stop_within(kPatience));
  EXPECT_TRUE(behind->stop_within(kPatience));
}

TEST(TriedRunnerDeathTest, ALoadThatHangsThoughItPassedEndsTheProcessByName) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        set_up_log("info", LogFormat::kText);
        test::ListeningHub listening;
        PluginRunner::Surroundings surroundings = listening.surroundings();
        surroundings.trial = here();
        surroundings.trial.limit_here = 1s;
        const auto runner =
            PluginRunner::make(read_plugin("careless_load_slow"), {.name = "slow"}, surroundings);
        runner->start();
        static_cast<void>(runner->wait_first_start(mono_now() + kPatience));
      },
      testing::ExitedWithCode(1),
      "slow: has not been loaded within 1 s .*careless_load_slow.so., although its trial "
      "passed");
}

TEST(TriedRunnerDeathTest, AnUnloadThatHangsThoughItPassedEndsTheProcessByName) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        set_up_log("info", LogFormat::kText);
        test::ListeningHub listening;
        PluginRunner::Surroundings surroundings = listening.surroundings();
        surroundings.trial = here();
        surroundings.trial.limit_here = 1s;
        const auto runner =
            PluginRunner::make(read_plugin("careless_unload_slow"), {.name = "slow"}, surroundings);
        runner->start();
        static_cast<void>(runner->wait_first_start(mono_now() + kPatience));
        static_cast<void>(runner->stop_within(kPatience));
      },
      testing::ExitedWithCode(1), "slow: has not been unloaded within 1 s");
}

}  // namespace
}  // namespace broadcast

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string_view(broadcast::kTryPlugin)) broadcast::run_trial();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
