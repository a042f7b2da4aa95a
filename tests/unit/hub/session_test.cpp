#include "host/hub/session.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SessionTest : public testing::Test {
 protected:
  void publish(std::string_view topic) {
    ASSERT_EQ(play.publish(topic).status, PublishStatus::kOk) << topic;
  }
  HubPlay play;
};

// Opening.

TEST_F(SessionTest, GreetsFirst) {
  TestClient client(play.a);
  const std::vector<Json> texts = client.read();
  ASSERT_THAT(texts, SizeIs(1));
  EXPECT_EQ(texts[0], Json::parse(R"({"type":"connected","client_id":"c-1",
                                      "message":"WebSocket connection established"})"));
}

TEST_F(SessionTest, GreetsWithTheTimesOfTheHeartbeatIfThereIsOne) {
  EXPECT_EQ(write_connected("c-1", Heartbeat{.interval = 30s, .timeout = 90s}),
            R"({"type":"connected","client_id":"c-1","message":"WebSocket connection established",)"
            R"("ping_interval_ms":30000,"ping_timeout_ms":90000})");
}

TEST_F(SessionTest, SubscribesToTheTopicsOfTheQueryStringEachFollowedByItsLastValue) {
  publish("market:kospi");
  TestClient client(play.a, {.topics = {"market:kospi", "price:005930", "signal:foo", "a b"}});
  EXPECT_THAT(words_of(client.read()),
              ElementsAre("connected", "subscribed", "market:kospi#1", "subscribed",
                          "error unknown_topic", "error invalid_topic"));
}

TEST_F(SessionTest, AQueryStringWithTooManyTopicsGetsTheFirstOnes) {
  TestClient client(
      play.a, {.limits = {.topics_per_request = 2}, .topics = {"note:a", "note:b", "note:c"}});
  EXPECT_THAT(words_of(client.read()),
              ElementsAre("connected", "subscribed", "subscribed", "error too_many_topics"));
  EXPECT_EQ(play.hub.audience().subscribers("note:c"), 0);
}

TEST_F(SessionTest, AQueryStringIsNotTrustedToBeText) {
  TestClient client(play.a, {.topics = {"\xff\xfe", std::string("a\0b", 3), "\x1b[2J"}});
  EXPECT_THAT(words_of(client.read()), ElementsAre("connected", "error invalid_topic",
                                                   "error invalid_topic", "error invalid_topic"));
}

// Subscribing.

TEST_F(SessionTest, ASubscriptionIsAnsweredWithItsNumbers) {
  publish("market:kospi");
  TestClient client(play.a);
  const std::vector<Json> texts =
      client.ask(R"({"type":"subscribe","topic":"market:kospi","id":"x"})");
  ASSERT_THAT(words_of(texts), ElementsAre("subscribed", "market:kospi#1"));
  EXPECT_EQ(texts[0].at("message"), "Subscribed to market:kospi");
  EXPECT_EQ(texts[0].at("seq"), 1);
  EXPECT_EQ(texts[0].at("delivery"), "latest");
  EXPECT_EQ(texts[0].at("recovered"), false);
  EXPECT_EQ(texts[0].at("id"), "x");
  EXPECT_EQ(texts[0].at("epoch"),
            play.hub.audience().join("market:kospi", 1).joined->topic->epoch());
}

TEST_F(SessionTest, SubscribingTwiceIsAnsweredTwiceAndDeliversOnce) {
  TestClient client(play.a);
  EXPECT_THAT(words_of(client.ask(subscribe("signal:vcp"))), ElementsAre("subscribed"));
  EXPECT_THAT(words_of(client.ask(subscribe("signal:vcp"))), ElementsAre("subscribed"));
  publish("signal:vcp");
  play.a.drain();
  EXPECT_THAT(words_of(client.read()), ElementsAre("signal:vcp#1"));
}

TEST_F(SessionTest, APublicationBetweenJoinAndDrainArrivesOnceAndInOrder) {
  TestClient early(play.a);
  early.send(subscribe("signal:vcp"));
  publish("signal:vcp");
  TestClient client(play.a);
  client.send(subscribe("signal:vcp"));
  publish("signal:vcp");
  play.a.drain();
  EXPECT_THAT(words_of(client.read()),
              ElementsAre("connected", "subscribed", "signal:vcp#1", "signal:vcp#2"));
}

