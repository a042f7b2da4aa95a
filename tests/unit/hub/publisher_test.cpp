#include "host/hub/publisher.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "allocations.hpp"
#include "hub_fixture.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PublisherTest : public HubTest {};

TEST_F(PublisherTest, OnlyTheOwnerPublishesOnATopic) {
  EXPECT_EQ(hub.publisher().publish(play.note, "price:005930", R"({"type":"x"})").status,
            PublishStatus::kDenied);
  EXPECT_EQ(hub.publisher().publish(play.price, "signal:foo", R"({"type":"x"})").status,
            PublishStatus::kDenied);
  EXPECT_EQ(hub.publisher().publish(play.price, "price:{x}", R"({"type":"x"})").status,
            PublishStatus::kDenied);
  EXPECT_EQ(play.counters.get(Counter::kPublishDenied), 3U);
  EXPECT_EQ(play.counters.get(Counter::kMessagesPublished), 0U);
  EXPECT_EQ(join("price:005930").seq, 0U);
}

TEST_F(PublisherTest, RefusesWhatCannotBeAnEnvelope) {
  for (const std::string bad :
       {"", "{", "}", "{}", "{ }", "{\n\t }", "[]", "[1]", "7", "null", "\"x\"", " {\"a\":1}",
        "{\"a\":1} ", "{1}", "{a:1}", "{{}}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xc3\"}"}) {
    EXPECT_EQ(play.publish("signal:vcp", bad).status, PublishStatus::kInvalid) << bad;
  }
  EXPECT_EQ(play.counters.get(Counter::kPublishInvalid), 19U);
  EXPECT_EQ(play.publish("signal:vcp").seq, 1U) << "nothing was numbered";
}

TEST_F(PublisherTest, AcceptsAnObjectHoweverItIsSpaced) {
  for (const char* good : {R"({"a":1})", "{ \t\r\n\"a\" : 1 }", R"({"종목":"삼성전자"})"}) {
    EXPECT_EQ(play.publish("signal:vcp", good).status, PublishStatus::kOk) << good;
  }
}

TEST_F(PublisherTest, NumbersCountUpByOneFromOne) {
  for (std::uint64_t seq = 1; seq <= 5; ++seq) {
    const Published published = play.publish("signal:vcp");
    EXPECT_EQ(published.status, PublishStatus::kOk);
    EXPECT_EQ(published.seq, seq);
  }
  EXPECT_EQ(play.publish("note:a").seq, 1U);
  EXPECT_EQ(play.counters.get(Counter::kMessagesPublished), 6U);
}

TEST_F(PublisherTest, EveryShardWithSubscribersGetsTheMessageAndNoOther) {
  const Joined vcp = join("signal:vcp", kShardA);
  const Joined kospi = join("market:kospi", kShardB);
  const Joined on_a = join("note:both", kShardA);
  const Joined on_b = join("note:both", kShardB);
  for (const char* topic : {"signal:vcp", "market:kospi", "note:both"}) play.publish(topic);
  const std::string both = R"({"topic":"note:both","seq":1,"type":"x"})";
  EXPECT_THAT(play.a.take(), ElementsAre(R"({"topic":"signal:vcp","seq":1,"type":"x"})", both));
  EXPECT_THAT(play.b.take(), ElementsAre(R"({"topic":"market:kospi","seq":1,"type":"x"})", both));
}

TEST_F(PublisherTest, AShardIsWokenOncePerDrain) {
  const Joined joined = join("signal:vcp");
  for (int i = 0; i < 3; ++i) play.publish("signal:vcp");
  EXPECT_EQ(play.a.wakes(), 1);
  EXPECT_EQ(play.b.wakes(), 0);
  play.a.drain();
  play.publish("signal:vcp");
  EXPECT_EQ(play.a.wakes(), 2);
}

TEST_F(PublisherTest, SaysHowManySubscribersAMessageMet) {
  EXPECT_EQ(play.publish("signal:vcp").subscribers, 0U);
  const Joined first = join("signal:vcp", kShardA);
  const Joined second = join("signal:vcp", kShardA);
  const Joined third = join("signal:vcp", kShardB);
  EXPECT_EQ(play.publish("signal:vcp").subscribers, 3U);
  EXPECT_EQ(hub.audience().subscribers("signal:vcp"), 3);
  leave(second);
  EXPECT_EQ(hub.audience().subscribers("signal:vcp"), 2);
  EXPECT_EQ(hub.audience().subscribers("signal:foo"), 0);
}

TEST_F(PublisherTest, AShardWhoseLastSubscriberLeftGetsNothing) {
  const Joined joined = join("signal:vcp");
  leave(joined);
  play.publish("signal:vcp");
  EXPECT_THAT(play.a.take(), IsEmpty());
}

