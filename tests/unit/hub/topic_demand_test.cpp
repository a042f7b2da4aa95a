// What clients make the host keep: who is answerable for it, what a pattern is demand for, and what
// is given up.

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_play.hpp"

namespace broadcast {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

std::string ticker(int number) { return "price:" + std::to_string(100'000 + number); }

/// `count` tickers from `first` on.
std::string batch(const std::string& type, int first, int count) {
  Json command = {{"type", type}};
  for (int i = 0; i < count; ++i) command["topics"].push_back(ticker(first + i));
  return command.dump();
}

class TopicDemandTest : public testing::Test {
 protected:
  explicit TopicDemandTest(const TopicHub::Options& options = {}) : play(options) {}

  [[nodiscard]] TestClient::Setup setup(std::shared_ptr<Account> account) const {
    return {.limits = {.commands_per_second = 0}, .account = std::move(account)};
  }
  /// Of an address.
  [[nodiscard]] std::shared_ptr<Account> account(std::string_view address) {
    return accounts.of(address, at(0s));
  }
  [[nodiscard]] std::vector<std::string> topics() const {
    std::vector<std::string> names;
    for (const auto& view : play.hub.topics().list()) names.push_back(view.name);
    return names;
  }
  void tick(std::chrono::nanoseconds since) {
    play.hub.on_tick(at(since), 0);
    play.a.drain();
  }

  Accounts accounts{{.topics_per_connection = 1024, .topics_per_address = 2048}};
  HubPlay play;
};

TEST_F(TopicDemandTest, APatternIsNoDemandForWhatNobodyElseWantsAndNothingWasPublishedOn) {
  TestClient watcher(play.a);
  watcher.send(subscribe("price:*"));
  {
    TestClient passing(play.a);
    passing.send(subscribe(ticker(1)));
    play.a.drain();
    EXPECT_THAT(play.price.take_told(), ElementsAre(Pair(ticker(1), 1)));
  }
  tick(30s);
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair(ticker(1), 0)));
  EXPECT_THAT(words_of(watcher.read()), ElementsAre("connected", "subscribed"));
}

TEST_F(TopicDemandTest, APatternGetsWhatOthersAskForFromItsFirstMessageOnAndKeepsNoDemandForIt) {
  TestClient watcher(play.a);
  static_cast<void>(watcher.ask(subscribe("price:*")));
  {
    TestClient passing(play.a);
    passing.send(subscribe(ticker(1)));
    play.publish(ticker(1));
    play.a.drain();
    EXPECT_THAT(words_of(watcher.read()), ElementsAre("new " + ticker(1) + "#0", ticker(1) + "#1"));
  }
  static_cast<void>(play.price.take_told());
  tick(30s);
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair(ticker(1), 0)));
  play.publish(ticker(1));
  play.a.drain();
  EXPECT_THAT(words_of(watcher.read()), ElementsAre(ticker(1) + "#2")) << "as long as it is kept";
}

TEST_F(TopicDemandTest, APatternIsDemandForWhatItsOwnerPublishesUnasked) {
  play.publish(ticker(1));
  {
    TestClient watcher(play.a);
    watcher.send(subscribe("price:*"));
    EXPECT_THAT(play.price.take_told(), Contains(Pair(ticker(1), 1)));
    play.publish(ticker(2));
    EXPECT_THAT(play.price.take_told(), Contains(Pair(ticker(2), 1)));
    play.a.drain();
    tick(60s);
    EXPECT_THAT(play.price.take_told(), IsEmpty());
  }
  tick(90s);
  EXPECT_THAT(play.price.take_told(), Contains(Pair(ticker(1), 0)));
}

TEST_F(TopicDemandTest, APatternStandsForATopicFromItsFirstMessageOn) {
  TestClient passing(play.a);
  passing.send(subscribe(ticker(1)));
  TestClient watcher(play.a);
  EXPECT_THAT(watcher.ask(subscribe("price:*")).at(0).at("topics"), IsEmpty());
  play.publish(ticker(1));
  play.a.drain();
  EXPECT_THAT(words_of(watcher.read()), ElementsAre("new " + ticker(1) + "#0", ticker(1) + "#1"));
}