TEST_F(SessionTest, ManyTopicsAreAnsweredByOneReplyWithTheirValuesBehind) {
  publish("market:kospi");
  TestClient client(play.a);
  const std::vector<Json> texts = client.ask(
      R"({"type":"subscribe","topics":["note:a","market:kospi","signal:foo","price:*","x:*"],"id":3})");
  ASSERT_THAT(words_of(texts), ElementsAre("subscribed", "market:kospi#1"));
  EXPECT_EQ(texts[0].at("id"), 3);
  ASSERT_THAT(texts[0].at("topics"), SizeIs(3));
  EXPECT_EQ(texts[0].at("topics")[0].at("topic"), "note:a");
  EXPECT_EQ(texts[0].at("topics")[1].at("seq"), 1);
  ASSERT_THAT(texts[0].at("rejected"), SizeIs(2));
  EXPECT_EQ(texts[0].at("rejected")[0].at("code"), "unknown_topic");
  EXPECT_EQ(texts[0].at("rejected")[1].at("code"), "unknown_topic");
}

TEST_F(SessionTest, WhatWasMissedOfATopicNamedTwiceInARequestIsSentOnce) {
  for (int i = 0; i < 3; ++i) publish("note:a");
  const std::string epoch(play.hub.audience().join("note:a", 1).joined->epoch);
  const std::string text =
      R"({"type":"subscribe","topics":["note:a","note:*","note:a"],"since":{"note:a":{"epoch":")" +
      epoch + R"(","seq":1}}})";
  TestClient client(play.a);
  for (int i = 0; i < 2; ++i) {
    const std::vector<Json> texts = client.ask(text);
    EXPECT_THAT(words_of(texts), ElementsAre("subscribed", "note:a#2", "note:a#3"));
    for (const Json& topic : texts[0].at("topics")) {
      EXPECT_TRUE((topic.contains("topics") ? topic.at("topics").at(0) : topic).at("recovered"));
    }
  }
}

