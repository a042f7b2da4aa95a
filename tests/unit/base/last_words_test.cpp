#include "host/base/last_words.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/assert.hpp"
#include "host/base/crash_marker.hpp"
#include "host/base/standard_files.hpp"
#include "host/base/terminate.hpp"

namespace broadcast {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// A sanitizer ends the process itself.
bool is_crash(int status) { return WIFSIGNALED(status) || WEXITSTATUS(status) != 0; }

template <class End>
[[noreturn]] void end_in(Callback callback, End end, LogFormat format = LogFormat::kText) {
  tell_last_words(format);
  std::thread([&] {
    const SignalStack signal_stack;
    CallbackPlace place(nullptr, "price", 2, 0);
    if (callback >= Callback::kMessage) place.set_entry("s", "5-1");
    const CallbackMark mark(place, callback);
    end();
  }).join();
  ::_exit(0);
}

__attribute__((no_sanitize("undefined"))) void write_to_nowhere() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

volatile int deepest = 1'000'000'000;

// NOLINTNEXTLINE(misc-no-recursion)
int use_all_stack(int depth) {
  volatile char much[4096];
  much[static_cast<std::size_t>(depth) % sizeof much] = 1;
  return depth < deepest ? use_all_stack(depth + 1) + much[0] : 0;
}

TEST(LastWordsDeathTest, NameTheCallbackThatAFaultIsIn) {
  EXPECT_EXIT(end_in(Callback::kStart, write_to_nowhere), is_crash,
              "critical the host ends: SIGSEGV in START of price .generation 2.\n");
}

TEST(LastWordsDeathTest, NameTheStreamEntry) {
  EXPECT_EXIT(end_in(Callback::kMessage, [] { std::abort(); }), testing::KilledBySignal(SIGABRT),
              "SIGABRT in MESSAGE of price .generation 2., stream entry 5-1\n");
}

TEST(LastWordsDeathTest, NameTheStreamEntryBefore) {
  EXPECT_EXIT(end_in(Callback::kDestroy, [] { std::abort(); }), testing::KilledBySignal(SIGABRT),
              "SIGABRT in destroy of price .generation 2., after stream entry 5-1\n");
}

TEST(LastWordsDeathTest, LeaveTheSignalAndItsDefaultToWhoeverHadIt) {
  EXPECT_EXIT(end_in(Callback::kTimer, [] { std::raise(SIGILL); }), is_crash,
              "SIGILL in TIMER of price");
  EXPECT_EXIT(end_in(Callback::kTimer, [] { std::raise(SIGABRT); }),
              testing::KilledBySignal(SIGABRT), "SIGABRT in TIMER of price");
}

TEST(LastWordsDeathTest, AreToldOfTrapsToo) {
  EXPECT_EXIT(end_in(Callback::kTimer, [] { std::raise(SIGSYS); }), testing::KilledBySignal(SIGSYS),
              "SIGSYS in TIMER of price");
#if defined(__x86_64__)
  EXPECT_EXIT(end_in(Callback::kTimer, [] { asm volatile("int3"); }),
              testing::KilledBySignal(SIGTRAP), "SIGTRAP in TIMER of price");
#endif
}

TEST(LastWordsDeathTest, GoToTheLogWhateverBecameOfDescriptor2) {
  const auto end = [] {
    const auto kept = keep_standard_error();
    ::close(STDERR_FILENO);
    std::abort();
  };
  EXPECT_EXIT(end_in(Callback::kTimer, end), testing::KilledBySignal(SIGABRT),
              "SIGABRT in TIMER of price");
}

TEST(LastWordsDeathTest, AssertionsGoThereToo) {
  const auto end = [] {
    const auto kept = keep_standard_error();
    ::close(STDERR_FILENO);
    BROADCAST_ASSERT(kept == nullptr, "the caller is wrong");
  };
  EXPECT_EXIT(end_in(Callback::kTimer, end), testing::KilledBySignal(SIGABRT),
              "the caller is wrong .kept == nullptr.\n.*SIGABRT in TIMER of price");
}

TEST(LastWordsDeathTest, AreNotSaidByAForkedChild) {
  const auto end = [] {
    const pid_t child = ::fork();
    if (child == 0) std::raise(SIGABRT);
    int status = 0;
    if (::waitpid(child, &status, 0) == child && WIFSIGNALED(status)) std::raise(SIGILL);
  };
  EXPECT_EXIT(end_in(Callback::kTimer, end), is_crash, "^critical the host ends: SIGILL in TIMER");
}

TEST(LastWordsDeathTest, ComeFromAStackThatHasOverflowed) {
  EXPECT_EXIT(end_in(Callback::kDemand, [] { use_all_stack(0); }), is_crash,
              "SIGSEGV in DEMAND of price");
}

TEST(LastWordsDeathTest, StandBehindAnExceptionThatNobodyCaught) {
  EXPECT_EXIT(end_in(Callback::kPost,
                     [] {
                       tell_before_terminating();
                       std::thread([] { throw std::runtime_error("what it was"); }).join();
                     }),
              testing::KilledBySignal(SIGABRT),
              "error the host ends: what it was\ncritical the host ends: SIGABRT in no callback, "
              "thread ");
}

TEST(LastWordsDeathTest, SayWhoHasSentTheSignal) {
  EXPECT_EXIT(end_in(Callback::kStop,
                     [] {
                       // Late enough for TSan, which takes no such signal in fork() or pause().
                       if (::fork() == 0)
                         ::execl("/bin/sh", "sh", "-c", "kill -ABRT $PPID", nullptr);
                       for (;;) std::this_thread::yield();
                     }),
              testing::KilledBySignal(SIGABRT),
              "critical the host ends: SIGABRT, sent by process [0-9]+\n");
}

TEST(LastWordsDeathTest, NameTheCallbackThatCallsExit) {
  EXPECT_EXIT(end_in(Callback::kMessage, [] { std::exit(0); }), testing::ExitedWithCode(70),
              "^critical the host ends: exit.. in MESSAGE of price .generation 2., stream entry "
              "5-1\n$");
  EXPECT_EXIT(end_in(Callback::kStart, [] { std::quick_exit(3); }), testing::ExitedWithCode(70),
              "^critical the host ends: exit.. in START of price .generation 2.\n$");
}

TEST(LastWordsDeathTest, NameTheThreadThatCallsExit) {
  const auto end = [] { std::thread([] { std::exit(0); }).join(); };
  EXPECT_EXIT(end_in(Callback::kStart, end), testing::ExitedWithCode(70),
              "^critical the host ends: exit.. in no callback, thread ");
}

TEST(LastWordsDeathTest, AreNotSaidWhereTheHostItselfEnds) {
  // Each in its own process: handlers that were set here would be those that the next tests find.
  EXPECT_EXIT((tell_last_words(LogFormat::kText), std::exit(3)), testing::ExitedWithCode(3), "^$");
  EXPECT_EXIT((tell_last_words(LogFormat::kText), std::quick_exit(4)), testing::ExitedWithCode(4),
              "^$");
}

struct Late {
  ~Late() { std::fputs("gone\n", stderr); }
};

TEST(LastWordsDeathTest, ComeBeforeStaticObjectsAreDestroyed) {
  const auto end = [] {
    static const Late late;
    std::exit(0);
  };
  EXPECT_EXIT(end_in(Callback::kStart, end), testing::ExitedWithCode(70),
              "^critical the host ends: exit.. in START of price .generation 2.\n$");
}

TEST(LastWordsDeathTest, AreNotSaidByAForkedChildThatCallsExit) {
  const auto end = [] {
    const pid_t child = ::fork();
    if (child == 0) std::quick_exit(3);  // no sanitizer looks for leaks there
    int status = 0;
    if (::waitpid(child, &status, 0) == child && WIFEXITED(status)) std::raise(SIGILL);
  };
  EXPECT_EXIT(
      end_in(Callback::kTimer, end), is_crash,
      AllOf(HasSubstr("critical the host ends: SIGILL in TIMER"), Not(HasSubstr("exit()"))));
}

TEST(LastWordsDeathTest, AreJsonWhereTheLogIs) {
  EXPECT_EXIT(end_in(
                  Callback::kStart, [] { std::abort(); }, LogFormat::kJson),
              testing::KilledBySignal(SIGABRT),
              "^.\"level\":\"critical\",\"message\":\"the host ends: SIGABRT in START of price "
              ".generation 2.\".\n");
}

}  // namespace
}  // namespace broadcast