TEST_F(TopicDemandTest, AFasterPatternCountsForATopicThatWasAskedForBeforeItsFirstMessage) {
  TestClient client(play.a);
  client.send(R"({"type":"subscribe","topic":")" + ticker(1) + R"(","max_rate":0.01})");
  client.send(subscribe("price:*"));
  static_cast<void>(client.read());
  for (int i = 0; i < 2; ++i) play.publish(ticker(1));
  play.a.drain();
  EXPECT_THAT(words_of(client.read()), ElementsAre(ticker(1) + "#1", ticker(1) + "#2"));
}

TEST_F(TopicDemandTest, WhoLeavesANameBeforeTheFirstMessageGetsItByThePatternAllTheSame) {
  TestClient client(play.a);
  client.send(subscribe("price:*"));
  client.send(subscribe(ticker(1)));
  client.send(unsubscribe(ticker(1)));
  static_cast<void>(client.read());
  play.publish(ticker(1));
  play.a.drain();
  EXPECT_THAT(words_of(client.read()), ElementsAre("new " + ticker(1) + "#0", ticker(1) + "#1"));
}

TEST_F(TopicDemandTest, WhoAsksByNameForWhatAPatternBringsIsDemandUntilHeLeavesTheName) {
  TestClient client(play.a, setup(account("1")));
  TestClient other(play.a);
  client.send(subscribe("price:*"));
  other.send(subscribe(ticker(1)));
  play.publish(ticker(1));
  play.a.drain();
  client.send(subscribe(ticker(1)));
  other.send(unsubscribe(ticker(1)));
  tick(30s);
  EXPECT_THAT(play.price.take_told(), Not(Contains(Pair(ticker(1), 0))));
  client.send(unsubscribe(ticker(1)), at(30s));
  tick(60s);
  EXPECT_THAT(play.price.take_told(), Contains(Pair(ticker(1), 0)));
}

TEST_F(TopicDemandTest, AConnectionIsAnswerableForWhatItHoldsAndHeldLately) {
  TestClient client(play.a, setup(account("1")));
  for (int i = 0; i < 8; ++i) {
    const auto answer = client.ask(batch("subscribe", 128 * i, 128));
    EXPECT_EQ(answer.at(0).at("topics").size(), 128U);
    client.send(batch("unsubscribe", 128 * i, 128));
  }
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(2000)))), ElementsAre("error too_many_topics"));
  EXPECT_EQ(play.a.counters().get(Counter::kLimitTopicsPerConnection), 1U);
  EXPECT_THAT(topics(), Not(Contains(ticker(2000))));
  TestClient other(play.a, setup(account("1")));
  EXPECT_THAT(words_of(other.ask(subscribe(ticker(2000)))), ElementsAre("subscribed"));
  tick(30s);
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(2001)), at(30s))), ElementsAre("subscribed"));
}

TEST_F(TopicDemandTest, AnAddressIsAnswerableForAllItsConnectionsAlsoForThoseThatAreGone) {
  accounts.set_limits({.topics_per_connection = 1024, .topics_per_address = 1500});
  {
    TestClient gone(play.a, setup(account("1")));
    for (int i = 0; i < 8; ++i) gone.send(batch("subscribe", 128 * i, 128));
  }
  TestClient client(play.a, setup(account("1")));
  for (int i = 0; i < 4; ++i) client.send(batch("subscribe", 2000 + 128 * i, 128));
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(3000)))), ElementsAre("error too_many_topics"));
  EXPECT_GT(play.a.counters().get(Counter::kLimitTopicsPerAddress), 0U);
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(0)))), ElementsAre("subscribed"))
      << "it is in demand already";
  TestClient elsewhere(play.a, setup(account("2")));
  EXPECT_THAT(words_of(elsewhere.ask(subscribe(ticker(3000)))), ElementsAre("subscribed"));
}

