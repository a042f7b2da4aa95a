#include "host/hub/audience.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_fixture.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

class AudienceTest : public HubTest {};

TEST_F(AudienceTest, JoiningGivesTheNumberAndLastValueOfThatMoment) {
  const Joined before = join("market:kospi");
  EXPECT_EQ(before.seq, 0U);
  EXPECT_EQ(before.last, nullptr);
  play.publish("market:kospi", R"({"type":"first"})");
  play.publish("market:kospi", R"({"type":"second"})");
  const Joined after = join("market:kospi");
  EXPECT_EQ(after.seq, 2U);
  EXPECT_EQ(after.last->payload(), R"({"topic":"market:kospi","seq":2,"type":"second"})");
  EXPECT_EQ(after.topic, before.topic);
}

TEST_F(AudienceTest, SaysWhyATopicCannotBeJoined) {
  EXPECT_EQ(refusal("signal:foo"), SubscribeError::kUnknownTopic);
  EXPECT_EQ(refusal("price:abc"), SubscribeError::kUnknownTopic);
  EXPECT_EQ(refusal("status:nobody"), SubscribeError::kUnknownTopic);
  EXPECT_EQ(refusal("price 1"), SubscribeError::kInvalidName);
  EXPECT_EQ(refusal(std::string(256, 'x')), SubscribeError::kInvalidName);
}

TEST_F(AudienceTest, TheOwnerIsToldAboutTheFirstSubscriberAtOnce) {
  const Joined first = join("price:005930", kShardA);
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair("price:005930", 1)));
  const Joined second = join("price:005930", kShardB);
  EXPECT_THAT(play.price.take_told(), IsEmpty());
  EXPECT_THAT(play.note.take_told(), IsEmpty());
}

TEST_F(AudienceTest, TheOwnerIsToldAboutTheLastLeaverAfterTheLinger) {
  const Joined joined = join("price:005930");
  static_cast<void>(play.price.take_told());
  leave(joined, at(10s));
  hub.on_tick(at(40s - 1ns), 0);
  EXPECT_THAT(play.price.take_told(), IsEmpty());
  hub.on_tick(at(40s), 0);
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair("price:005930", 0)));
  hub.on_tick(at(80s), 0);
  EXPECT_THAT(play.price.take_told(), IsEmpty());
}

TEST_F(AudienceTest, ComingBackWithinTheLingerTellsNothing) {
  leave(join("price:005930"), at(0s));
  static_cast<void>(play.price.take_told());
  const Joined back = join("price:005930");
  hub.on_tick(at(60s), 0);
  EXPECT_THAT(play.price.take_told(), IsEmpty());
  leave(back, at(100s));
  hub.on_tick(at(130s - 1ns), 0);
  EXPECT_THAT(play.price.take_told(), IsEmpty());
  hub.on_tick(at(130s), 0);
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair("price:005930", 0)));
}

TEST_F(AudienceTest, TheLingerCountsFromTheLastLeaver) {
  leave(join("price:005930"), at(0s));
  leave(join("price:005930"), at(20s));
  static_cast<void>(play.price.take_told());
  hub.on_tick(at(30s), 0);
  EXPECT_THAT(play.price.take_told(), IsEmpty());
  hub.on_tick(at(50s), 0);
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair("price:005930", 0)));
}

TEST_F(AudienceTest, ComingBackAfterTheLingerIsDemandAgain) {
  leave(join("price:005930"), at(0s));
  hub.on_tick(at(30s), 0);
  static_cast<void>(play.price.take_told());
  const Joined back = join("price:005930");
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair("price:005930", 1)));
}

TEST_F(AudienceTest, ARestartedBroadcasterLearnsWhatIsInDemand) {
  const Joined first = join("price:005930");
  const Joined second = join("price:005930", kShardB);
  const Joined kospi = join("market:kospi");
  const Joined other = join("note:a");
  leave(join("price:000660"), at(0s));
  hub.on_tick(at(30s), 0);
  EXPECT_THAT(hub.audience().demand_of(play.price),
              UnorderedElementsAre(Pair("price:005930", 2), Pair("market:kospi", 1)));
}

TEST_F(AudienceTest, ABroadcasterRestartedWithinTheLingerServesThoseWhoComeBack) {
  leave(join("price:005930"), at(0s));
  static_cast<void>(play.price.take_told());
  EXPECT_THAT(hub.audience().demand_of(play.price), ElementsAre(Pair("price:005930", 1)))
      << "coming back is not told, so it has to know now";
  const Joined back = join("price:005930");
  EXPECT_THAT(play.price.take_told(), IsEmpty());
}

TEST_F(AudienceTest, LooksAtNoMoreTopicsThanAnAnswerCanName) {
  for (int i = 0; i < 1000; ++i) play.publish("price:" + std::to_string(100'000 + i));
  play.publish("note:a");
  const auto all = play.hub.audience().topics_under("price:", SIZE_MAX);
  EXPECT_EQ(all.topics.size(), 1000U);
  EXPECT_EQ(all.looked_at, 1000U) << "those of other branches cost nothing";
  const auto too_many = play.hub.audience().topics_under("price:", all.names_bytes / 10);
  EXPECT_TRUE(too_many.is_too_large);
  EXPECT_TRUE(too_many.topics.empty());
  EXPECT_EQ(too_many.looked_at, 101U);
}

}  // namespace
}  // namespace broadcast
