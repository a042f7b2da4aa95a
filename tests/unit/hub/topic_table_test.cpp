#include "host/hub/topic_table.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_fixture.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Pair;

class TopicTableTest : public HubTest {};

TEST_F(TopicTableTest, RefusesATopicThatAnotherBroadcasterOwnsAndNamesBoth) {
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

TEST_F(TopicTableTest, StatusTopicsBelongToTheHost) {
  for (const char* pattern : {"status:price", "status:{x}", "status:p{x}"}) {
    const auto conflict =
        hub.topics().try_claim(play.price, "libprice.so", {{pattern, "", Delivery::kAll}});
    ASSERT_TRUE(conflict) << pattern;
    EXPECT_EQ(conflict->owner, "the host");
  }
}

TEST_F(TopicTableTest, APatternThatWouldSwallowStatusTopicsDoesNot) {
  FakeOwner greedy("greedy");
  ASSERT_FALSE(hub.topics().try_claim(greedy, "libgreedy.so", {{"st{x}", "", Delivery::kAll}}));
  EXPECT_EQ(hub.topics().owner_of("stx"), &greedy);
  EXPECT_EQ(hub.topics().owner_of("status:nobody"), nullptr);
  EXPECT_EQ(refusal("status:nobody"), SubscribeError::kUnknownTopic);
  EXPECT_EQ(hub.publisher().publish(greedy, "status:nobody", R"({"type":"status"})").status,
            PublishStatus::kDenied);
}

TEST_F(TopicTableTest, AStatusReportedBeforeSuchAClaimStaysTheHosts) {
  hub.statuses().report("nobody", BroadcasterState::kOk, "");
  FakeOwner greedy("greedy");
  ASSERT_FALSE(hub.topics().try_claim(greedy, "libgreedy.so", {{"st{x}", "", Delivery::kAll}}));
  EXPECT_EQ(hub.topics().owner_of("status:nobody"), nullptr);
}

TEST_F(TopicTableTest, KnowsTheOwnerOfATopicThatNobodyHasUsedYet) {
  EXPECT_EQ(hub.topics().owner_of("price:005930"), &play.price);
  EXPECT_EQ(hub.topics().owner_of("note:x"), &play.note);
  EXPECT_EQ(hub.topics().owner_of("price:abc"), nullptr);
  EXPECT_EQ(hub.topics().owner_of("note:x y"), nullptr);
}

TEST_F(TopicTableTest, EveryTopicHasAnEpochOfItsOwn) {
  const std::string first = join("note:a").topic->epoch();
  EXPECT_THAT(first, MatchesRegex("[0-9a-z]+"));
  EXPECT_EQ(join("note:a").topic->epoch(), first);
  EXPECT_NE(join("note:b").topic->epoch(), first);
  HubPlay after_restart;
  EXPECT_NE(after_restart.hub.audience().join("note:a", kShardA).joined->topic->epoch(), first);
}

TEST(TopicTableLimitsTest, UnknownTopicsCanBeAcceptedButNotStatusTopics) {
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

  HubPlay play{{.limits = {.topics = 10, .topics_per_broadcaster = 10}, .accept_unknown = true}};
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

  HubPlay play{{.limits = {.topics = 10, .topics_per_broadcaster = 10}}};
  std::vector<std::string> tickers;
};

TEST_F(SmallHubTest, RefusesATopicTooMany) {
  for (const std::string& ticker : tickers) ASSERT_TRUE(can_join(ticker));
  EXPECT_EQ(play.hub.audience().join("price:000099", kShardA).error,
            SubscribeError::kTooManyTopics);
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

TEST_F(TopicTableTest, ListsItsTopicsWithTheirNumbers) {
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

}  // namespace
}  // namespace broadcast
