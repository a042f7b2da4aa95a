#include "host/hub/fanout.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "hub_play.hpp"

namespace broadcast {
namespace {

class FanoutTest : public testing::Test {
 protected:
  FanoutTest() {
    for (Inbox* const inbox : {&a, &b}) fanout.add_shard(*inbox);
    state.shards.resize(fanout.shards());
  }
  [[nodiscard]] static std::vector<MessagePtr> taken(Inbox& inbox) {
    std::vector<MessagePtr> messages;
    inbox.take(messages);
    return messages;
  }

  int woken = 0;
  Inbox a{[this] { ++woken; }};
  Inbox b{[this] { ++woken; }};
  Counters counters;
  Fanout fanout{counters};
  Topic::State state;
};

TEST_F(FanoutTest, OnlyShardsWithSubscribersGetAMessageAndAreToBeWoken) {
  state.shards[1].subscribers = 1;
  ShardSet to_wake;
  fanout.push(state, Message::publication(1, Delivery::kLatest, 1, R"({"topic":"t","seq":)", "{}"),
              to_wake);
  EXPECT_EQ(to_wake, ShardSet(0b10));
  EXPECT_EQ(woken, 0) << "not under a lock";
  fanout.wake(to_wake);
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(taken(a).empty());
  EXPECT_EQ(taken(b).size(), 1U);
}

TEST_F(FanoutTest, APlaceIsReservedOnAllOrOnNone) {
  b.set_bounds({.messages = 1, .bytes = 1000});
  EXPECT_TRUE(fanout.try_reserve(fanout.all(), 100));
  EXPECT_FALSE(fanout.try_reserve(fanout.all(), 100));
  a.set_bounds({.messages = 2, .bytes = 1000});
  EXPECT_TRUE(fanout.try_reserve(ShardSet(0b01), 100)) << "the refused one left no place behind";
}

TEST_F(FanoutTest, AnAnnouncementCountsAsASubscriberAndWakes) {
  const Topic topic{.id = 7,
                    .name = "t",
                    .head = "",
                    .epochs = {.kept = "", .passing = ""},
                    .delivery = Delivery::kLatest,
                    .owner = nullptr,
                    .evictable = true};
  fanout.announce(ShardSet(0b01), topic, state);
  EXPECT_EQ(state.shards[0].subscribers, 1U);
  EXPECT_EQ(state.subscribers, 1U);
  EXPECT_EQ(woken, 1);
  const auto messages = taken(a);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0]->topic_id(), 7U);
}

}  // namespace
}  // namespace broadcast
