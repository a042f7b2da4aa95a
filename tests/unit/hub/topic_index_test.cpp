#include "host/hub/topic_index.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "asked_topics.hpp"
#include "hub_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Subscriptions with an outbox, without a session's words.
class Reader {
 public:
  explicit Reader(TestShard& shard)
      : shard_(shard),
        outbox_(limits_, shard.counters(), shard.touched(), writer_),
        wants_(outbox_) {}
  ~Reader() { shard_.index().unsubscribe_all(wants_, at(0s)); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// As a session does it: a snapshot follows at once.
  TopicIndex::View subscribe(std::string_view topic,
                             const TopicIndex::SubscribeOptions& options = {}) {
    TopicIndex::View view =
        shard_.index().subscribe(wants_, topic_named(topic), options).views.at(0);
    shard_.index().send(wants_, view, options.now);
    return view;
  }
  /// Up to `seq` of the topic's epoch is known.
  TopicIndex::View subscribe_since(const std::string& topic, std::uint64_t seq) {
    const TopicIndex::View known =
        subscribe(topic, {.last_values = TopicIndex::LastValues::kOfNone});
    const SinceByTopic since = {{topic, {known.epoch, seq}}};
    return subscribe(topic, {.since = &since});
  }
  void subscribe_under(std::string_view prefix, std::chrono::nanoseconds interval) {
    const auto answer =
        shard_.index().subscribe_under(wants_, all_under(prefix), {.interval = interval});
    ASSERT_FALSE(answer.error);
  }
  void unsubscribe_under(std::string_view prefix) {
    EXPECT_GT(shard_.index().unsubscribe_under(wants_, all_under(prefix), at(0s)), 0U);
  }
  bool unsubscribe(std::string_view topic) {
    return shard_.index().unsubscribe(wants_, topic_named(topic), at(0s));
  }
  /// "signal:vcp#3" for each message it was given, "new note:a#0" for what it was told of a topic.
  std::vector<std::string> read() {
    std::vector<std::string> words;
    for (const std::string& text : texts_of(write_all(outbox_))) {
      const Json json = Json::parse(text);
      const std::string reason = json.value("reason", "");
      words.push_back((reason.empty() ? "" : reason + " ") + json.at("topic").get<std::string>() +
                      "#" + json.at("seq").dump());
    }
    return words;
  }
  std::vector<std::string> list() {
    std::vector<std::string> words;
    for (const TopicIndex::View& view : shard_.index().list(wants_)) {
      words.push_back(view.topic + "#" + std::to_string(view.seq));
    }
    return words;
  }

 private:
  TestShard& shard_;
  Limits limits_;
  SilentWriter writer_;
  Outbox outbox_;
  Subscriptions wants_;
};

class TopicIndexTest : public testing::Test {
 protected:
  void publish(std::string_view topic) {
    ASSERT_EQ(play.publish(topic).status, PublishStatus::kOk) << topic;
  }
  HubPlay play;
  Reader reader{play.a};
};

TEST_F(TopicIndexTest, DeliversToThoseWhoSubscribeOnItsShard) {
  Reader other(play.a);
  Reader elsewhere(play.b);
  reader.subscribe("signal:vcp");
  other.subscribe("note:a");
  elsewhere.subscribe("signal:vcp");
  publish("signal:vcp");
  publish("note:a");
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("signal:vcp#1"));
  EXPECT_THAT(other.read(), ElementsAre("note:a#1"));
  EXPECT_THAT(elsewhere.read(), IsEmpty()) << "its shard has not drained";
  play.b.drain();
  EXPECT_THAT(elsewhere.read(), ElementsAre("signal:vcp#1"));
}

TEST_F(TopicIndexTest, SubscribingTwiceDeliversOnce) {
  reader.subscribe("signal:vcp");
  reader.subscribe("signal:vcp");
  EXPECT_EQ(play.hub.audience().subscribers("signal:vcp"), 1);
  publish("signal:vcp");
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("signal:vcp#1"));
  EXPECT_TRUE(reader.unsubscribe("signal:vcp"));
  EXPECT_FALSE(reader.unsubscribe("signal:vcp"));
  EXPECT_EQ(play.hub.audience().subscribers("signal:vcp"), 0);
}