TEST_F(SessionTest, ARefusedPatternLeavesWhatIsSubscribedAsItIs) {
  TestClient client(play.a, {.limits = {.outbox_bytes = 16 * 1024}});
  client.send(subscribe("price:*"));
  for (int i = 0; i < 100; ++i) publish("price:" + std::to_string(100'000 + i));
  play.a.drain();
  publish("price:100007");
  EXPECT_THAT(words_of(client.ask(subscribe("price:*"))), ElementsAre("error too_many_topics"));
  play.a.drain();
  EXPECT_THAT(words_of(client.read()), ElementsAre("price:100007#2")) << "it was on its way";
}

TEST_F(SessionTest, WhoAsksAgainAndAgainForWhatWasMissedWithoutReadingIsClosedAsSlow) {
  for (int i = 0; i < 100; ++i) publish("note:a");
  const std::string epoch(play.hub.audience().join("note:a", 1).joined->epoch);
  const std::string text =
      R"({"type":"subscribe","topic":"note:a","since":{"epoch":")" + epoch + R"(","seq":0}})";
  TestClient client(play.a, {.limits = {.outbox_bytes = 20'000, .commands_per_second = 0}});
  client.outbox().set_blocked(true);
  for (int i = 0; i < 5; ++i) client.send(text);
  EXPECT_FALSE(client.outbox().closing());
  for (int i = 0; i < 15; ++i) client.send(text);
  EXPECT_EQ(client.outbox().close_reason().code, 4413);
}

TEST_F(SessionTest, ATopicNamedTwiceInARequestIsSentOnce) {
  publish("market:kospi");
  TestClient client(play.a);
  EXPECT_THAT(
      words_of(client.ask(R"({"type":"subscribe","topics":["market:kospi","market:kospi"]})")),
      ElementsAre("subscribed", "market:kospi#1"));
  EXPECT_EQ(play.hub.audience().subscribers("market:kospi"), 1);
}

TEST_F(SessionTest, APatternNamedAgainInARequestIsAnsweredOnce) {
  publish("note:a");
  TestClient client(play.a, {.topics = {"note:*", "note:*"}});
  EXPECT_THAT(words_of(client.read()), ElementsAre("connected", "subscribed", "note:a#1"));
  const auto texts = client.ask(R"({"type":"subscribe","topics":["note:*","note:*"]})");
  ASSERT_FALSE(texts.empty());
  EXPECT_EQ(texts[0].at("topics").size(), 1U);
}

TEST_F(SessionTest, APatternOfMoreTopicsThanAnAnswerCanNameIsRefusedAndTheClientStays) {
  for (int i = 0; i < 100; ++i) publish("note:" + std::to_string(i));
  TestClient client(play.a, {.limits = {.outbox_bytes = 16 * 1024}});
  EXPECT_THAT(words_of(client.ask(subscribe("note:*"))), ElementsAre("error too_many_topics"));
  EXPECT_FALSE(client.outbox().closing());
  EXPECT_EQ(play.hub.audience().subscribers("note:7"), 0);
  EXPECT_THAT(words_of(client.ask(subscribe("note:7"))), ElementsAre("subscribed", "note:7#1"));
}

TEST_F(SessionTest, PatternsOfOneAnswerShareItsRoom) {
  for (int i = 0; i < 40; ++i) {
    publish("note:" + std::to_string(i));
    publish("price:" + std::to_string(100'000 + i));
  }
  TestClient client(play.a, {.limits = {.outbox_bytes = 16 * 1024}});
  const std::vector<Json> texts =
      client.ask(R"({"type":"subscribe","topics":["note:*","price:*"],"snapshot":false})");
  ASSERT_THAT(words_of(texts), ElementsAre("subscribed"));
  EXPECT_EQ(texts[0].at("topics").size(), 1U);
  EXPECT_EQ(texts[0].at("rejected").at(0).at("code"), "too_many_topics");
  EXPECT_FALSE(client.outbox().closing());
}

TEST_F(SessionTest, ATopicAndItsPatternInTheQueryStringBringItsMessageOnce) {
  publish("note:a");
  TestClient client(play.a, {.topics = {"note:a", "note:*"}});
  EXPECT_THAT(words_of(client.read()),
              ElementsAre("connected", "subscribed", "note:a#1", "subscribed"));
}

TEST_F(SessionTest, UnsubscribingStopsThatTopicAndNoOther) {
  TestClient client(play.a);
  client.send(R"({"type":"subscribe","topics":["note:a","note:b"]})");
  const std::vector<Json> texts = client.ask(unsubscribe("note:a"));
  ASSERT_THAT(texts, SizeIs(1));
  EXPECT_EQ(texts[0].at("message"), "Unsubscribed from note:a");
  for (const char* topic : {"note:a", "note:b"}) publish(topic);
  play.a.drain();
  EXPECT_THAT(words_of(client.read()), ElementsAre("note:b#1"));
}

TEST_F(SessionTest, UnsubscribingFromWhatOneNeverHadIsNoError) {
  TestClient client(play.a);
  EXPECT_THAT(words_of(client.ask(unsubscribe("note:a"))), ElementsAre("unsubscribed"));
  const std::vector<Json> texts =
      client.ask(R"({"type":"unsubscribe","topics":["note:a","signal:foo"]})");
  ASSERT_THAT(texts, SizeIs(1));
  EXPECT_EQ(texts[0].at("topics"), Json({"note:a", "signal:foo"}));
}

TEST_F(SessionTest, ListsItsSubscriptions) {
  TestClient client(play.a);
  client.send(R"({"type":"subscribe","topics":["signal:vcp","market:kospi"]})");
  const std::vector<Json> texts = client.ask(R"({"type":"list","id":"l"})");
  ASSERT_THAT(words_of(texts), ElementsAre("subscriptions"));
  ASSERT_THAT(texts[0].at("topics"), SizeIs(2));
  EXPECT_EQ(texts[0].at("topics")[0].at("topic"), "market:kospi");
  EXPECT_EQ(texts[0].at("topics")[1].at("delivery"), "all");
  EXPECT_EQ(texts[0].at("id"), "l");
}

TEST_F(SessionTest, AClosedSessionIsNoSubscriberAnyMore) {
  {
    TestClient client(play.a, {.topics = {"note:a", "note:b"}});
    EXPECT_EQ(play.hub.audience().subscribers("note:a"), 1);
  }
  EXPECT_EQ(play.hub.audience().subscribers("note:a"), 0);
  EXPECT_EQ(play.hub.audience().subscribers("note:b"), 0);
}

TEST_F(SessionTest, AConnectionHoldsSoManyTopicsAndNoMore) {
  TestClient client(play.a,
                    {.limits = {.topics_per_connection = 2}, .topics = {"note:a", "note:b"}});
  EXPECT_THAT(words_of(client.ask(subscribe("note:c"))), ElementsAre("error too_many_topics"));
  EXPECT_THAT(words_of(client.ask(subscribe("note:b"))), ElementsAre("subscribed"));
  client.send(unsubscribe("note:a"));
  EXPECT_THAT(words_of(client.ask(subscribe("note:c"))), ElementsAre("subscribed"));
}

TEST_F(SessionTest, AServerFullOfTopicsSaysSo) {
  HubPlay full({.limits = {.topics = 1}});
  TestClient client(full.a, {.topics = {"note:a"}});
  const std::vector<Json> texts = client.ask(subscribe("note:b"));
  ASSERT_THAT(words_of(texts), ElementsAre("error too_many_topics"));
  EXPECT_THAT(texts[0].at("message"), HasSubstr("server"));
}

// Everything else a client may say.

TEST_F(SessionTest, PingIsAnsweredAndPongIsNot) {
  TestClient client(play.a);
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping","id":7})")), ElementsAre("pong"));
  EXPECT_EQ(client.ask(R"({"type":"ping","id":7})").at(0).at("id"), 7);
  EXPECT_THAT(client.ask(R"({"type":"pong"})"), IsEmpty());
}

TEST_F(SessionTest, BinaryFramesAreAnError) {
  TestClient client(play.a);
  static_cast<void>(client.read());
  client.session().on_binary("abc", at(0s));
  EXPECT_THAT(words_of(client.read()), ElementsAre("error bad_message"));
}

TEST_F(SessionTest, AShutdownSaysWhenToComeBack) {
  TestClient client(play.a);
  static_cast<void>(client.read());
  client.session().on_shutdown(1830ms);
  EXPECT_EQ(client.read().at(0),
            Json::parse(R"({"type":"server_shutdown","retry_after_ms":1830})"));
}

TEST_F(SessionTest, CountsMessagesAndErrors) {
  TestClient client(play.a);
  client.send("{");
  client.send(R"({"type":"ping"})");
  client.session().on_binary("", at(0s));
  EXPECT_EQ(play.a.counters().get(Counter::kMessagesReceived), 3U);
  EXPECT_EQ(play.a.counters().get(Counter::kErrorReplies), 2U);
}

TEST_F(SessionTest, StepsOfTheWallClockByADayAndAnHourLoseNoNumberAndRecoveryGoesOn) {
  std::int64_t wall_ns = 1'770'000'000'000'000'000;
  constexpr std::int64_t kStep = std::chrono::nanoseconds(25h).count();
  const std::string epoch(play.hub.audience().join("signal:vcp", 1).joined->topic->epoch());
  std::uint64_t seq = 0;
  for (const std::int64_t step : {kStep, -kStep, -kStep, kStep, std::int64_t{0}}) {
    play.hub.on_tick(at(std::chrono::seconds(seq)), wall_ns += step);
    publish("signal:vcp");
    publish("signal:vcp");
    seq += 2;
    TestClient client(play.a);
    EXPECT_THAT(
        words_of(client.ask(R"({"type":"subscribe","topic":"signal:vcp","since":{"epoch":")" +
                            epoch + R"(","seq":)" + std::to_string(seq - 2) + "}}")),
        ElementsAre("subscribed", "signal:vcp#" + std::to_string(seq - 1),
                    "signal:vcp#" + std::to_string(seq)));
  }
}

// Too much of it.

TEST_F(SessionTest, TheTwentyFirstErrorWithinTenSecondsClosesTheConnection) {
  TestClient client(play.a, {.limits = {.commands_per_second = 0}});
  for (int i = 0; i < 20; ++i) client.send("{", at(i * 499ms));
  EXPECT_FALSE(client.outbox().closing());
  client.send("{", at(10s - 1ns));
  EXPECT_TRUE(client.outbox().closing());
  EXPECT_EQ(client.outbox().close_reason().code, 4429);
  EXPECT_EQ(client.outbox().close_reason().counter, Counter::kClosedFlood);
  const std::vector<Frame> frames = frames_of(write_all(client.outbox()));
  ASSERT_THAT(frames, SizeIs(23)) << "connected, every error, and the close frame";
  EXPECT_EQ(close_code_of(frames.back()), 4429U);
}

TEST_F(SessionTest, ErrorsSpreadOverTimeDoNotCloseTheConnection) {
  TestClient client(play.a, {.limits = {.commands_per_second = 0}});
  for (int i = 0; i < 1000; ++i) client.send("{", at(i * 500ms));
  EXPECT_FALSE(client.outbox().closing());
}

TEST_F(SessionTest, ATopicThatIsRefusedIsAnAnswerAndNoOffence) {
  TestClient client(play.a, {.limits = {.topics_per_connection = 1},
                             .topics = std::vector<std::string>(21, "signal:foo")});
  for (int i = 0; i < 21; ++i) {
    client.send(subscribe("signal:foo"));
    client.send(subscribe("no topic"));
    client.send(unsubscribe("no topic"));
    client.send(R"({"type":"subscribe","topic":"signal:vcp","max_rate":1})");
  }
  client.send(subscribe("signal:vcp"));
  for (int i = 0; i < 21; ++i) client.send(subscribe("market:kospi"));  // one topic too many
  EXPECT_FALSE(client.outbox().closing());
  write_all(client.outbox());
  publish("signal:vcp");
  play.a.drain();
  EXPECT_THAT(words_of(client.read()), ElementsAre("signal:vcp#1"));
}

TEST_F(SessionTest, RefusedSubscribesCostTokensAfterTheFirst128AndAFloodOfThemCloses) {
  TestClient client(play.a, {.limits = {.commands_per_second = 2},
                             .topics = std::vector<std::string>(100, "signal:foo")});
  for (int i = 0; i < 28; ++i) client.send(subscribe("no topic"));
  write_all(client.outbox());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(words_of(client.ask(subscribe("signal:foo"))), ElementsAre("error unknown_topic"));
  }
  EXPECT_THAT(words_of(client.ask(subscribe("signal:vcp"))), ElementsAre("subscribed"));
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(words_of(client.ask(subscribe("signal:foo"))), ElementsAre("error rate_limited"));
  }
  EXPECT_FALSE(client.outbox().closing());
  client.send(subscribe("no topic"));
  EXPECT_EQ(client.outbox().close_reason().code, 4429);
}

