#include "host/hub/producer_gate.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "host/hub/topic_hub.hpp"

namespace broadcast {
namespace {

using Outcome = Verdict::Outcome;

/// Keeps what it gets; the test gives the verdict.
class KeepingOwner final : public TopicOwner {
 public:
  struct Kept {
    ProducerMessage message;
    std::function<void(Verdict)> done;
  };
  std::vector<Kept> kept;

  [[nodiscard]] std::string_view owner_name() const override { return "keeping"; }
  void post_message(ProducerMessage message, std::function<void(Verdict)> done) override {
    kept.push_back({std::move(message), std::move(done)});
  }
  void post_demand(std::string_view, std::int64_t) override {}
};

class ProducerGateTest : public testing::Test {
 protected:
  ProducerGateTest() {
    EXPECT_FALSE(
        hub.topics().try_claim(owner, "libkeeping.so", {{"signal:vcp", "", Delivery::kAll}}));
  }
  [[nodiscard]] std::optional<TurnedAway> send(std::string_view topic,
                                               std::optional<std::string> payload) {
    return gate.try_post(door, topic, std::move(payload),
                         [this](Verdict verdict) { told.push_back(std::move(verdict)); });
  }
  [[nodiscard]] std::uint64_t counted(Counter counter) const { return counters.get(counter); }
  [[nodiscard]] std::uint64_t counted_verdicts() const {
    return counted(Counter::kProducerAccepted) + counted(Counter::kProducerRefused) +
           counted(Counter::kProducerUnavailable);
  }