TEST_F(TopicDemandTest, WhatItsOwnerPublishesUnaskedIsChargedToNobody) {
  accounts.set_limits({.topics_per_connection = 1, .topics_per_address = 1});
  for (int i = 0; i < 5; ++i) play.publish(ticker(i));
  TestClient client(play.a, setup(account("1")));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(words_of(client.ask(subscribe(ticker(i)))).at(0), "subscribed");
  }
}

TEST_F(TopicDemandTest, ARateThatIsRefusedMakesNoTopic) {
  TestClient client(play.a);
  EXPECT_THAT(words_of(client.ask(R"({"type":"subscribe","topic":"note:new","max_rate":1})")),
              ElementsAre("error bad_message"));
  EXPECT_THAT(topics(), Not(Contains("note:new")));
}

TEST_F(TopicDemandTest, ThePatternsOfAnAddressMayStandForSoManyTopicsASecond) {
  accounts.set_limits({.work_per_address = 100});
  for (int i = 0; i < 300; ++i) play.publish(ticker(i));
  TestClient first(play.a, setup(account("1")));
  TestClient second(play.a, setup(account("1")));
  TestClient elsewhere(play.a, setup(account("2")));
  for (TestClient* client : {&first, &second, &elsewhere}) {
    EXPECT_EQ(words_of(client->ask(subscribe("price:*"))).at(0), "subscribed");
  }
  const Json refused = second.ask(subscribe("note:*")).at(0);
  EXPECT_EQ(word_of(refused), "error rate_limited");
  EXPECT_EQ(refused.at("retry_after_ms"), 1320) << "twice 316 of 500";
  EXPECT_EQ(play.a.counters().get(Counter::kLimitWorkPerAddress), 1U);
  EXPECT_THAT(words_of(elsewhere.ask(subscribe("note:*"))), ElementsAre("subscribed"));
  EXPECT_THAT(words_of(second.ask(subscribe("note:*"), at(2s))), ElementsAre("subscribed"));
}

TEST_F(TopicDemandTest, WhoConnectsAgainHasNotPaidOffWhatItsAddressOwes) {
  accounts.set_limits({.work_per_address = 100});
  for (int i = 0; i < 300; ++i) play.publish(ticker(i));
  for (int i = 0; i < 2; ++i) {
    TestClient client(play.a, setup(account("1")));
    EXPECT_EQ(words_of(client.ask(subscribe("price:*"))).at(0), "subscribed");
  }
  for (int i = 0; i < 200; ++i) static_cast<void>(account("9." + std::to_string(i)));
  TestClient again(play.a, setup(account("1")));
  EXPECT_THAT(words_of(again.ask(subscribe("price:*"))), ElementsAre("error rate_limited"));
}

TEST_F(TopicDemandTest, WhoAsksForAPatternInVainPutsItOff) {
  accounts.set_limits({.work_per_address = 100});
  for (int i = 0; i < 600; ++i) play.publish(ticker(i));
  TestClient other(play.a, setup(account("1")));
  other.send(subscribe("price:*"));
  TestClient client(play.a, {.limits = {.commands_per_second = 10}, .account = account("1")});
  for (int i = 0; i < 11; ++i) {
    EXPECT_THAT(words_of(client.ask(subscribe("price:*"))), ElementsAre("error rate_limited"));
  }
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})")), ElementsAre("error rate_limited"));
}