TEST_F(SessionTest, ManyRefusedInOneRequestCostAsManyTokensAfterTheFirst128) {
  TestClient client(play.a, {.limits = {.commands_per_second = 100}});
  const std::vector<std::string> unknown(128, "signal:foo");
  const std::string text = Json{{"type", "subscribe"}, {"topics", unknown}}.dump();
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(words_of(client.ask(text)), ElementsAre("subscribed"));
  }
  const std::vector<Json> texts = client.ask(R"({"type":"ping"})");
  ASSERT_THAT(words_of(texts), ElementsAre("error rate_limited"));
  EXPECT_EQ(texts[0].at("retry_after_ms"), 330)
      << "of a hundred two were taken, two for the second KiB of each, and 128";
}

TEST_F(SessionTest, RefusedNamesCostByTheirLength) {
  TestClient client(play.a, {.limits = {.commands_per_second = 100}});
  const std::vector<std::string> unknown(128, "signal:" + std::string(248, 'x'));
  const std::string text = Json{{"type", "subscribe"}, {"topics", unknown}}.dump();
  ASSERT_EQ(text.size() / 1024, 32U);
  EXPECT_THAT(words_of(client.ask(text)), ElementsAre("subscribed"));
  const Json refused = client.ask(R"({"type":"ping"})").at(0);
  EXPECT_EQ(word_of(refused), "error rate_limited");
  EXPECT_EQ(refused.at("retry_after_ms"), 3180) << "33, and four for each name but 32";
}