  Counters counters;
  KeepingOwner owner;
  TopicHub hub{{}, counters};
  ProducerGate gate{hub.topics(), counters};
  ProducerGate::Door door{.source = "pigeon", .takes = {.most_bytes = 64}};
  std::vector<Verdict> told;
};

// try_post().

TEST_F(ProducerGateTest, TheOwnerGetsTopicSourceAndTextAsTheyCame) {
  EXPECT_FALSE(send("signal:vcp", R"( [{"ticker":"005930"}] )"));
  const ProducerMessage& message = owner.kept.at(0).message;
  EXPECT_EQ(message.topic, "signal:vcp");
  EXPECT_EQ(message.source, "pigeon");
  EXPECT_EQ(message.payload, R"( [{"ticker":"005930"}] )");
  EXPECT_EQ(message.position.stream, "");
  EXPECT_EQ(message.published_before, 0U);
}

TEST_F(ProducerGateTest, TheVerdictIsToldAsItIsAndCountedOnce) {
  for (const auto& [outcome, counter] :
       {std::pair(Outcome::kAccepted, Counter::kProducerAccepted),
        std::pair(Outcome::kRefused, Counter::kProducerRefused),
        std::pair(Outcome::kUnavailable, Counter::kProducerUnavailable)}) {
    EXPECT_FALSE(send("signal:vcp", "{}"));
    EXPECT_EQ(counted(counter), 0U) << "nothing is known yet";
    owner.kept.back().done({.outcome = outcome, .text = "why", .last = {}});
    EXPECT_EQ(told.back().outcome, outcome);
    EXPECT_EQ(told.back().text, "why");
    EXPECT_EQ(counted(counter), 1U);
  }
  EXPECT_EQ(counted_verdicts(), 3U);
}

TEST_F(ProducerGateTest, AVerdictIsCountedBeforeItIsTold) {
  std::uint64_t counted_by_then = 0;
  EXPECT_FALSE(gate.try_post(door, "signal:vcp", "{}", [&](const Verdict&) {
    counted_by_then = counted(Counter::kProducerAccepted);
  }));
  owner.kept.at(0).done({.outcome = Outcome::kAccepted, .text = {}, .last = {}});
  EXPECT_EQ(counted_by_then, 1U);
}

TEST_F(ProducerGateTest, TheOwnerIsLookedUpBeforeThePayloadIsLookedAt) {
  hub.statuses().report("keeping", BroadcasterState::kOk, "");
  for (const char* topic : {"signal:foo", "status:keeping", "a b", ""}) {
    for (const std::optional<std::string>& payload :
         {std::optional<std::string>("{}"), std::optional<std::string>("nix"),
          std::optional<std::string>()}) {
      const auto turned_away = send(topic, payload);
      ASSERT_TRUE(turned_away) << topic;
      EXPECT_EQ(turned_away->refusal, Refusal::kNoOwner) << topic;
    }
  }
  EXPECT_EQ(counted(Counter::kProducerRefused), 12U);
}

TEST_F(ProducerGateTest, WhatItTurnsAwayIsCountedAndReachesNobody) {
  const std::vector<std::pair<std::optional<std::string>, Refusal>> rows = {
      {std::nullopt, Refusal::kTooLarge},
      {"[" + std::string(64, ' ') + "]", Refusal::kTooLarge},
      {"[1,]", Refusal::kNotJson},
      {"7", Refusal::kNeither}};
  for (const auto& [payload, refusal] : rows) {
    const auto turned_away = send("signal:vcp", payload);
    ASSERT_TRUE(turned_away) << payload.value_or("");
    EXPECT_EQ(turned_away->refusal, refusal) << payload.value_or("");
  }
  EXPECT_EQ(counted(Counter::kProducerRefused), rows.size());
  EXPECT_EQ(counted_verdicts(), rows.size());
  EXPECT_TRUE(owner.kept.empty());
  EXPECT_TRUE(told.empty());
}

TEST_F(ProducerGateTest, AByteOrderMarkInFrontIsNeitherHandedOnNorCounted) {
  const std::string bom = "\xEF\xBB\xBF";
  EXPECT_FALSE(send("signal:vcp", bom + "[" + std::string(62, ' ') + "]"));
  EXPECT_EQ(owner.kept.at(0).message.payload, "[" + std::string(62, ' ') + "]");
  const auto turned_away = send("signal:vcp", bom + "[x]");
  ASSERT_TRUE(turned_away);
  EXPECT_EQ(turned_away->place, "line 1, column 2, near [x]");
  EXPECT_EQ(send("signal:vcp", bom + bom + "[]")->refusal, Refusal::kNotJson) << "one, in front";
}

TEST_F(ProducerGateTest, ADoorMayTakeAnyJson) {
  door.takes.json = PayloadRules::Json::kAny;
  for (const char* payload : {"7", " null ", "\"text\"", "{}", "[]"}) {
    EXPECT_FALSE(send("signal:vcp", payload)) << payload;
  }
  EXPECT_EQ(owner.kept.size(), 5U);
  for (const char* payload : {"", "  ", "nix"}) {
    EXPECT_EQ(send("signal:vcp", payload)->refusal, Refusal::kNotJson) << payload;
  }
}

// Its steps.

TEST_F(ProducerGateTest, ADoorThatGoesStepByStepCountsVerdictsAndItsOwnRefusals) {
  EXPECT_EQ(gate.owner_of("signal:foo"), nullptr);
  TopicOwner* const found = gate.owner_of("signal:vcp");
  ASSERT_EQ(found, &owner);
  EXPECT_TRUE(ProducerGate::check("nix", {}));
  EXPECT_EQ(counted_verdicts(), 0U) << "to look is not to refuse";
  gate.count_refused();
  EXPECT_EQ(counted(Counter::kProducerRefused), 1U);
  gate.post(*found,
            {.topic = "signal:vcp",
             .source = "stream",
             .payload = "{}",
             .position = {"s", "7-1"},
             .published_before = 2},
            [](const Verdict&) {});
  const auto& [message, done] = owner.kept.at(0);
  EXPECT_EQ(message.position.id, "7-1");
  EXPECT_EQ(message.published_before, 2U);
  done({.outcome = Outcome::kUnavailable, .text = {}, .last = {}});
  EXPECT_EQ(counted(Counter::kProducerUnavailable), 1U);
}

// check(), and the words.

std::optional<Refusal> refusal_of(std::optional<std::string_view> payload,
                                  std::size_t most_bytes = 64) {
  const auto turned_away = ProducerGate::check(payload, {.most_bytes = most_bytes});
  return turned_away ? std::optional(turned_away->refusal) : std::nullopt;
}

std::string words_about(std::string_view payload) {
  return words_of(ProducerGate::check(payload, {}).value());
}

TEST(ProducerGateCheckTest, TakesObjectsAndLists) {
  for (const char* good : {"{}", "[]", " \n[{\"a\":1}] ", "{\"이름\":\"삼성\"}"}) {
    EXPECT_EQ(refusal_of(good), std::nullopt) << good;
  }
}

TEST(ProducerGateCheckTest, SaysWhyItTakesNothingElse) {
  EXPECT_EQ(refusal_of(std::nullopt), Refusal::kTooLarge);
  EXPECT_EQ(refusal_of("[" + std::string(64, ' ') + "]"), Refusal::kTooLarge);
  for (const char* bad : {"", "{", "[1,]", "{\"a\":1}}", "nix", "\xff", "[\"\xff\"]"}) {
    EXPECT_EQ(refusal_of(bad), Refusal::kNotJson) << bad;
  }
  EXPECT_EQ(refusal_of(std::string_view("[1]\0x", 5)), Refusal::kNotJson);
  EXPECT_EQ(refusal_of(std::string(65, '[') + std::string(65, ']'), 640), Refusal::kNotJson);
  for (const char* neither : {"7", "\"text\"", "null", "true"}) {
    EXPECT_EQ(refusal_of(neither), Refusal::kNeither) << neither;
  }
}

TEST(ProducerGateCheckTest, SaysWhereAPayloadIsNotJson) {
  EXPECT_EQ(words_about("[1,\n}"), "it is not JSON: line 2, column 1, near }");
  EXPECT_EQ(words_about(""), "it is not JSON: it is empty");
  EXPECT_EQ(words_about(std::string(65, '[') + std::string(65, ']')), words_of(Refusal::kNotJson));
  EXPECT_EQ(words_about("7"), words_of(Refusal::kNeither));
}

}  // namespace
}  // namespace broadcast