TEST_F(PublisherTest, BusyLeavesNumbersLastValueAndOtherShardsUntouched) {
  fill_a_with_notes();
  const Joined a = join("signal:vcp", kShardA);
  const Joined b = join("signal:vcp", kShardB);
  EXPECT_EQ(play.publish("signal:vcp").status, PublishStatus::kBusy);
  EXPECT_EQ(play.counters.get(Counter::kPublishBusy), 1U);
  EXPECT_THAT(play.b.take(), IsEmpty());
  EXPECT_EQ(hub.audience().peek(a.topic).last, nullptr);
  play.a.drain();
  EXPECT_EQ(play.publish("signal:vcp").seq, 1U);
  EXPECT_EQ(play.a.take(), play.b.take());
}

TEST_F(PublisherTest, BusyCostsNoEncoding) {
  fill_a_with_notes();
  const Joined joined = join("signal:vcp");
  const std::size_t before = allocations();
  EXPECT_EQ(play.publish("signal:vcp").status, PublishStatus::kBusy);
  EXPECT_EQ(allocations() - before, 0U);
}

TEST_F(PublisherTest, AMessageIsOneAllocationHoweverLongItsTopicsNameIs) {
  FakeOwner scanner("scanner");
  ASSERT_FALSE(play.hub.topics().try_claim(scanner, "libscanner.so",
                                           {{"signal:daytrading", "", Delivery::kLatest}}));
  const auto publish = [&] {
    return play.hub.publisher().publish(scanner, "signal:daytrading", R"({"type":"x"})").status;
  };
  ASSERT_EQ(publish(), PublishStatus::kOk) << "makes what the others use";
  const std::size_t before = allocations();
  EXPECT_EQ(publish(), PublishStatus::kOk);
  EXPECT_EQ(allocations() - before, 1U);
}

TEST_F(PublisherTest, BusyGivesBackThePlacesItHadOnOtherShards) {
  play.a.inbox().set_bounds({.messages = 3, .bytes = 10'000});
  play.b.inbox().set_bounds({.messages = 1, .bytes = 10'000});
  const Joined a = join("signal:vcp", kShardA);
  const Joined b = join("signal:vcp", kShardB);
  ASSERT_EQ(play.publish("signal:vcp").status, PublishStatus::kOk);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(play.publish("signal:vcp").status, PublishStatus::kBusy);
  leave(b, at(0s), kShardB);
  EXPECT_EQ(play.publish("signal:vcp").seq, 2U);
  EXPECT_EQ(play.publish("signal:vcp").seq, 3U);
  EXPECT_EQ(play.publish("signal:vcp").status, PublishStatus::kBusy);
}

TEST_F(PublisherTest, LatestTopicsAreNeverBusyAndTheNewestValueWins) {
  fill_a_with_notes();
  const Joined joined = join("market:kospi");
  for (int i = 0; i < 5; ++i) ASSERT_EQ(play.publish("market:kospi").status, PublishStatus::kOk);
  EXPECT_EQ(play.counters.get(Counter::kInboxConflated), 4U);
  const std::vector<std::string> texts = play.a.take();
  ASSERT_EQ(texts.size(), 3U);
  EXPECT_EQ(texts[2], R"({"topic":"market:kospi","seq":5,"type":"x"})");
}

TEST(PublisherLimitsTest, TheLargestMessageCountsItsEnvelope) {
  HubPlay play({.limits = {.publish_bytes = 100}});
  const auto object_of = [](std::size_t bytes) {
    return R"({"type":")" + std::string(bytes - 11, 'x') + "\"}";
  };
  const std::size_t envelope = std::string(R"({"topic":"signal:vcp","seq":1)").size();
  EXPECT_EQ(play.publish("signal:vcp", object_of(101 - envelope)).status, PublishStatus::kInvalid);
  EXPECT_EQ(play.publish("signal:vcp", object_of(100 - envelope)).status, PublishStatus::kOk);
}

TEST(PublisherLimitsTest, StrictAsksForAType) {
  HubPlay play({.strict = true});
  EXPECT_EQ(play.publish("signal:vcp", R"({"a":{"type":"x"}})").status, PublishStatus::kInvalid);
  EXPECT_EQ(play.publish("signal:vcp", R"({"a":1,"t\u0079pe":"x"})").seq, 1U);
}

TEST_F(PublisherTest, AMessageTooManyForTheShardIsNoLastValueEither) {
  fill_a_with_notes();
  EXPECT_EQ(play.publish("note:a").status, PublishStatus::kBusy);
  EXPECT_EQ(join("note:a").seq, 2U);
  EXPECT_EQ(join("note:a").last->seq(), 2U);
}

}  // namespace
}  // namespace broadcast