TEST_F(SessionTest, OneRefusedNameCostsByItsLength) {
  TestClient client(play.a, {.limits = {.commands_per_second = 4}});
  for (int i = 0; i < 128; ++i) client.send(subscribe("signal:foo"));
  write_all(client.outbox());
  const std::string text = subscribe("signal:" + std::string(248, 'x'));
  EXPECT_THAT(words_of(client.ask(text)), ElementsAre("error unknown_topic"));
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})")), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, ALargeCommandIsPaidByItsBytesBeforeAnybodyLooksAtIt) {
  TestClient client(play.a, {.limits = {.commands_per_second = 100}});
  const std::string brackets(64 * 1024, '[');
  EXPECT_THAT(words_of(client.ask(brackets)), ElementsAre("error bad_json"));
  EXPECT_THAT(words_of(client.ask(brackets)), ElementsAre("error bad_json"));
  const Json refused = client.ask(brackets).at(0);
  EXPECT_EQ(word_of(refused), "error rate_limited");
  EXPECT_EQ(refused.at("retry_after_ms"), 310) << "twice 65 were taken of a hundred";
}

TEST_F(SessionTest, WhatIsInflatedToMoreThanACommandMayHaveIsPaidByAllOfIt) {
  TestClient client(play.a, {.limits = {.commands_per_second = 100}});
  EXPECT_THAT(words_of(client.ask(std::string(640 * 1024, ' '))), ElementsAre("error bad_message"));
  EXPECT_EQ(client.ask(R"({"type":"ping"})").at(0).at("retry_after_ms"), 5420);
}