TEST_F(TopicIndexTest, UnsubscribingOneLeavesTheOthers) {
  Reader second(play.a);
  Reader third(play.a);
  for (Reader* each : {&reader, &second, &third}) {
    for (const char* topic : {"note:a", "note:b", "note:c"}) each->subscribe(topic);
  }
  reader.unsubscribe("note:a");
  for (const char* topic : {"note:a", "note:b", "note:c"}) publish(topic);
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("note:b#1", "note:c#1"));
  EXPECT_THAT(second.read(), ElementsAre("note:a#1", "note:b#1", "note:c#1"));
  EXPECT_THAT(third.read(), ElementsAre("note:a#1", "note:b#1", "note:c#1"));
}

TEST_F(TopicIndexTest, WhatWaitedWhenASubscriberJoinedIsInItsSnapshotAlready) {
  Reader early(play.a);
  early.subscribe("market:kospi");
  publish("market:kospi");
  publish("market:kospi");
  EXPECT_EQ(reader.subscribe("market:kospi").seq, 2U);
  publish("market:kospi");
  play.a.drain();
  EXPECT_THAT(early.read(), ElementsAre("market:kospi#1", "market:kospi#2", "market:kospi#3"));
  EXPECT_THAT(reader.read(), ElementsAre("market:kospi#2", "market:kospi#3"));
}

TEST_F(TopicIndexTest, WhatWaitsWhenTheLastSubscriberLeavesGoesToNobody) {
  reader.subscribe("signal:vcp");
  publish("signal:vcp");
  reader.unsubscribe("signal:vcp");
  play.a.drain();
  EXPECT_THAT(reader.read(), IsEmpty());
}

TEST_F(TopicIndexTest, ComingBackWhileMessagesWaitBringsNoneTwice) {
  reader.subscribe("signal:vcp");
  publish("signal:vcp");
  reader.unsubscribe("signal:vcp");
  publish("signal:vcp");
  EXPECT_EQ(reader.subscribe("signal:vcp").seq, 2U);
  publish("signal:vcp");
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("signal:vcp#2", "signal:vcp#3"));
  EXPECT_THAT(reader.list(), ElementsAre("signal:vcp#3"));
}

TEST_F(TopicIndexTest, AskingAgainForAnAllTopicNamesTheNumberReachedAndSkipsNothing) {
  reader.subscribe("signal:vcp");
  publish("signal:vcp");
  play.a.drain();
  publish("signal:vcp");
  const TopicIndex::View again = reader.subscribe("signal:vcp");
  EXPECT_EQ(again.seq, 1U) << "the second one waits still";
  EXPECT_EQ(again.snapshot, nullptr);
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("signal:vcp#1", "signal:vcp#2"));
}

TEST_F(TopicIndexTest, AskingAgainForTheValueOfAnAllTopicGivesTheOneOfTheNumberReached) {
  reader.subscribe("signal:vcp");
  publish("signal:vcp");
  publish("signal:vcp");
  play.a.drain();
  for (int i = 0; i < 2; ++i) publish("signal:vcp");
  const auto again =
      reader.subscribe("signal:vcp", {.last_values = TopicIndex::LastValues::kOfAll});
  EXPECT_EQ(again.seq, 2U) << "two more wait still";
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("signal:vcp#1", "signal:vcp#2", "signal:vcp#2",
                                         "signal:vcp#3", "signal:vcp#4"));
}

TEST_F(TopicIndexTest, AskingAgainWithWhatWasSeenBringsAllAfterItOnceAndThenTheRest) {
  reader.subscribe("signal:vcp");
  for (int i = 0; i < 3; ++i) publish("signal:vcp");
  play.a.drain();
  reader.read();
  publish("signal:vcp");
  const auto again = reader.subscribe_since("signal:vcp", 1);
  EXPECT_TRUE(again.recovered);
  EXPECT_EQ(again.seq, 3U);
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("signal:vcp#2", "signal:vcp#3", "signal:vcp#4"));
}

