#include "plugins/io/handover.hpp"

#include <string>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

/// A host's inbox, and the broadcaster's thread that empties it.
struct HandoverTest : ::testing::Test {
  void put(const std::string& word) {
    EXPECT_EQ(handover.put([this, word] { said += word; }), !is_full) << word;
  }
  void run_inbox() {
    for (const auto& run : std::exchange(inbox, {})) run();
  }
  std::vector<std::function<void()>> inbox;
  bool is_full = false;
  std::string said;
  Handover handover{[this](std::function<void()> run) {
    if (!is_full) inbox.push_back(std::move(run));
    return !is_full;
  }};
};

TEST_F(HandoverTest, OnePostTakesAlongWhatHasGathered) {
  put("a");
  put("b");
  EXPECT_EQ(inbox.size(), 1U);
  run_inbox();
  EXPECT_EQ(said, "ab");
  put("c");
  EXPECT_EQ(inbox.size(), 1U);
  run_inbox();
  EXPECT_EQ(said, "abc");
}

TEST_F(HandoverTest, WhatWasRefusedGoesWithTheNextTry) {
  is_full = true;
  put("a");
  EXPECT_FALSE(handover.try_post());
  is_full = false;
  EXPECT_TRUE(handover.put([this] { said += "b"; })) << "the post before is still to be tried";
  EXPECT_TRUE(inbox.empty());
  EXPECT_TRUE(handover.try_post());
  EXPECT_EQ(inbox.size(), 1U);
  run_inbox();
  EXPECT_EQ(said, "ab");
}

TEST_F(HandoverTest, NothingRunsAfterTheStop) {
  put("a");
  handover.stop();
  run_inbox();
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace broadcast
