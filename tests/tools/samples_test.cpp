#include "tools/broadcastctl/samples.hpp"

#include <gtest/gtest.h>

#include <broadcast/schema.hpp>

#include "host/hub/producer_gate.hpp"

namespace broadcast {
namespace {

using nlohmann::json;

constexpr std::uint64_t kSeed = 20260205;

TEST(SamplesTest, FindTopicsThatAPatternAccepts) {
  Random random(kSeed);
  const TopicPattern price("price:{ticker}", "(?=.*[0-9])[0-9A-Z]{6}", Delivery::kLatest);
  const auto topic = sample_topic(price, random);
  ASSERT_TRUE(topic);
  EXPECT_TRUE(price.accepts(*topic)) << *topic;
  EXPECT_EQ(sample_topic(TopicPattern("market-gate", "", Delivery::kAll), random), "market-gate");
  EXPECT_EQ(
      sample_topic(TopicPattern("a:{b}", "never-this-by-chance-[0-9]{9}", Delivery::kAll), random),
      std::nullopt);
}

TEST(SamplesTest, ConfigsLieWithinAndOutsideTheSchema) {
  const json schema = json::parse(
      R"({"type":"object","additionalProperties":false,"properties":{
          "interval":{"type":"string","format":"duration","minimum":"100ms","maximum":"24h"},
          "mode":{"type":"string","enum":["a","b"]},"ticker":{"type":"string","pattern":"^[0-9]{6}$"},
          "date":{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}T$"},
          "list":{"type":"array","items":{"type":"integer","minimum":0}}}})");
  Random random(kSeed);
  int within = 0;
  for (int i = 0; i < 200; ++i) {
    if (check_value(schema, random_config(schema, random)).empty()) ++within;
  }
  EXPECT_GT(within, 40);
  EXPECT_LT(within, 180);
}

TEST(SamplesTest, MessagesAreMostlyWhatAHostHandsOn) {
  Random random(kSeed);
  int handed_on = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string message = random_message({R"({"signals":[{"ticker":"005930"}]})"}, random);
    if (!ProducerGate::check(message, {})) ++handed_on;
  }
  EXPECT_GT(handed_on, 120);
  EXPECT_LT(handed_on, 200);
}

TEST(SamplesTest, TheSameSeedGivesTheSame) {
  Random one(kSeed);
  Random two(kSeed);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(random_message({}, one), random_message({}, two));
}

}  // namespace
}  // namespace broadcast
