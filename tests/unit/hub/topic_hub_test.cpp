#include "host/hub/topic_hub.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/units.hpp>

#include "allocations.hpp"
#include "hub_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Pair;
using testing::UnorderedElementsAre;
using JoinError = SubscribeError;

constexpr std::size_t kShardA = 0;
constexpr std::size_t kShardB = 1;

class TopicHubTest : public testing::Test {
 protected:
  [[nodiscard]] Joined join(std::string_view topic, std::size_t shard = kShardA) {
    Audience::JoinResult result = hub.audience().join(topic, shard);
    if (!result.joined) throw std::runtime_error("cannot join " + std::string(topic));
    return *std::move(result.joined);
  }
  [[nodiscard]] JoinError refusal(std::string_view topic) {
    const Audience::JoinResult result = hub.audience().join(topic, kShardA);
    EXPECT_FALSE(result.joined) << topic;
    return result.error;
  }
  void leave(const Joined& joined, MonoTime now = at(0s), std::size_t shard = kShardA) {
    hub.audience().leave(joined.topic, shard, now);
  }
  /// The status topic's last value.
  [[nodiscard]] Json status(const std::string& broadcaster) {
    const Joined joined = join("status:" + broadcaster);
    leave(joined);
    return Json::parse(joined.last->payload());
  }
  void fill_a_with_notes() {
    play.a.inbox().set_bounds({.messages = 2, .bytes = 10'000});
    notes_.push_back(join("note:a"));
    for (int i = 0; i < 2; ++i) ASSERT_EQ(play.publish("note:a").status, PublishStatus::kOk);
  }

  HubPlay play;
  TopicHub& hub = play.hub;
  std::vector<Joined> notes_;
};

// Who owns what.

TEST_F(TopicHubTest, RefusesATopicThatAnotherBroadcasterOwnsAndNamesBoth) {
  FakeOwner quotes("quotes");
  const std::vector<TopicPattern> wanted = {{"quote:{x}", "", Delivery::kAll},
                                            {"price:{ticker}", "", Delivery::kLatest}};
  const auto conflict = hub.topics().try_claim(quotes, "libquotes.so", wanted);
  ASSERT_TRUE(conflict);
  EXPECT_EQ(conflict->pattern, "price:{ticker}");
  EXPECT_EQ(conflict->owner, "price");
  EXPECT_EQ(conflict->owner_library, "libprice.so");
  EXPECT_EQ(hub.topics().owner_of("quote:x"), nullptr) << "nothing is claimed when one is refused";
}

TEST_F(TopicHubTest, StatusTopicsBelongToTheHost) {
  for (const char* pattern : {"status:price", "status:{x}", "status:p{x}"}) {
    const auto conflict =
        hub.topics().try_claim(play.price, "libprice.so", {{pattern, "", Delivery::kAll}});
    ASSERT_TRUE(conflict) << pattern;
    EXPECT_EQ(conflict->owner, "the host");
  }
}

TEST_F(TopicHubTest, APatternThatWouldSwallowStatusTopicsDoesNot) {
  FakeOwner greedy("greedy");
  ASSERT_FALSE(hub.topics().try_claim(greedy, "libgreedy.so", {{"st{x}", "", Delivery::kAll}}));
  EXPECT_EQ(hub.topics().owner_of("stx"), &greedy);
  EXPECT_EQ(hub.topics().owner_of("status:nobody"), nullptr);
  EXPECT_EQ(refusal("status:nobody"), JoinError::kUnknownTopic);
  EXPECT_EQ(hub.publisher().publish(greedy, "status:nobody", R"({"type":"status"})").status,
            PublishStatus::kDenied);
}

TEST_F(TopicHubTest, AStatusReportedBeforeSuchAClaimStaysTheHosts) {
  hub.statuses().report("nobody", BroadcasterState::kOk, "");
  FakeOwner greedy("greedy");
  ASSERT_FALSE(hub.topics().try_claim(greedy, "libgreedy.so", {{"st{x}", "", Delivery::kAll}}));
  EXPECT_EQ(hub.topics().owner_of("status:nobody"), nullptr);
}

TEST_F(TopicHubTest, KnowsTheOwnerOfATopicThatNobodyHasUsedYet) {
  EXPECT_EQ(hub.topics().owner_of("price:005930"), &play.price);
  EXPECT_EQ(hub.topics().owner_of("note:x"), &play.note);
  EXPECT_EQ(hub.topics().owner_of("price:abc"), nullptr);
  EXPECT_EQ(hub.topics().owner_of("note:x y"), nullptr);
}

// Publishing.

TEST_F(TopicHubTest, OnlyTheOwnerPublishesOnATopic) {
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

TEST_F(TopicHubTest, RefusesWhatCannotBeAnEnvelope) {
  for (const std::string bad :
       {"", "{", "}", "{}", "{ }", "{\n\t }", "[]", "[1]", "7", "null", "\"x\"", " {\"a\":1}",
        "{\"a\":1} ", "{1}", "{a:1}", "{{}}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xc3\"}"}) {
    EXPECT_EQ(play.publish("signal:vcp", bad).status, PublishStatus::kInvalid) << bad;
  }
  EXPECT_EQ(play.counters.get(Counter::kPublishInvalid), 19U);
  EXPECT_EQ(play.publish("signal:vcp").seq, 1U) << "nothing was numbered";
}

TEST_F(TopicHubTest, AcceptsAnObjectHoweverItIsSpaced) {
  for (const char* good : {R"({"a":1})", "{ \t\r\n\"a\" : 1 }", R"({"종목":"삼성전자"})"}) {
    EXPECT_EQ(play.publish("signal:vcp", good).status, PublishStatus::kOk) << good;
  }
}

TEST_F(TopicHubTest, NumbersCountUpByOneFromOne) {
  for (std::uint64_t seq = 1; seq <= 5; ++seq) {
    const Published published = play.publish("signal:vcp");
    EXPECT_EQ(published.status, PublishStatus::kOk);
    EXPECT_EQ(published.seq, seq);
  }
  EXPECT_EQ(play.publish("note:a").seq, 1U);
  EXPECT_EQ(play.counters.get(Counter::kMessagesPublished), 6U);
}

TEST_F(TopicHubTest, EveryTopicHasAnEpochOfItsOwn) {
  const std::string first = join("note:a").topic->epoch();
  EXPECT_THAT(first, MatchesRegex("[0-9a-z]+"));
  EXPECT_EQ(join("note:a").topic->epoch(), first);
  EXPECT_NE(join("note:b").topic->epoch(), first);
  HubPlay after_restart;
  EXPECT_NE(after_restart.hub.audience().join("note:a", kShardA).joined->topic->epoch(), first);
}

TEST_F(TopicHubTest, EveryShardWithSubscribersGetsTheMessageAndNoOther) {
  const Joined vcp = join("signal:vcp", kShardA);
  const Joined kospi = join("market:kospi", kShardB);
  const Joined on_a = join("note:both", kShardA);
  const Joined on_b = join("note:both", kShardB);
  for (const char* topic : {"signal:vcp", "market:kospi", "note:both"}) play.publish(topic);
  const std::string both = R"({"topic":"note:both","seq":1,"type":"x"})";
  EXPECT_THAT(play.a.take(), ElementsAre(R"({"topic":"signal:vcp","seq":1,"type":"x"})", both));
  EXPECT_THAT(play.b.take(), ElementsAre(R"({"topic":"market:kospi","seq":1,"type":"x"})", both));
}

TEST_F(TopicHubTest, AShardIsWokenOncePerDrain) {
  const Joined joined = join("signal:vcp");
  for (int i = 0; i < 3; ++i) play.publish("signal:vcp");
  EXPECT_EQ(play.a.wakes(), 1);
  EXPECT_EQ(play.b.wakes(), 0);
  play.a.drain();
  play.publish("signal:vcp");
  EXPECT_EQ(play.a.wakes(), 2);
}

TEST_F(TopicHubTest, SaysHowManySubscribersAMessageMet) {
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

TEST_F(TopicHubTest, AShardWhoseLastSubscriberLeftGetsNothing) {
  const Joined joined = join("signal:vcp");
  leave(joined);
  play.publish("signal:vcp");
  EXPECT_THAT(play.a.take(), IsEmpty());
}

TEST_F(TopicHubTest, BusyLeavesNumbersLastValueAndOtherShardsUntouched) {
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

TEST_F(TopicHubTest, BusyCostsNoEncoding) {
  fill_a_with_notes();
  const Joined joined = join("signal:vcp");
  const std::size_t before = allocations();
  EXPECT_EQ(play.publish("signal:vcp").status, PublishStatus::kBusy);
  EXPECT_EQ(allocations() - before, 0U);
}

TEST_F(TopicHubTest, AMessageIsOneAllocationHoweverLongItsTopicsNameIs) {
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

TEST_F(TopicHubTest, BusyGivesBackThePlacesItHadOnOtherShards) {
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

TEST_F(TopicHubTest, LatestTopicsAreNeverBusyAndTheNewestValueWins) {
  fill_a_with_notes();
  const Joined joined = join("market:kospi");
  for (int i = 0; i < 5; ++i) ASSERT_EQ(play.publish("market:kospi").status, PublishStatus::kOk);
  EXPECT_EQ(play.counters.get(Counter::kInboxConflated), 4U);
  const std::vector<std::string> texts = play.a.take();
  ASSERT_EQ(texts.size(), 3U);
  EXPECT_EQ(texts[2], R"({"topic":"market:kospi","seq":5,"type":"x"})");
}

TEST(TopicHubLimitsTest, TheLargestMessageCountsItsEnvelope) {
  HubPlay play({.publish_bytes = 100});
  const auto object_of = [](std::size_t bytes) {
    return R"({"type":")" + std::string(bytes - 11, 'x') + "\"}";
  };
  const std::size_t envelope = std::string(R"({"topic":"signal:vcp","seq":1)").size();
  EXPECT_EQ(play.publish("signal:vcp", object_of(101 - envelope)).status, PublishStatus::kInvalid);
  EXPECT_EQ(play.publish("signal:vcp", object_of(100 - envelope)).status, PublishStatus::kOk);
}

TEST(TopicHubLimitsTest, StrictAsksForAType) {
  HubPlay play({.strict = true});
  EXPECT_EQ(play.publish("signal:vcp", R"({"a":{"type":"x"}})").status, PublishStatus::kInvalid);
  EXPECT_EQ(play.publish("signal:vcp", R"({"a":1,"t\u0079pe":"x"})").seq, 1U);
}

// Joining.

TEST_F(TopicHubTest, JoiningGivesTheNumberAndLastValueOfThatMoment) {
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

TEST_F(TopicHubTest, AMessageTooManyForTheShardIsNoLastValueEither) {
  fill_a_with_notes();
  EXPECT_EQ(play.publish("note:a").status, PublishStatus::kBusy);
  EXPECT_EQ(join("note:a").seq, 2U);
  EXPECT_EQ(join("note:a").last->seq(), 2U);
}

TEST_F(TopicHubTest, SaysWhyATopicCannotBeJoined) {
  EXPECT_EQ(refusal("signal:foo"), JoinError::kUnknownTopic);
  EXPECT_EQ(refusal("price:abc"), JoinError::kUnknownTopic);
  EXPECT_EQ(refusal("status:nobody"), JoinError::kUnknownTopic);
  EXPECT_EQ(refusal("price 1"), JoinError::kInvalidName);
  EXPECT_EQ(refusal(std::string(256, 'x')), JoinError::kInvalidName);
}

TEST(TopicHubLimitsTest, UnknownTopicsCanBeAcceptedButNotStatusTopics) {
  HubPlay play({.accept_unknown = true});
  const Audience::JoinResult result = play.hub.audience().join("signal:foo", kShardA);
  ASSERT_TRUE(result.joined);
  EXPECT_EQ(result.joined->topic->delivery, Delivery::kLatest);
  EXPECT_FALSE(play.hub.audience().join("status:foo", kShardA).joined);
  EXPECT_EQ(play.publish("signal:foo").status, PublishStatus::kDenied);
}

class ClaimedLateTest : public testing::Test {
 protected:
  /// One client of `topic`, which nobody serves until `pattern` is claimed.
  void subscribe_and_claim(std::string_view topic, const char* pattern,
                           Delivery delivery = Delivery::kAll) {
    told = client.ask(R"({"type":"subscribe","topic":")" + std::string(topic) +
                      R"(","max_rate":0.001})");
    ASSERT_FALSE(play.hub.topics().try_claim(late, "liblate.so", {{pattern, "", delivery}}));
  }

  HubPlay play{{.topics = 10, .topics_per_owner = 10, .accept_unknown = true}};
  FakeOwner late{"late"};
  TestClient client{play.a};
  std::vector<Json> told;
};

TEST_F(ClaimedLateTest, ItsEpochIsKeptByAllTopicsAndTheSubscribersOfALatestOneAreToldTheirs) {
  subscribe_and_claim("signal:foo", "signal:foo");
  play.a.drain();
  EXPECT_THAT(client.read(), IsEmpty());
  EXPECT_EQ(play.hub.audience().join("signal:foo", kShardA).joined->epoch, told.at(0).at("epoch"));

  FakeOwner another("another");
  const Json bar = client.ask(R"({"type":"subscribe","topic":"price:bar"})").at(0);
  ASSERT_FALSE(
      play.hub.topics().try_claim(another, "liba.so", {{"price:bar", "", Delivery::kLatest}}));
  ASSERT_EQ(play.hub.publisher().publish(another, "price:bar", R"({"type":"x"})").status,
            PublishStatus::kOk);
  play.a.drain();
  const std::vector<Json> texts = client.read();
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0].at("type"), "topic");
  EXPECT_EQ(texts[0].at("reason"), "epoch");
  EXPECT_EQ(texts[0].at("seq"), 0);
  EXPECT_NE(texts[0].at("epoch"), bar.at("epoch"));
  EXPECT_EQ(texts[0].at("epoch"), play.hub.audience().join("price:bar", kShardA).joined->epoch);
  EXPECT_EQ(texts[1].at("seq"), 1);
  EXPECT_EQ(play.hub.audience().subscribers("price:bar"), 2) << "the announcement counts no more";
}

TEST_F(ClaimedLateTest, WhoKeepsTheTopicTellsThemWhenItsDeliveryBecomesAnother) {
  subscribe_and_claim("signal:foo", "signal:foo", Delivery::kLatest);
  play.a.drain();
  const Json latest = client.read().at(0);
  EXPECT_EQ(latest.at("delivery"), "latest");
  ASSERT_FALSE(
      play.hub.topics().try_claim(late, "liblate.so", {{"signal:foo", "", Delivery::kAll}}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(play.hub.publisher().publish(late, "signal:foo", R"({"type":"x"})").status,
              PublishStatus::kOk);
    play.a.drain();
  }
  const std::vector<Json> texts = client.read();
  ASSERT_EQ(texts.size(), 4U) << "nothing of an all topic waits for a slot";
  EXPECT_EQ(texts[0].at("delivery"), "all");
  EXPECT_EQ(texts[0].at("epoch"), told.at(0).at("epoch")) << "as before anybody served it";
}

TEST_F(ClaimedLateTest, ATopicAcceptedAsUnknownGoesToTheOwnerThatClaimsIt) {
  subscribe_and_claim("signal:foo", "signal:foo");
  EXPECT_EQ(play.hub.topics().owner_of("signal:foo"), &late);
  EXPECT_THAT(play.hub.audience().demand_of(late), ElementsAre(Pair("signal:foo", 1)));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(play.hub.publisher().publish(late, "signal:foo", R"({"type":"x"})").status,
              PublishStatus::kOk);
  }
  play.a.drain();
  EXPECT_EQ(client.read().size(), 3U) << "who listened before is served";
  EXPECT_EQ(client.ask(R"({"type":"list"})").at(0).at("topics").at(0).at("delivery"), "all");
}

TEST_F(ClaimedLateTest, ItsOwnerHearsWhenNobodyListensAnyMore) {
  subscribe_and_claim("late:x", "late:{x}");
  client.send(R"({"type":"unsubscribe","topic":"late:x"})");
  play.hub.on_tick(at(30s), 0);
  EXPECT_THAT(late.take_told(), ElementsAre(Pair("late:x", 0)));
}

TEST_F(ClaimedLateTest, ATopicThatAManifestNamesIsKeptAndCountsNoMore) {
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(play.hub.audience().join("price:00000" + std::to_string(i), kShardA).joined);
  }
  subscribe_and_claim("signal:foo", "signal:foo");
  ASSERT_EQ(play.hub.publisher().publish(late, "signal:foo", R"({"type":"x"})").seq, 1U);
  client.send(R"({"type":"unsubscribe","topic":"signal:foo"})");
  EXPECT_TRUE(play.hub.audience().join("price:000099", kShardA).joined);
  play.hub.on_tick(at(30s), 0);
  EXPECT_EQ(play.hub.publisher().publish(late, "signal:foo", R"({"type":"x"})").seq, 2U);
}

// Demand.

TEST_F(TopicHubTest, TheOwnerIsToldAboutTheFirstSubscriberAtOnce) {
  const Joined first = join("price:005930", kShardA);
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair("price:005930", 1)));
  const Joined second = join("price:005930", kShardB);
  EXPECT_THAT(play.price.take_told(), IsEmpty());
  EXPECT_THAT(play.note.take_told(), IsEmpty());
}

