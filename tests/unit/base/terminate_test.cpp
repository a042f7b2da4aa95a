#include "host/base/terminate.hpp"

#include <csignal>
#include <new>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

template <class Error>
[[noreturn]] void end_in_a_thread(const Error& error) {
  tell_before_terminating();
  std::thread([&] { throw error; }).join();
  std::abort();
}

TEST(TerminateDeathTest, AThreadThatFindsNoMemoryEndsTheProcessWithALineThatSaysSo) {
  EXPECT_EXIT(end_in_a_thread(std::bad_alloc()), testing::KilledBySignal(SIGABRT),
              "^error the host ends: out of memory; ");
}

TEST(TerminateDeathTest, AnExceptionThatNobodyCatchesIsTold) {
  EXPECT_EXIT(end_in_a_thread(std::runtime_error("what it was")), testing::KilledBySignal(SIGABRT),
              "^error the host ends: what it was\n");
}

}  // namespace
}  // namespace broadcast
