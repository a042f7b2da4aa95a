#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

#include "tests/unit/plugins/plugin_path.hpp"

namespace broadcast {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::IsEmpty;

constexpr const char* kConfig = R"({"interval":"5s","tickers":["005930","000660"],
  "indices":["kospi","kosdaq"],"sources":[{"type":"sim","seed":1}]})";

struct PriceTest : ::testing::Test {
  FakeHost host{plugin_path("price"), kConfig};
};

std::vector<std::string> keys_of(const json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

/// What `price` says to one source; empty: nothing.
std::string what_price_says_to(const json& source) {
  try {
    FakeHost host(plugin_path("price"), json{{"sources", json::array({source})}}.dump());
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

TEST(PriceSourcesTest, AKeyOfAnotherTypeIsRefusedByItsNameAndTheType) {
  EXPECT_THAT(what_price_says_to({{"type", "sim"}, {"app_key", "secret"}}),
              ::testing::AllOf(::testing::HasSubstr("sources: sim: app_key: sim has no such key, "
                                                    "only kiwoom_rest, kiwoom_ws; remove it, or"),
                               ::testing::Not(::testing::HasSubstr("secret"))));
  EXPECT_THAT(what_price_says_to({{"type", "database"}, {"url", "sqlite:/x.db"}, {"seed", 2}}),
              ::testing::HasSubstr("sources: database: seed: database has no such key, only sim"));
  EXPECT_THAT(what_price_says_to({{"type", "kiwoom_ws"}, {"url", "sqlite:/x.db"}}),
              ::testing::HasSubstr("sources: kiwoom_ws: url: kiwoom_ws has no such key"));
}

TEST(PriceSourcesTest, AKeyOfAnotherTypeMayBeThereIfItSaysNothing) {
  EXPECT_EQ(what_price_says_to({{"type", "sim"}, {"seed", 7}, {"app_key", ""}, {"mock", false}}),
            "");
  EXPECT_EQ(what_price_says_to({{"type", "database"}, {"url", "sqlite:/x.db"}, {"seed", 1}}), "");
}

TEST_F(PriceTest, PublishesAtStartAndThenEveryInterval) {
  host.start();
  EXPECT_EQ(host.published().size(), 4U);
  host.advance(seconds(3600));
  for (const char* topic : {"price:005930", "price:000660", "market:kospi", "market:kosdaq"}) {
    EXPECT_EQ(host.published(topic).size(), 721U) << topic;
  }
  EXPECT_THAT(host.misuse(), IsEmpty());
}

TEST_F(PriceTest, APriceUpdateHasTheShapeThatFrontendsKnow) {
  host.start();
  const json update = host.last("price:005930");
  EXPECT_THAT(keys_of(update),
              ::testing::ElementsAre("data", "source", "ticker", "timestamp", "type"));
  EXPECT_THAT(keys_of(update["data"]), ::testing::ElementsAre("ask_price", "bid_price", "change",
                                                              "change_rate", "price", "volume"));
  EXPECT_EQ(update["type"], "price_update");
  EXPECT_EQ(update["ticker"], "005930");
  EXPECT_EQ(update["source"], "sim");
}

TEST_F(PriceTest, AnIndexUpdateHasTheShapeThatFrontendsKnow) {
  host.start();
  const json update = host.last("market:kosdaq");
  EXPECT_EQ(update["type"], "index_update");
  EXPECT_EQ(update["code"], "201");
  EXPECT_EQ(update["name"], "KOSDAQ");
  EXPECT_EQ(update["source"], "sim");
  EXPECT_THAT(keys_of(update["data"]),
              ::testing::ElementsAre("change", "change_rate", "index", "volume"));
}

TEST_F(PriceTest, ATickerInDemandIsServedAtOnceAndEveryInterval) {
  host.start();
  host.subscribe("price:0015N0");
  EXPECT_EQ(host.published("price:0015N0").size(), 1U);
  host.advance(seconds(10));
  EXPECT_EQ(host.published("price:0015N0").size(), 3U);
  host.unsubscribe("price:0015N0");
  host.advance(seconds(10));
  EXPECT_EQ(host.published("price:0015N0").size(), 3U);
}

TEST_F(PriceTest, AConfiguredTickerDoesNotStopWhenItsLastSubscriberLeaves) {
  host.start();
  host.subscribe("price:005930");
  host.unsubscribe("price:005930");
  host.advance(seconds(5));
  EXPECT_EQ(host.published("price:005930").size(), 2U);
}

TEST_F(PriceTest, ServesWhatWasInDemandBeforeItsStart) {
  host.subscribe("price:123456");
  host.start();
  EXPECT_EQ(host.published("price:123456").size(), 1U);
}

TEST(PriceConfigTest, AnIndexNamedTwiceIsPublishedOnce) {
  FakeHost host(plugin_path("price"), R"({"tickers":[],"indices":["kosdaq","kosdaq"]})");
  host.start();
  ASSERT_EQ(host.published().size(), 1U);
  EXPECT_EQ(host.published().front().topic, "market:kosdaq");
}

TEST(PriceConfigTest, WithoutConfigTheDefaultsOfItsManifestAreServed) {
  FakeHost host(plugin_path("price"), "{}");
  host.start();
  EXPECT_EQ(host.published().size(), 8U) << "six tickers and two indices";
  host.advance(seconds(5));
  EXPECT_EQ(host.published().size(), 16U);
}

TEST_F(PriceTest, SaysWhichSourceServes) {
  host.start();
  ASSERT_EQ(host.reports().size(), 1U);
  EXPECT_EQ(host.reports().front().state, BC_STATUS_OK);
  EXPECT_EQ(host.reports().front().detail, "serving sim since 2026-02-02T02:40:00Z");
}

TEST_F(PriceTest, TakesNoMessagesFromProducers) {
  host.start();
  EXPECT_EQ(host.message("price:005930", "{}").status, BC_E_INVALID);
}

}  // namespace
}  // namespace broadcast