TEST_F(TopicHubTest, TheOwnerIsToldAboutTheLastLeaverAfterTheLinger) {
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

TEST_F(TopicHubTest, ComingBackWithinTheLingerTellsNothing) {
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

TEST_F(TopicHubTest, TheLingerCountsFromTheLastLeaver) {
  leave(join("price:005930"), at(0s));
  leave(join("price:005930"), at(20s));
  static_cast<void>(play.price.take_told());
  hub.on_tick(at(30s), 0);
  EXPECT_THAT(play.price.take_told(), IsEmpty());
  hub.on_tick(at(50s), 0);
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair("price:005930", 0)));
}

TEST_F(TopicHubTest, ComingBackAfterTheLingerIsDemandAgain) {
  leave(join("price:005930"), at(0s));
  hub.on_tick(at(30s), 0);
  static_cast<void>(play.price.take_told());
  const Joined back = join("price:005930");
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair("price:005930", 1)));
}

TEST_F(TopicHubTest, ARestartedBroadcasterLearnsWhatIsInDemand) {
  const Joined first = join("price:005930");
  const Joined second = join("price:005930", kShardB);
  const Joined kospi = join("market:kospi");
  const Joined other = join("note:a");
  leave(join("price:000660"), at(0s));
  hub.on_tick(at(30s), 0);
  EXPECT_THAT(hub.audience().demand_of(play.price),
              UnorderedElementsAre(Pair("price:005930", 2), Pair("market:kospi", 1)));
}

