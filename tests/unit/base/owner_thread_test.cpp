#include "host/base/owner_thread.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(OwnerThreadTest, LetsItsOwnThreadPass) {
  OwnerThread owner;
  owner.check();
  std::thread([&] {
    owner.adopt();
    owner.check();
  }).join();
}

TEST(OwnerThreadDeathTest, SaysInWordsThatAnotherThreadCalled) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  OwnerThread owner;
  EXPECT_DEATH(std::thread([&] { owner.check(); }).join(),
               "owner_thread.*an object was used from a thread that does not own it");
}

TEST(AssertDeathTest, NamesPlaceWordsAndCondition) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(BROADCAST_ASSERT(1 + 1 == 3, "the caller cannot count"),
               "owner_thread_test.cpp:[0-9]+: the caller cannot count \\(1 \\+ 1 == 3\\)");
}

}  // namespace
}  // namespace broadcast