TEST_F(TopicDemandTest, WhatOthersStillWantIsChargedToThem) {
  accounts.set_limits({.topics_per_connection = 1, .topics_per_address = 10});
  TestClient first(play.a, setup(account("1")));
  TestClient second(play.b, setup(account("2")));
  first.send(subscribe(ticker(1)));
  second.send(subscribe(ticker(1)));
  first.send(unsubscribe(ticker(1)));
  play.b.drain();
  EXPECT_THAT(words_of(first.ask(subscribe(ticker(2)))), ElementsAre("subscribed"));
  EXPECT_THAT(words_of(second.ask(subscribe(ticker(3)))), ElementsAre("error too_many_topics"));
  second.send(unsubscribe(ticker(1)));
  tick(30s);
  EXPECT_THAT(words_of(second.ask(subscribe(ticker(3)), at(30s))), ElementsAre("subscribed"));
  EXPECT_EQ(play.hub.audience().subscribers(ticker(1)), 0) << "what was announced is read";
}

TEST_F(TopicDemandTest, WhoeverComesToATopicThatLingersIsChargedForIt) {
  accounts.set_limits({.topics_per_connection = 1, .topics_per_address = 1});
  TestClient first(play.a, setup(account("1")));
  TestClient second(play.a, setup(account("2")));
  first.send(subscribe(ticker(1)));
  first.send(unsubscribe(ticker(1)));
  EXPECT_THAT(words_of(first.ask(subscribe(ticker(1)))), ElementsAre("subscribed")) << "its own";
  first.send(unsubscribe(ticker(1)));
  EXPECT_THAT(words_of(second.ask(subscribe(ticker(1)))), ElementsAre("subscribed"));
  EXPECT_THAT(words_of(first.ask(subscribe(ticker(2)))), ElementsAre("subscribed"));
  EXPECT_THAT(words_of(second.ask(subscribe(ticker(3)))), ElementsAre("error too_many_topics"));
  first.send(unsubscribe(ticker(2)));
  EXPECT_THAT(words_of(second.ask(subscribe(ticker(2)))), ElementsAre("error too_many_topics"));
  EXPECT_THAT(words_of(first.ask(subscribe(ticker(3)))), ElementsAre("error too_many_topics"))
      << "it still answers for the one that lingers";
}

TEST_F(TopicDemandTest, AConnectionThatEndsHandsItsChargeOver) {
  accounts.set_limits({.topics_per_connection = 1, .topics_per_address = 1});
  TestClient second(play.a, setup(account("2")));
  {
    TestClient first(play.a, setup(account("1")));
    first.send(subscribe(ticker(1)));
    second.send(subscribe(ticker(1)));
  }
  play.a.drain();
  TestClient again(play.a, setup(account("1")));
  EXPECT_THAT(words_of(again.ask(subscribe(ticker(2)))), ElementsAre("subscribed"));
  EXPECT_THAT(words_of(second.ask(subscribe(ticker(3)))), ElementsAre("error too_many_topics"));
}

TEST_F(TopicDemandTest, AFirstMessageThatComesLateIsNotUnasked) {
  {
    TestClient passing(play.a);
    passing.send(subscribe(ticker(1)));
  }
  tick(30s);
  play.publish(ticker(1));  // by a broadcaster that was about to stop
  TestClient watcher(play.a);
  watcher.send(subscribe("price:*"));
  static_cast<void>(play.price.take_told());
  play.publish(ticker(1));
  EXPECT_THAT(play.price.take_told(), IsEmpty());
}

TEST_F(TopicDemandTest, WhatAManifestNamesFromNowOnIsInDemandByAPatternToo) {
  TestClient client(play.a, setup(account("1")));
  client.send(subscribe(ticker(1)));
  play.publish(ticker(1));
  TestClient watcher(play.a);
  watcher.send(subscribe("price:*"));
  client.send(unsubscribe(ticker(1)));
  tick(30s);
  static_cast<void>(play.price.take_told());
  ASSERT_FALSE(play.hub.topics().try_claim(
      play.price, "libprice.so",
      {{"price:{ticker}", "[0-9]{6}", Delivery::kLatest}, {ticker(1), "", Delivery::kLatest}}));
  EXPECT_THAT(play.price.take_told(), ElementsAre(Pair(ticker(1), 1)));
}

