#include "host/loader/fair_wait.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

namespace broadcast {
namespace {

using namespace std::chrono_literals;

TEST(FairWaitTest, ReadsWhatTheKernelSaysOfAThread) {
  const auto sample = sample_of("42 (bc:a (b) S x) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 39 19 7");
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->state, 'R');
  EXPECT_EQ(sample->computed, 300 * 1000ms / ::sysconf(_SC_CLK_TCK));
  for (const char* bad : {"", "42 (x", "42 (x) R 1 2 3"}) EXPECT_FALSE(sample_of(bad)) << bad;
}

TEST(FairWaitTest, CountsSleepAndWorkButNoWaitForTheMachine) {
  const ThreadSample before{.state = 'R', .computed = 500ms};
  EXPECT_EQ(counted(before, {.state = 'S', .computed = 500ms}, 100ms), 100ms);
  EXPECT_EQ(counted(before, {.state = 'R', .computed = 590ms}, 100ms), 90ms);
  for (const char state : {'R', 'D', 'T'}) {  // no processor, no page, stopped
    EXPECT_EQ(counted(before, {.state = state, .computed = 500ms}, 100ms), 0ms) << state;
  }
}

TEST(FairWaitTest, OfARealThreadThatSleepsAllIsCounted) {
  std::atomic<pid_t> number{0};
  std::atomic<bool> is_over{false};
  std::thread sleeper([&] {
    number.store(::gettid());
    number.notify_one();
    is_over.wait(false);
  });
  number.wait(0);
  FairWait wait(number.load());
  std::chrono::milliseconds sum{0};
  while (sum < 1s) sum = wait.add(100ms);  // once it sleeps
  EXPECT_EQ(wait.add(100ms) - sum, 100ms);
  is_over.store(true);
  is_over.notify_one();
  sleeper.join();
}

}  // namespace
}  // namespace broadcast