TEST_F(SessionTest, ABinaryMessageIsPaidByItsBytes) {
  TestClient client(play.a, {.limits = {.commands_per_second = 10}});
  write_all(client.outbox());
  const std::string bytes(64 * 1024, 'x');
  client.session().on_binary(bytes, at(0s));
  EXPECT_THAT(words_of(client.read()), ElementsAre("error bad_message"));
  client.session().on_binary(bytes, at(0s));
  EXPECT_THAT(words_of(client.read()), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, APageThatComesBackMayAskForAllItsTopicsAtOnce) {
  TestClient client(play.a, {.limits = {.commands_per_second = 100}});
  for (int batch = 0; batch < 8; ++batch) {
    Json request = {{"type", "subscribe"}};
    for (int i = 0; i < 128; ++i) {
      const std::string topic = "price:" + std::to_string(100'000 + batch * 128 + i);
      request["topics"].push_back(topic);
      request["since"][topic] = {{"epoch", "k3v9x0aq"}, {"seq", 123'456}};
    }
    EXPECT_EQ(word_of(client.ask(request.dump()).at(0)), "subscribed") << batch;
  }
}

TEST_F(SessionTest, AQueryStringIsNoFloodHoweverManyOfItsTopicsAreRefused) {
  TestClient client(play.a, {.limits = {.topics_per_request = 400, .commands_per_second = 2},
                             .topics = std::vector<std::string>(300, "signal:foo")});
  EXPECT_FALSE(client.outbox().closing());
  EXPECT_THAT(client.read(), SizeIs(301));
  for (int i = 0; i < 100; ++i) client.send(subscribe("signal:foo"));
  EXPECT_FALSE(client.outbox().closing()) << "as many are free as a request may name";
  std::vector<std::string> patterns;
  for (int i = 0; i < 40; ++i) patterns.push_back("nobody" + std::to_string(i) + ":*");
  TestClient other(play.a, {.limits = {.commands_per_second = 2}, .topics = patterns});
  EXPECT_FALSE(other.outbox().closing());
}

TEST_F(SessionTest, ARefusedPatternIsNeverFree) {
  TestClient client(play.a, {.limits = {.commands_per_second = 2}});
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(words_of(client.ask(subscribe("nobody:*"))), ElementsAre("error unknown_topic"));
  }
  EXPECT_THAT(words_of(client.ask(subscribe("nobody:*"))), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, ARateThatIsRefusedForASubscriptionCostsOneToken) {
  TestClient client(play.a, {.limits = {.commands_per_second = 4}, .topics = {"signal:vcp"}});
  for (int i = 0; i < 128; ++i) client.send(subscribe("signal:foo"));
  const std::string text = R"({"type":"subscribe","topic":"signal:vcp","max_rate":1})";
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(words_of(client.ask(text)), ElementsAre("error bad_message")) << i;
  }
  EXPECT_THAT(words_of(client.ask(text)), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, APatternCostsATokenForEvery128TopicsThatItNames) {
  for (int i = 0; i < 300; ++i) publish("note:" + std::to_string(i));
  TestClient client(play.a, {.limits = {.commands_per_second = 10}, .topics = {"note:*"}});
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})")), ElementsAre("pong"));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(word_of(client.ask(subscribe("note:*")).at(0)), "subscribed");
  EXPECT_THAT(words_of(client.ask(subscribe("note:*"))), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, APatternThatIsRefusedForItsSizeJoinsNothingAndCostsWhatWasLookedAt) {
  for (int i = 0; i < 300; ++i) publish("note:" + std::to_string(i));
  TestClient client(play.a, {.limits = {.outbox_bytes = 64 * 1024, .commands_per_second = 3}});
  EXPECT_THAT(words_of(client.ask(subscribe("note:*"))), ElementsAre("error too_many_topics"));
  EXPECT_THAT(play.note.take_told(), IsEmpty()) << "none was joined";
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})")), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, ARequestOfManyPatternsStopsWhereItHasCostMoreThanItMay) {
  for (int i = 0; i < 300; ++i) publish("note:" + std::to_string(i));
  TestClient client(play.a, {.limits = {.outbox_bytes = 64 * 1024, .commands_per_second = 3}});
  const auto texts = client.ask(R"({"type":"subscribe","topics":["note:*","price:*","market:*"]})");
  ASSERT_THAT(words_of(texts), ElementsAre("subscribed"));
  const Json& rejected = texts[0].at("rejected");
  EXPECT_EQ(rejected.at(0).at("code"), "too_many_topics");
  EXPECT_EQ(rejected.at(1).at("code"), "rate_limited");
  EXPECT_EQ(rejected.at(1).at("topic"), "price:*");
  EXPECT_GT(rejected.at(1).at("retry_after_ms"), 0);
  EXPECT_FALSE(client.outbox().closing());
}

TEST_F(SessionTest, LeavingAPatternCostsWhatIsLookedAt) {
  for (int i = 0; i < 300; ++i) publish("note:" + std::to_string(i));
  TestClient client(play.a, {.limits = {.commands_per_second = 6}});
  EXPECT_EQ(word_of(client.ask(subscribe("note:*")).at(0)), "subscribed");  // 2, the first is free
  EXPECT_THAT(words_of(client.ask(unsubscribe("note:*"))), ElementsAre("unsubscribed"));  // 3
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})")), ElementsAre("pong"));
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})")), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, AListOfManyTopicsCostsWhatItNames) {
  TestClient client(play.a, {.limits = {.commands_per_second = 3}});
  for (int i = 0; i < 300; ++i) client.send(subscribe("note:" + std::to_string(i)));
  EXPECT_THAT(words_of(client.ask(R"({"type":"list"})")), ElementsAre("subscriptions"));
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})")), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, MoreCommandsThanASecondAllowsAreTurnedAwayWithAWait) {
  TestClient client(play.a, {.limits = {.commands_per_second = 4}});
  for (int i = 0; i < 4; ++i) {
    ASSERT_THAT(words_of(client.ask(R"({"type":"ping"})", at(1s))), ElementsAre("pong"));
  }
  const std::vector<Json> texts = client.ask(R"({"type":"ping","id":9})", at(1s));
  ASSERT_THAT(words_of(texts), ElementsAre("error rate_limited"));
  EXPECT_EQ(texts[0].at("retry_after_ms"), 250);
  EXPECT_EQ(texts[0].at("id"), 9);
  EXPECT_EQ(client.ask(R"({"type":"ping"})", at(1100ms)).at(0).at("retry_after_ms"), 150);
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})", at(1250ms))), ElementsAre("pong"));
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})", at(1250ms))),
              ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, CommandsThatGatheredWhileTheHostDidNotRunAreNoFlood) {
  TestClient client(play.a, {.limits = {.commands_per_second = 4}});
  write_all(client.outbox());
  client.session().on_host_pause(10s, at(1s));
  for (int i = 0; i < 44; ++i) {
    ASSERT_THAT(words_of(client.ask(R"({"type":"ping"})", at(1s))), ElementsAre("pong")) << i;
  }
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})", at(1s))),
              ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, AFrontendMayOpenWithASubscribeForEachOfItsTopics) {
  TestClient client(play.a, {.limits = {.commands_per_second = 4}});
  for (int i = 100'000; i < 100'200; ++i) {
    ASSERT_THAT(words_of(client.ask(subscribe("price:" + std::to_string(i)))),
                ElementsAre("subscribed"));
  }
}