class FullHubTest : public TopicDemandTest {
 protected:
  FullHubTest() : TopicDemandTest({.limits = {.topics = 10, .topics_per_broadcaster = 10}}) {}
  /// Each was wanted by somebody and published on, the first of them left first.
  void fill() {
    TestClient passing(play.a);
    for (int i = 0; i < 10; ++i) {
      passing.send(subscribe(ticker(i)));
      play.publish(ticker(i));
      play.a.drain();
      passing.send(unsubscribe(ticker(i)), at(i * 1ms));
    }
  }
};

TEST_F(FullHubTest, GivesUpWhatHasBeenIdleForLongestWhoeverHoldsAPattern) {
  TestClient watcher(play.a);
  static_cast<void>(watcher.ask(subscribe("price:*")));
  fill();
  static_cast<void>(watcher.read());
  tick(31s);  // who has the pattern is told
  tick(32s);
  for (int i = 0; i < 2; ++i) EXPECT_THAT(topics(), Not(Contains(ticker(i)))) << i;
  for (int i = 2; i < 10; ++i) EXPECT_THAT(topics(), Contains(ticker(i))) << i;
  TestClient other(play.a);
  EXPECT_THAT(words_of(other.ask(subscribe(ticker(50)))), ElementsAre("subscribed"));
  play.publish(ticker(0));
  play.a.drain();
  EXPECT_THAT(words_of(watcher.read()), ElementsAre("new " + ticker(0) + "#0", ticker(0) + "#1"));
}

TEST_F(FullHubTest, MakesRoomForANewTopicAtOnceWhereNobodyListens) {
  fill();
  play.hub.on_tick(at(31s), 0);  // all are idle, and the table is one below nine tenths
  TestClient client(play.a);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(words_of(client.ask(subscribe(ticker(50 + i)))), ElementsAre("subscribed"));
  }
}

TEST_F(FullHubTest, WhatWasGivenUpAndIsPublishedOnBeforeItIsGoneReachesItsPatterns) {
  TestClient watcher(play.a);
  static_cast<void>(watcher.ask(subscribe("price:*")));
  fill();
  static_cast<void>(watcher.read());
  play.hub.on_tick(at(31s), 0);
  play.publish(ticker(0));
  play.a.drain();
  EXPECT_THAT(words_of(watcher.read()), Contains(ticker(0) + "#2"));
}

TEST_F(FullHubTest, WhatWasPublishedOnLatelyStandsBehindWhatWasNot) {
  fill();
  tick(30s);
  play.publish(ticker(0));
  tick(31s);
  EXPECT_THAT(topics(), Contains(ticker(0)));
  for (int i = 1; i < 3; ++i) EXPECT_THAT(topics(), Not(Contains(ticker(i)))) << i;
}

/// As the store has topics whose values it is about to write, for as long as a disk fails.
class HeldTopicsTest : public TopicDemandTest {
 protected:
  HeldTopicsTest()
      : TopicDemandTest({.limits = {.topics = 1000, .topics_per_broadcaster = 1000}}) {}
  /// `count` topics of which the first 300 are held by somebody who does not listen.
  void fill(int count) {
    SubscribeError error{};
    for (int i = 0; i < count; ++i) {
      const TopicPtr topic = play.hub.topics().find_or_create(ticker(i), error);
      if (i < 300) held.push_back(topic);
    }
  }
  std::vector<TopicPtr> held;
};

TEST_F(HeldTopicsTest, TopicsBehindThemAreGivenUp) {
  fill(1000);
  tick(1s);
  EXPECT_LT(topics().size(), 910U);
  EXPECT_THAT(topics(), Contains(ticker(299)));
  EXPECT_THAT(topics(), Not(Contains(ticker(300))));
}

TEST_F(HeldTopicsTest, ANewTopicFindsRoomBehindThem) {
  fill(1000);
  TestClient client(play.a);
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(5000)))), ElementsAre("subscribed"));
}

}  // namespace
}  // namespace broadcast