TEST_F(TopicIndexTest, WhoHasSeenElsewhereWhatIsStillOnItsWayHereMissesNothing) {
  reader.subscribe("signal:vcp");
  publish("signal:vcp");
  play.a.drain();
  reader.read();
  publish("signal:vcp");
  publish("signal:vcp");
  const auto again = reader.subscribe_since("signal:vcp", 2);
  EXPECT_TRUE(again.recovered);
  EXPECT_EQ(again.seq, 1U);
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("signal:vcp#2", "signal:vcp#3"));
  EXPECT_FALSE(reader.subscribe_since("signal:vcp", 4).recovered) << "nobody has seen that one";
}

TEST_F(TopicIndexTest, AskingAgainForMoreThanTheHistoryHasGivesTheLastValue) {
  HubPlay forgetful({.history = {.messages = 2}});
  Reader other(forgetful.a);
  other.subscribe("note:a");
  for (int i = 0; i < 4; ++i) ASSERT_EQ(forgetful.publish("note:a").status, PublishStatus::kOk);
  forgetful.a.drain();
  other.read();
  ASSERT_EQ(forgetful.publish("note:a").status, PublishStatus::kOk);
  EXPECT_FALSE(other.subscribe_since("note:a", 2).recovered);
  forgetful.a.drain();
  EXPECT_THAT(other.read(), ElementsAre("note:a#4", "note:a#5"));
}

TEST_F(TopicIndexTest, AskingAgainWithoutTheValueSkipsNothing) {
  reader.subscribe("market:kospi");
  publish("market:kospi");
  const TopicIndex::SubscribeOptions silent{.last_values = TopicIndex::LastValues::kOfNone};
  EXPECT_EQ(reader.subscribe("market:kospi", silent).seq, 0U);
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("market:kospi#1"));
}

TEST_F(TopicIndexTest, WhatWaitsForItsSlotIsSentWhenTheRateEnds) {
  reader.subscribe("market:kospi", {.interval = 1s, .now = at(0s)});
  for (int i = 0; i < 2; ++i) {
    publish("market:kospi");
    play.a.drain();
  }
  EXPECT_THAT(reader.read(), ElementsAre("market:kospi#1"));
  const TopicIndex::SubscribeOptions silent{.last_values = TopicIndex::LastValues::kOfNone,
                                            .now = at(0s)};
  EXPECT_EQ(reader.subscribe("market:kospi", silent).seq, 2U) << "it is sent before the answer";
  EXPECT_THAT(reader.read(), ElementsAre("market:kospi#2"));
}

TEST_F(TopicIndexTest, OfTwoPatternsTheFasterCounts) {
  FakeOwner rates("rates");
  ASSERT_FALSE(
      play.hub.topics().try_claim(rates, "librates.so", {{"r:{x}", "", Delivery::kLatest}}));
  reader.subscribe_under("r:", 1h);
  reader.subscribe_under("r:a:", 0s);
  for (int i = 0; i < 2; ++i) publish("r:a:1");
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("new r:a:1#0", "r:a:1#1", "r:a:1#2"));
  reader.unsubscribe_under("r:a:");
  publish("r:a:1");
  play.a.drain();
  EXPECT_THAT(reader.read(), IsEmpty());
  reader.subscribe_under("r:a:", 0s);
  publish("r:a:1");
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("r:a:1#4"));
}

TEST_F(TopicIndexTest, AskingAgainForALatestTopicGivesTheNewestValueAtOnce) {
  reader.subscribe("market:kospi");
  publish("market:kospi");
  publish("market:kospi");
  EXPECT_EQ(reader.subscribe("market:kospi").seq, 2U);
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("market:kospi#2"));
  publish("market:kospi");
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("market:kospi#3"));
}

