#include "host/base/guarded.hpp"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(GuardedTest, HandsOutWhatTheCallReturns) {
  Guarded<std::vector<int>> numbers(std::vector<int>{1, 2, 3});
  EXPECT_EQ(numbers.with_lock([](auto& all) { return all.size(); }), 3U);
  EXPECT_EQ(std::as_const(numbers).with_lock([](const auto& all) { return all.back(); }), 3);
}

TEST(GuardedTest, LetsOneThreadAtATimeIn) {
  Guarded<std::pair<int, int>> value;
  const auto count = [&] {
    for (int i = 0; i < 10'000; ++i) {
      value.with_lock([](auto& both) { both.second = ++both.first; });
    }
  };
  std::thread other(count);
  count();
  other.join();
  EXPECT_EQ(value.with_lock([](const auto& both) { return both; }), std::pair(20'000, 20'000));
}

TEST(GuardedTest, UnlocksWhenTheCallThrows) {
  Guarded<std::string> text("before");
  EXPECT_THROW(text.with_lock([](std::string& inner) {
    inner = "after";
    throw 1;
  }),
               int);
  EXPECT_EQ(text.with_lock([](const std::string& inner) { return inner; }), "after");
}

}  // namespace
}  // namespace broadcast
