#include "host/hub/relay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/hub/hub_play.hpp"
#include "tests/unit/hub/position_store.hpp"

namespace broadcast {
namespace {

TEST(RelayedTest, LosesTopicAndSeqAndKeepsTheRestAsItIs) {
  const std::vector<std::pair<const char*, const char*>> rows = {
      {R"({"type":"x","a":1.10})", R"({"type":"x","a":1.10})"},
      {R"( { "topic" : "t" , "type":"x" , "seq":7, "big":12345678901234567890123 } )",
       R"({"type":"x" ,"big":12345678901234567890123 })"},
      {R"({"seq":{"topic":[1,{"a":"}"}]},"type":"x","b":["]",{"seq":1}]})",
       R"({"type":"x","b":["]",{"seq":1}]})"},
      {R"({"\u0074opic":"t","type":"x","q\"":"\\"})", R"({"type":"x","q\"":"\\"})"},
      {R"({"a":1})", R"({"type":"relay","a":1})"},
      {R"({"type" : null ,"a":null})", R"({"type":"relay","a":null})"},
      {R"({"topic":"t"})", R"({"type":"relay"})"},
      {"{}", R"({"type":"relay"})"},
      {" [1, 2]\n", "{\"type\":\"relay\",\"data\": [1, 2]\n}"},
      {"7", ""},
      {"\"text\"", ""},
  };
  for (const auto& [sent, expected] : rows) EXPECT_EQ(relayed(sent), expected) << sent;
}

TEST(RelayPatternTest, IsATopicOrABranch) {
  EXPECT_EQ(relay_pattern("news:*", Delivery::kAll).text(), "news:{name}");
  EXPECT_TRUE(relay_pattern("news:*", Delivery::kAll).accepts("news:krx:a"));
  EXPECT_EQ(relay_pattern("news", Delivery::kLatest).text(), "news");
  for (const char* bad : {"", "*", "news*", "news:*:x", "a b", "status:*"}) {
    EXPECT_THROW(static_cast<void>(relay_pattern(bad, Delivery::kLatest)), std::invalid_argument)
        << bad;
  }
}

struct RelayPlay : HubPlay {
  explicit RelayPlay(TopicHub::Options options = {}) : HubPlay(options) {
    const auto conflict =
        hub.topics().try_claim(relay, "relay:", {relay_pattern("news:*", Delivery::kLatest)});
    EXPECT_FALSE(conflict);
  }
  Verdict send(std::string topic, std::string payload, std::size_t before = 0) {
    Verdict got;
    relay.post_message({.topic = std::move(topic),
                        .source = "http",
                        .payload = std::move(payload),
                        .published_before = before},
                       [&](Verdict verdict) { got = std::move(verdict); });
    return got;
  }
  Relay relay{hub.publisher(), hub.sequencer()};
};

TEST(RelayTest, PublishesAtOnceAndAnswersWithTheNumber) {
  RelayPlay play;
  const Verdict verdict = play.send("news:krx", R"({"type":"x"})");
  EXPECT_EQ(verdict.outcome, Verdict::Outcome::kAccepted);
  EXPECT_EQ(verdict.published, 1U);
  EXPECT_EQ(verdict.topic, "news:krx");
  EXPECT_EQ(verdict.last.seq, 1U);
  EXPECT_EQ(play.send("news:krx", R"({"type":"x"})").last.seq, 2U);
}

TEST(RelayTest, RefusesWhatItCannotPublish) {
  RelayPlay play({.limits = {.publish_bytes = 100, .topics = 1}});
  EXPECT_EQ(play.send("news:a", "7").outcome, Verdict::Outcome::kRefused);
  EXPECT_EQ(play.send("news:a", '[' + std::string(200, ' ') + ']').outcome,
            Verdict::Outcome::kRefused);
  EXPECT_EQ(play.send("signal:vcp", "{}").outcome, Verdict::Outcome::kRefused);
  EXPECT_EQ(play.send("news:a", "{}").outcome, Verdict::Outcome::kAccepted);
  ASSERT_TRUE(play.hub.audience().join("news:a", 0).joined);  // so that it is not idle
  const Verdict full = play.send("news:b", "{}");             // limits.topics
  EXPECT_EQ(full.outcome, Verdict::Outcome::kUnavailable);
  EXPECT_TRUE(full.has_failed_on_it);  // a stream tries it three times
}

TEST(RelayTest, SaysWhatIsWrongWithAMessageThatClientsCouldNotRead) {
  RelayPlay play;
  for (const char* sent : {R"({"a":12345678901234567890123})", "[18446744073709551616]"}) {
    const Verdict verdict = play.send("news:krx", sent);
    EXPECT_EQ(verdict.outcome, Verdict::Outcome::kRefused) << sent;
    EXPECT_EQ(verdict.text,
              "cannot be relayed: it has a number that is malformed, or beyond 64 bits or double");
  }
}

TEST(RelayTest, LeavesOutWhatAnEntryHasPublishedBefore) {
  RelayPlay play;
  const Verdict verdict = play.send("news:krx", "{}", 1);
  EXPECT_EQ(verdict.outcome, Verdict::Outcome::kAccepted);
  EXPECT_EQ(verdict.published, 0U);
  EXPECT_EQ(play.send("news:krx", "{}").last.seq, 1U);
}

TEST(RelayTest, HandsTheStoreThePositionWithTheMessage) {
  Counters counters;
  test::PositionStore store;
  TopicHub hub({}, counters);
  hub.open_store(store);
  Relay relay(hub.publisher(), hub.sequencer());
  EXPECT_FALSE(hub.topics().try_claim(relay, "relay:", {relay_pattern("log:*", Delivery::kAll)}));
  relay.post_message(
      {.topic = "log:a", .source = "stream", .payload = "{}", .position = {"s", "1-1@1"}},
      [](const Verdict&) {});
  EXPECT_THAT(store.positions, testing::ElementsAre("1-1@1#1"));
  hub.close_store();
}

}  // namespace
}  // namespace broadcast
