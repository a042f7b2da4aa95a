// How many topics one owner may have, and those of nobody that an operator gives up.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_play.hpp"

namespace broadcast {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::size_t kOneShard = 0;

std::string note(int number) { return "note:" + std::to_string(number); }
std::string price(int number) { return "price:" + std::to_string(100'000 + number); }

std::vector<std::string> names(const TopicHub& hub) {
  std::vector<std::string> all;
  for (const auto& view : hub.topics().list()) all.push_back(view.name);
  return all;
}

/// How many of ten topics that were not there before can be published on.
template <class Name>
int publishable(HubPlay& play, Name name) {
  int count = 0;
  for (int i = 0; i < 10; ++i) {
    if (play.publish(name(i)).status == PublishStatus::kOk) ++count;
  }
  return count;
}

TEST(TopicShareTest, OneOwnerTakesNoMoreThanHalfOfTheTopicsWhereOthersClaimPatterns) {
  HubPlay play({.limits = {.topics = 10}});
  EXPECT_EQ(publishable(play, note), 5);
  const Published refused = play.publish(note(7));
  EXPECT_EQ(refused.status, PublishStatus::kFull);
  EXPECT_THAT(std::string(refused.problem), HasSubstr("limits.topics_per_broadcaster"));
  EXPECT_GT(play.counters.get(Counter::kPublishFull), 0U);
  EXPECT_GT(play.counters.get(Counter::kLimitTopicsPerBroadcaster), 0U);
  EXPECT_EQ(play.counters.get(Counter::kLimitTopics), 0U);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(play.hub.audience().join(price(i), kOneShard).joined) << i;
  EXPECT_EQ(play.publish(note(0)).seq, 2U) << "those that it has go on";
  EXPECT_EQ(play.publish("signal:vcp").status, PublishStatus::kOk) << "as does what it names";
}

TEST(TopicShareTest, WhoClaimsPatternsAloneMayHaveAllTopics) {
  HubPlay play({.limits = {.topics = 10}});
  ASSERT_FALSE(play.hub.topics().try_claim(play.price, "libprice.so", {}));
  EXPECT_EQ(publishable(play, note), 10);
}

TEST(TopicShareTest, TheShareIsOneNumberForAllOrAnOwnersOwn) {
  HubPlay play({.limits = {.topics = 15, .topics_per_broadcaster = 3}, .topics_of = {{"note", 7}}});
  EXPECT_EQ(publishable(play, note), 7);
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(play.hub.audience().join(price(i), kOneShard).joined) << i;
  EXPECT_EQ(play.hub.audience().join(price(3), kOneShard).error, SubscribeError::kTooManyOfOwner);
  play.hub.set_limits({.limits = {.topics = 20, .topics_per_broadcaster = 4}});
  EXPECT_TRUE(play.hub.audience().join(price(3), kOneShard).joined);
  EXPECT_EQ(play.publish(note(8)).status, PublishStatus::kFull) << "it has more already";
}

TEST(TopicShareTest, AnOwnerAtItsShareGivesUpWhatIsIdleOfItsOwn) {
  HubPlay play({.limits = {.topics = 10, .topics_per_broadcaster = 3}});
  play.hub.audience().leave(play.hub.audience().join("note:a", kOneShard).joined->topic, kOneShard,
                            at(0s));
  play.hub.on_tick(at(31s), 0);  // the first that is idle
  EXPECT_EQ(publishable(play, price), 10);
  EXPECT_THAT(names(play.hub), Contains("note:a"));
  EXPECT_THAT(names(play.hub), Contains(price(9)));
  EXPECT_THAT(names(play.hub), Not(Contains(price(0))));
}

TEST(TopicShareTest, WhatItsOwnerLeavesCountsForWhoClaimsItNext) {
  HubPlay play({.limits = {.topics = 10, .topics_per_broadcaster = 3}});
  EXPECT_EQ(publishable(play, note), 3);
  ASSERT_FALSE(play.hub.topics().try_claim(play.note, "libnote.so", {}));
  FakeOwner next{"next"};
  ASSERT_FALSE(
      play.hub.topics().try_claim(next, "libnext.so", {{"note:{name}", "", Delivery::kAll}}));
  EXPECT_EQ(play.hub.publisher().publish(next, note(0), R"({"type":"x"})").seq, 2U);
  EXPECT_EQ(play.hub.publisher().publish(next, note(5), R"({"type":"x"})").status,
            PublishStatus::kFull);
}

/// Ten notes that nobody has any more.
class ForgetTest : public testing::Test {
 protected:
  ForgetTest() {
    for (int i = 0; i < 10; ++i) play.publish(note(i));
  }
  void abandon() { ASSERT_FALSE(play.hub.topics().try_claim(play.note, "libnote.so", {})); }
  void claim_again() {
    ASSERT_FALSE(play.hub.topics().try_claim(play.note, "libnote.so",
                                             {{"note:{name}", "", Delivery::kAll}}));
  }
  [[nodiscard]] std::string epoch_of(std::string_view name) {
    const TopicPtr topic = play.hub.audience().join(name, kOneShard).joined.value().topic;
    play.hub.audience().leave(topic, kOneShard, at(0s));
    return topic->epoch();
  }
  [[nodiscard]] std::string why_not(std::string_view name) {
    const TopicTable::Forgotten result = play.hub.topics().forget(name);
    return result.kept.empty() ? "" : result.kept.front().why;
  }
  [[nodiscard]] std::vector<std::string> notes() const {
    std::vector<std::string> all = names(play.hub);
    std::erase_if(all, [](const std::string& name) { return !name.starts_with("note:"); });
    return all;
  }

  HubPlay play{{.limits = {.topics = 20, .topics_per_broadcaster = 10}}};
};

TEST_F(ForgetTest, TopicsOfNobodyAreGoneAndThereIsRoomForOthers) {
  abandon();
  EXPECT_EQ(play.hub.topics().forget(note(3)).topics, 1U);
  EXPECT_EQ(notes().size(), 9U);
  EXPECT_EQ(play.hub.topics().forget("note:*").topics, 9U);
  EXPECT_THAT(notes(), IsEmpty());
  EXPECT_EQ(play.hub.topics().forget("note:*").topics, 0U);
  FakeOwner next{"next"};
  ASSERT_FALSE(
      play.hub.topics().try_claim(next, "libnext.so", {{"next:{name}", "", Delivery::kAll}}));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(
        play.hub.publisher().publish(next, "next:" + std::to_string(i), R"({"type":"x"})").status,
        PublishStatus::kOk);
  }
}

TEST_F(ForgetTest, NumbersAndEpochGoOnWhenAForgottenTopicComesBack) {
  const std::string epoch = epoch_of(note(0));
  abandon();
  play.hub.on_tick(at(31s), 0);
  ASSERT_EQ(play.hub.topics().forget("note:*").topics, 10U);
  claim_again();
  EXPECT_THAT(notes(), IsEmpty()) << "nobody has asked for one";
  const Published published = play.publish(note(0));
  EXPECT_EQ(published.seq, 2U);
  EXPECT_EQ(epoch_of(note(0)), epoch);
}

TEST_F(ForgetTest, WhatSomebodyOwnsOrAsksForStays) {
  EXPECT_EQ(why_not(note(0)), "it belongs to note");
  play.hub.statuses().report("note", BroadcasterState::kOk, "");
  EXPECT_EQ(why_not("status:note"), "it is the host's own");
  {
    TestClient client(play.a);
    static_cast<void>(client.ask(subscribe(note(0))));
    abandon();
    EXPECT_EQ(why_not(note(0)), "somebody is subscribed to it by name (1)");
  }
  EXPECT_THAT(why_not(note(0)), HasSubstr("a moment ago"));
  EXPECT_EQ(notes().size(), 10U);
  play.hub.on_tick(at(31s), 0);
  EXPECT_EQ(play.hub.topics().forget(note(0)).topics, 1U);
}

TEST_F(ForgetTest, WhoHasAForgottenTopicByAPatternLeavesItAndIsToldWhenItComesBack) {
  TestClient watcher(play.a);
  static_cast<void>(watcher.ask(subscribe("note:*")));
  abandon();
  EXPECT_EQ(play.hub.topics().forget("note:*").topics, 10U);
  play.a.drain();
  play.hub.on_tick(at(1s), 0);
  EXPECT_THAT(notes(), IsEmpty());
  claim_again();
  play.publish(note(4));
  play.a.drain();
  EXPECT_THAT(words_of(watcher.read()), Contains(note(4) + "#2"));
}

TEST_F(ForgetTest, WhatAManifestNamesBeforeItIsGoneIsInDemandByAPattern) {
  const auto ask_in_passing = [&] {
    TestClient passing(play.a);
    static_cast<void>(passing.ask(subscribe(note(0))));
  };
  ask_in_passing();
  TestClient watcher(play.a);
  static_cast<void>(watcher.ask(subscribe("note:*")));
  abandon();
  play.hub.on_tick(at(31s), 0);
  ASSERT_EQ(play.hub.topics().forget(note(0)).topics, 1U);
  FakeOwner next{"next"};
  ASSERT_FALSE(play.hub.topics().try_claim(next, "libnext.so", {{note(0), "", Delivery::kAll}}));
  play.hub.on_tick(at(32s), 0);
  play.a.drain();
  ask_in_passing();
  play.hub.on_tick(at(64s), 0);
  EXPECT_THAT(play.hub.audience().demand_of(next), ElementsAre(testing::Pair(note(0), 1)));
}

TEST_F(ForgetTest, WhoAsksForAForgottenTopicBeforeItIsGoneKeepsIt) {
  TestClient watcher(play.a);
  static_cast<void>(watcher.ask(subscribe("note:*")));
  abandon();
  EXPECT_EQ(play.hub.topics().forget(note(0)).topics, 1U);
  static_cast<void>(watcher.ask(subscribe(note(0))));
  play.a.drain();
  play.hub.on_tick(at(1s), 0);
  play.hub.on_tick(at(2s), 0);
  EXPECT_THAT(notes(), Contains(note(0)));
}

}  // namespace
}  // namespace broadcast