TEST_F(TopicHubTest, ABroadcasterRestartedWithinTheLingerServesThoseWhoComeBack) {
  leave(join("price:005930"), at(0s));
  static_cast<void>(play.price.take_told());
  EXPECT_THAT(hub.audience().demand_of(play.price), ElementsAre(Pair("price:005930", 1)))
      << "coming back is not told, so it has to know now";
  const Joined back = join("price:005930");
  EXPECT_THAT(play.price.take_told(), IsEmpty());
}

TEST_F(TopicHubTest, LooksAtNoMoreTopicsThanAnAnswerCanName) {
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

// The table's limit.

class SmallHubTest : public testing::Test {
 protected:
  SmallHubTest() {
    for (int i = 0; i < 10; ++i) tickers.push_back("price:00000" + std::to_string(i));
  }
  [[nodiscard]] bool can_join(std::string_view topic) {
    return play.hub.audience().join(topic, kShardA).joined.has_value();
  }
  void join_and_leave(std::string_view topic) {
    play.hub.audience().leave(play.hub.audience().join(topic, kShardA).joined.value().topic,
                              kShardA, at(0s));
  }
  [[nodiscard]] std::string epoch_of(std::string_view topic) {
    const TopicPtr found = play.hub.audience().join(topic, kShardA).joined.value().topic;
    play.hub.audience().leave(found, kShardA, at(0s));
    return found->epoch();
  }

  HubPlay play{{.topics = 10, .topics_per_owner = 10}};
  std::vector<std::string> tickers;
};

TEST_F(SmallHubTest, RefusesATopicTooMany) {
  for (const std::string& ticker : tickers) ASSERT_TRUE(can_join(ticker));
  EXPECT_EQ(play.hub.audience().join("price:000099", kShardA).error, JoinError::kTooManyTopics);
  EXPECT_EQ(play.publish("note:a").status, PublishStatus::kFull);
  EXPECT_TRUE(can_join(tickers[0])) << "those that exist stay open";
}

TEST_F(SmallHubTest, ClientsCannotTakeThePlaceOfATopicThatAManifestNames) {
  for (const std::string& ticker : tickers) ASSERT_TRUE(can_join(ticker));
  EXPECT_TRUE(can_join("signal:vcp"));
  EXPECT_EQ(play.publish("signal:vcp").status, PublishStatus::kOk);
}

TEST_F(SmallHubTest, ForgetsIdleTopicsWhenNineTenthsAreUsed) {
  for (const std::string& ticker : tickers) join_and_leave(ticker);
  EXPECT_FALSE(can_join("price:000099"));
  play.hub.on_tick(at(29s), 0);
  EXPECT_FALSE(can_join("price:000099")) << "in demand until the linger is over";
  play.hub.on_tick(at(30s), 0);
  EXPECT_TRUE(can_join("price:000099"));
}

TEST_F(SmallHubTest, AnAllTopicThatNeverHadAMessageIsTheSameWhenItIsForgottenAndMadeAgain) {
  const std::string epoch = epoch_of("note:a");
  for (const std::string& ticker : tickers) {
    if (can_join(ticker))
      play.hub.audience().leave(play.hub.audience().join(ticker, kShardA).joined->topic, kShardA,
                                at(0s));
  }
  play.hub.on_tick(at(30s), 0);
  EXPECT_EQ(epoch_of("note:a"), epoch);
}

TEST_F(SmallHubTest, KeepsIdleTopicsWhileThereIsRoom) {
  const std::string epoch = epoch_of("price:000042");
  for (std::size_t i = 0; i < 7; ++i) join_and_leave(tickers[i]);
  play.hub.on_tick(at(30s), 0);
  EXPECT_EQ(epoch_of("price:000042"), epoch);
}

TEST_F(SmallHubTest, NeverForgetsATopicWhoseAnnouncementStillWaits) {
  ASSERT_TRUE(play.hub.topics().try_watch("price:", 0));
  for (int i = 0; i < 10; ++i) play.publish("price:00000" + std::to_string(i));
  play.hub.on_tick(at(1s), 0);
  EXPECT_EQ(play.hub.audience().subscribers("price:000001"), 1);
}

TEST_F(SmallHubTest, NeverForgetsSubscribersAllTopicsOrLiterals) {
  const std::string kept = epoch_of(tickers[0]);
  const TopicPtr subscribed = play.hub.audience().join(tickers[0], kShardA).joined->topic;
  ASSERT_EQ(play.publish("signal:vcp").seq, 1U);
  ASSERT_EQ(play.publish("note:a").seq, 1U);
  ASSERT_EQ(play.publish("market:kospi").seq, 1U);
  for (std::size_t i = 1; i < 7; ++i) join_and_leave(tickers[i]);
  play.hub.on_tick(at(30s), 0);
  EXPECT_EQ(epoch_of(tickers[0]), kept);
  for (const char* topic : {"signal:vcp", "note:a", "market:kospi"}) {
    EXPECT_EQ(play.publish(topic).seq, 2U) << topic;
  }
}

TEST_F(SmallHubTest, APublisherCannotFillTheTableWithTopicsOfOthers) {
  for (const std::string& ticker : tickers) {
    EXPECT_EQ(play.hub.publisher().publish(play.note, ticker, R"({"type":"x"})").status,
              PublishStatus::kDenied);
  }
  EXPECT_TRUE(can_join("note:a"));
}

TEST_F(SmallHubTest, AStatusAlwaysHasAPlace) {
  for (const std::string& ticker : tickers) ASSERT_TRUE(can_join(ticker));
  play.hub.statuses().report("price", BroadcasterState::kDown, "exception");
  EXPECT_TRUE(can_join("status:price"));
}

// Status.

TEST_F(TopicHubTest, AStatusIsPublishedAsData) {
  hub.statuses().report("price", BroadcasterState::kDegraded, "kiwoom \"ws\" unreachable");
  const Json text = status("price");
  EXPECT_EQ(text.at("type"), "status");
  EXPECT_EQ(text.at("topic"), "status:price");
  EXPECT_EQ(text.at("seq"), 1);
  EXPECT_EQ(text.at("broadcaster"), "price");
  EXPECT_EQ(text.at("state"), "degraded");
  EXPECT_EQ(text.at("detail"), "kiwoom \"ws\" unreachable");
  EXPECT_THAT(text.at("since").get<std::string>(),
              MatchesRegex("....-..-..T..:..:..\\.......\\+00:00"));
}

TEST_F(TopicHubTest, AStatusCanBeSubscribedToBeforeItsBroadcasterHasSaidAnything) {
  const Joined joined = join("status:price");
  EXPECT_EQ(joined.seq, 0U);
  hub.statuses().report("price", BroadcasterState::kOk, "");
  EXPECT_EQ(hub.audience().peek(joined.topic).seq, 1U);
}

TEST_F(TopicHubTest, AStatusHasTheWordsOfTheProtocol) {
  using enum BroadcasterState;
  EXPECT_EQ(to_string(kOk), "ok");
  EXPECT_EQ(to_string(kDegraded), "degraded");
  EXPECT_EQ(to_string(kStale), "stale");
  EXPECT_EQ(to_string(kDown), "down");
  EXPECT_EQ(to_string(kDisabled), "disabled");
}

TEST_F(TopicHubTest, NothingIsPublishedWhenTheStatusIsTheSame) {
  const std::string endless(5000, 'x');
  hub.statuses().report("price", BroadcasterState::kOk, "");
  hub.statuses().report("price", BroadcasterState::kOk, "");
  EXPECT_EQ(status("price").at("seq"), 1);
  hub.statuses().report("price", BroadcasterState::kDown, endless);
  hub.statuses().report("price", BroadcasterState::kDown, endless);
  EXPECT_EQ(status("price").at("seq"), 2);
  EXPECT_EQ(status("price").at("detail"), endless.substr(0, 1024));
}

TEST_F(TopicHubTest, SinceMovesOnOnlyWithTheState) {
  hub.statuses().report("price", BroadcasterState::kStale, "5 s");
  const Json first = status("price");
  hub.statuses().report("price", BroadcasterState::kStale, "10 s");
  EXPECT_EQ(status("price").at("seq"), 2);
  EXPECT_EQ(status("price").at("since"), first.at("since"));
  const std::string between = iso_timestamp(wall_now_ns());
  EXPECT_LE(first.at("since").get<std::string>(), between);
  hub.statuses().report("price", BroadcasterState::kOk, "10 s");
  EXPECT_GE(status("price").at("since").get<std::string>(), between);
}

TEST_F(TopicHubTest, ALongDetailIsCutBetweenCharacters) {
  std::string detail = "x";
  for (int i = 0; i < 600; ++i) detail += "é";
  hub.statuses().report("price", BroadcasterState::kDown, detail);
  EXPECT_EQ(status("price").at("detail"), detail.substr(0, 1023));
}

TEST_F(TopicHubTest, SubscribersOfAStatusGetItLive) {
  hub.statuses().report("price", BroadcasterState::kOk, "");
  TestClient client(play.a);
  static_cast<void>(client.ask(R"({"type":"subscribe","topic":"status:price"})"));
  hub.statuses().report("price", BroadcasterState::kDown, "exception");
  play.a.drain();
  const std::vector<Json> texts = client.read();
  ASSERT_EQ(texts.size(), 1U);
  EXPECT_EQ(texts[0].at("state"), "down");
  EXPECT_EQ(texts[0].at("seq"), 2);
}

// What operators see.

TEST_F(TopicHubTest, ListsItsTopicsWithTheirNumbers) {
  const Joined joined = join("price:005930");
  ASSERT_EQ(play.publish("price:005930").status, PublishStatus::kOk);
  const auto topics = hub.topics().list();
  const auto found = std::ranges::find(topics, "price:005930", &TopicTable::View::name);
  ASSERT_NE(found, topics.end());
  EXPECT_EQ(found->seq, 1U);
  EXPECT_EQ(found->subscribers, 1U);
  EXPECT_EQ(found->delivery, Delivery::kLatest);
  EXPECT_EQ(found->epoch, joined.topic->epoch());
  EXPECT_FALSE(found->owner.empty());
}

TEST_F(TopicHubTest, ListsTheStatusesByBroadcaster) {
  hub.statuses().report("vcp_signal", BroadcasterState::kOk, "");
  hub.statuses().report("price", BroadcasterState::kDegraded, "serving sim");
  const auto statuses = hub.statuses().list();
  ASSERT_EQ(statuses.size(), 2U);
  EXPECT_EQ(statuses[0].broadcaster, "price");
  EXPECT_EQ(statuses[0].state, BroadcasterState::kDegraded);
  EXPECT_EQ(statuses[0].detail, "serving sim");
  EXPECT_EQ(statuses[0].since, status("price").at("since"));
}

}  // namespace
}  // namespace broadcast
