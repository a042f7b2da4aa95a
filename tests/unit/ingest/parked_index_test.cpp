#include "host/ingest/parked_index.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

using namespace std::chrono_literals;

constexpr MonoTime kNow = MonoTime{} + 1h;

ParkedIndex three_of_two_topics() {
  ParkedIndex index;
  index.add("b", {1, 0});
  index.add("a", {2, 0});
  index.add("b", {3, 0});
  return index;
}

TEST(ParkedIndexTest, WhatWasParkedFirstComesFirstAcrossTheTopicsThatAreServed) {
  ParkedIndex index = three_of_two_topics();
  EXPECT_FALSE(index.next());
  index.refresh([](std::string_view) { return true; }, kNow);
  for (const StreamId id : {StreamId{1, 0}, StreamId{2, 0}, StreamId{3, 0}}) {
    const auto place = index.next();
    ASSERT_TRUE(place);
    EXPECT_EQ(place->id, id);
    index.erase(*place);
  }
  EXPECT_FALSE(index.next());
  EXPECT_EQ(index.size(), 0U);
}

TEST(ParkedIndexTest, ATopicThatIsPutOffHasToWait) {
  ParkedIndex index = three_of_two_topics();
  const auto all = [](std::string_view) { return true; };
  index.refresh(all, kNow);
  index.put_off("b", kNow + 2s);
  EXPECT_EQ(index.next()->topic, "a");
  index.refresh(all, kNow + 1s);
  EXPECT_EQ(index.next()->topic, "a");
  index.refresh(all, kNow + 2s);
  EXPECT_EQ(index.next()->topic, "b");
}

TEST(ParkedIndexTest, WithoutRoomTheOldestOfTheTopicWithTheMostGoes) {
  ParkedIndex index;
  EXPECT_FALSE(index.victim());
  index.add("quiet", {1, 0});
  index.add("flood", {2, 0});
  index.add("flood", {3, 0});
  EXPECT_EQ(index.victim()->topic, "flood");
  EXPECT_EQ(index.victim()->id, (StreamId{2, 0}));
}

}  // namespace
}  // namespace broadcast