TEST_F(TopicIndexTest, AskingAgainForALatestTopicBringsItsValueAgain) {
  publish("market:kospi");
  reader.subscribe("market:kospi");
  EXPECT_THAT(reader.read(), ElementsAre("market:kospi#1"));
  reader.subscribe("market:kospi");
  EXPECT_THAT(reader.read(), ElementsAre("market:kospi#1"));
}

TEST_F(TopicIndexTest, ListsWhatIsSubscribedByNameWithTheNumberReached) {
  publish("signal:vcp");
  for (const char* topic : {"signal:vcp", "note:b", "market:kospi"}) reader.subscribe(topic);
  publish("note:b");
  play.a.drain();
  publish("market:kospi");
  EXPECT_THAT(reader.list(), ElementsAre("market:kospi#0", "note:b#1", "signal:vcp#1"));
}

TEST_F(TopicIndexTest, ARefusedTopicLeavesNoTrace) {
  Limits limits;
  SilentWriter writer;
  Outbox outbox(limits, play.a.counters(), play.a.touched(), writer);
  Subscriptions wants(outbox);
  const TopicIndex::Answer answer = play.a.index().subscribe(wants, topic_named("signal:foo"), {});
  EXPECT_TRUE(answer.views.empty());
  EXPECT_EQ(answer.error, SubscribeError::kUnknownTopic);
  EXPECT_EQ(wants.size(), 0U);
}

TEST_F(TopicIndexTest, LeavingAltogetherLeavesTheHubWithoutSubscribers) {
  {
    Reader passing(play.a);
    for (const char* topic : {"note:a", "note:b", "market:kospi"}) passing.subscribe(topic);
    reader.subscribe("note:b");
  }
  EXPECT_EQ(play.hub.audience().subscribers("note:a"), 0);
  EXPECT_EQ(play.hub.audience().subscribers("note:b"), 1);
  EXPECT_EQ(play.hub.audience().subscribers("market:kospi"), 0);
}

TEST_F(TopicIndexTest, MessagesOfOneTopicInARowAreDeliveredTogether) {
  reader.subscribe("signal:vcp");
  reader.subscribe("note:a");
  Reader late(play.a);
  for (int i = 0; i < 3; ++i) publish("signal:vcp");
  late.subscribe("signal:vcp");
  late.read();  // the third as its snapshot
  publish("signal:vcp");
  publish("note:a");
  play.a.drain();
  EXPECT_THAT(reader.read(), ElementsAre("signal:vcp#1", "signal:vcp#2", "signal:vcp#3",
                                         "signal:vcp#4", "note:a#1"));
  EXPECT_THAT(late.read(), ElementsAre("signal:vcp#4"));
}

TEST_F(TopicIndexTest, ARunEndsWithItsTopicAndWithItsBytes) {
  reader.subscribe("note:a");
  reader.subscribe("note:b");
  for (const char* topic : {"note:a", "note:a", "note:b"}) publish(topic);
  std::vector<MessagePtr> drained;
  play.a.inbox().take(drained);
  ASSERT_EQ(drained.size(), 3U);
  const std::size_t one = drained.front()->frame().size();
  EXPECT_EQ(run_length(drained, SIZE_MAX), 2U);
  EXPECT_EQ(run_length(drained, 2 * one), 2U);
  EXPECT_EQ(run_length(drained, 2 * one - 1), 1U);
  EXPECT_EQ(run_length(drained, 0), 1U) << "one that is too large alone is delivered alone";
  EXPECT_EQ(run_length(std::span(drained).subspan(2), SIZE_MAX), 1U);
}

TEST(TopicIndexDeathTest, DoesNotOutliveItsSessions) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        HubPlay play;
        Limits limits;
        SilentWriter writer;
        Outbox outbox(limits, play.a.counters(), play.a.touched(), writer);
        Subscriptions wants(outbox);
        TopicIndex index(play.hub.topics(), play.hub.audience(), 0);
        static_cast<void>(
            index.subscribe(wants, topic_named("signal:vcp"), TopicIndex::SubscribeOptions{}));
      },
      "while sessions still subscribe");
}

}  // namespace
}  // namespace broadcast
