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
  [[nodiscard]] std::vector<std::string> topics() const {
    std::vector<std::string> names;
    for (const auto& view : play.hub.topics()) names.push_back(view.name);
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
  TestClient client(play.a, setup(accounts.of("1")));
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
  TestClient client(play.a, setup(accounts.of("1")));
  for (int i = 0; i < 8; ++i) {
    const auto answer = client.ask(batch("subscribe", 128 * i, 128));
    EXPECT_EQ(answer.at(0).at("topics").size(), 128U);
    client.send(batch("unsubscribe", 128 * i, 128));
  }
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(2000)))), ElementsAre("error too_many_topics"));
  EXPECT_EQ(play.a.counters().get(Counter::kLimitTopicsPerConnection), 1U);
  EXPECT_THAT(topics(), Not(Contains(ticker(2000))));
  TestClient other(play.a, setup(accounts.of("1")));
  EXPECT_THAT(words_of(other.ask(subscribe(ticker(2000)))), ElementsAre("subscribed"));
  tick(30s);
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(2001)), at(30s))), ElementsAre("subscribed"));
}

TEST_F(TopicDemandTest, AnAddressIsAnswerableForAllItsConnectionsAlsoForThoseThatAreGone) {
  accounts.set_limits({.topics_per_connection = 1024, .topics_per_address = 1500});
  {
    TestClient gone(play.a, setup(accounts.of("1")));
    for (int i = 0; i < 8; ++i) gone.send(batch("subscribe", 128 * i, 128));
  }
  TestClient client(play.a, setup(accounts.of("1")));
  for (int i = 0; i < 4; ++i) client.send(batch("subscribe", 2000 + 128 * i, 128));
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(3000)))), ElementsAre("error too_many_topics"));
  EXPECT_GT(play.a.counters().get(Counter::kLimitTopicsPerAddress), 0U);
  EXPECT_THAT(words_of(client.ask(subscribe(ticker(0)))), ElementsAre("subscribed"))
      << "it is in demand already";
  TestClient elsewhere(play.a, setup(accounts.of("2")));
  EXPECT_THAT(words_of(elsewhere.ask(subscribe(ticker(3000)))), ElementsAre("subscribed"));
}

TEST_F(TopicDemandTest, WhatItsOwnerPublishesUnaskedIsChargedToNobody) {
  accounts.set_limits({.topics_per_connection = 1, .topics_per_address = 1});
  for (int i = 0; i < 5; ++i) play.publish(ticker(i));
  TestClient client(play.a, setup(accounts.of("1")));
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
  TestClient first(play.a, setup(accounts.of("1")));
  TestClient second(play.a, setup(accounts.of("1")));
  TestClient elsewhere(play.a, setup(accounts.of("2")));
  for (TestClient* client : {&first, &second, &elsewhere}) {
    EXPECT_EQ(words_of(client->ask(subscribe("price:*"))).at(0), "subscribed");
  }
  EXPECT_THAT(words_of(second.ask(subscribe("note:*"))), ElementsAre("error rate_limited"));
  EXPECT_EQ(play.a.counters().get(Counter::kLimitWorkPerAddress), 1U);
  EXPECT_THAT(words_of(elsewhere.ask(subscribe("note:*"))), ElementsAre("subscribed"));
  EXPECT_THAT(words_of(second.ask(subscribe("note:*"), at(2s))), ElementsAre("subscribed"));
}

class FullHubTest : public TopicDemandTest {
 protected:
  FullHubTest() : TopicDemandTest({.topics = 10, .topics_per_owner = 10}) {}
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

}  // namespace
}  // namespace broadcast