TEST_F(SessionTest, SubscribingAgainAndUnsubscribingCostTokens) {
  TestClient client(play.a, {.limits = {.commands_per_second = 2}, .topics = {"note:a"}});
  EXPECT_THAT(words_of(client.ask(subscribe("note:a"))), ElementsAre("subscribed"));
  EXPECT_THAT(words_of(client.ask(unsubscribe("note:b"))), ElementsAre("unsubscribed"));
  EXPECT_THAT(words_of(client.ask(subscribe("note:a"))), ElementsAre("error rate_limited"));
  EXPECT_THAT(words_of(client.ask(unsubscribe("note:b"))), ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, WaitingAsLongAsToldIsLongEnoughAtAnyRate) {
  for (std::uint32_t rate = 1; rate <= 2000; rate += rate < 100 ? 1 : 37) {
    TestClient client(play.a, {.limits = {.commands_per_second = rate}});
    for (std::uint32_t i = 0; i < rate; ++i) client.send(R"({"type":"pong"})");
    const Json refused = client.ask(R"({"type":"ping"})").at(0);
    ASSERT_EQ(word_of(refused), "error rate_limited") << rate;
    const std::chrono::milliseconds wait(refused.at("retry_after_ms").get<int>());
    ASSERT_EQ(word_of(client.ask(R"({"type":"ping"})", at(wait)).at(0)), "pong") << rate;
  }
}

TEST_F(SessionTest, UnusedSecondsAreNotSavedUp) {
  TestClient client(play.a, {.limits = {.commands_per_second = 2}});
  for (int i = 0; i < 2; ++i) client.send(R"({"type":"ping"})", at(60s));
  EXPECT_THAT(words_of(client.ask(R"({"type":"ping"})", at(60s))),
              ElementsAre("error rate_limited"));
}

TEST_F(SessionTest, ABadCommandCostsATokenAndKeepsItsId) {
  TestClient client(play.a, {.limits = {.commands_per_second = 1}});
  EXPECT_THAT(words_of(client.ask(R"({"type":"x","id":1})")), ElementsAre("error unknown_type"));
  const Json refused = client.ask(R"({"type":"x","id":2})").at(0);
  EXPECT_EQ(refused.at("code"), "rate_limited");
  EXPECT_EQ(refused.at("id"), 2);
}

TEST_F(SessionTest, WithoutARateAnyNumberOfCommandsIsAnswered) {
  TestClient client(play.a, {.limits = {.commands_per_second = 0}});
  for (int i = 0; i < 5000; ++i) client.send(R"({"type":"ping"})");
  EXPECT_THAT(client.read(), SizeIs(5001));
}

TEST_F(SessionTest, AClientThatTakesNoRepliesIsClosedAsSlow) {
  TestClient client(play.a, {.limits = {.outbox_bytes = 2000, .commands_per_second = 0}});
  for (int i = 0; i < 200; ++i) client.send(R"({"type":"ping"})");
  EXPECT_EQ(client.outbox().close_reason().code, 4413);
}

TEST_F(SessionTest, AClientThatComesAndGoesWithoutReadingIsClosedAsSlow) {
  const std::string value = R"({"type":")" + std::string(20'000, 'x') + "\"}";
  TestClient client(play.a, {.limits = {.outbox_bytes = 100'000, .commands_per_second = 0}});
  client.outbox().set_blocked(true);
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(client.outbox().closing()) << i;
    ASSERT_EQ(play.publish("market:kospi", value).status, PublishStatus::kOk);
    client.send(subscribe("market:kospi"));
    client.send(unsubscribe("market:kospi"));
  }
  EXPECT_EQ(client.outbox().close_reason().code, 4413);
}

TEST_F(SessionTest, ATopicWhoseNameIsTooLongByNowCanBeLeft) {
  for (const char* const name : {"note:twenty-one-letters", "note:twenty-one:*"}) {
    HubPlay own;
    TestClient client(own.a);
    ASSERT_EQ(client.ask(subscribe(name)).at(0).at("type"), "subscribed");
    client.set_limits({.topic_name_bytes = 10});
    const std::string all = Json{{"type", "unsubscribe"}, {"topics", {name}}}.dump();
    EXPECT_EQ(client.ask(all).at(0).at("topics"), Json({name}));
    EXPECT_THAT(client.session().subscriptions(), IsEmpty()) << name;
  }
}

}  // namespace
}  // namespace broadcast
