#include "host/admin/operator_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "admin_play.hpp"

namespace broadcast {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

class OperatorViewTest : public testing::Test {
 protected:
  Json ready(unsigned status) {
    const AdminReply reply = readyz(host.view());
    EXPECT_EQ(reply.status, status) << reply.body;
    return Json::parse(reply.body);
  }

  OwnedTopics topics;
  FakeHost host{topics};
};

TEST_F(OperatorViewTest, IsReadyWhenAllRunAndAreWell) {
  host.add("heartbeat", BroadcasterState::kOk);
  host.add("price", BroadcasterState::kOk, "serving sim");
  const Json answer = ready(200);
  EXPECT_EQ(answer.at("status"), "ready");
  EXPECT_THAT(answer.at("reasons"), IsEmpty());
  EXPECT_EQ(answer.at("broadcasters").at(1).at("name"), "price");
  EXPECT_EQ(answer.at("broadcasters").at(1).at("detail"), "serving sim");
}

TEST_F(OperatorViewTest, ADegradedBroadcasterServesAndIsNamed) {
  host.add("price", BroadcasterState::kDegraded, "database does not answer, serving sim");
  const Json answer = ready(200);
  EXPECT_EQ(answer.at("status"), "degraded");
  EXPECT_THAT(answer.at("reasons"),
              ElementsAre("price: degraded: database does not answer, serving sim"));
}

TEST_F(OperatorViewTest, IsNotReadyWhileOneIsDownStaleOrStarting) {
  for (const BroadcasterState state : {BroadcasterState::kDown, BroadcasterState::kStale}) {
    host.views.clear();
    host.add("price", state, "no prices");
    EXPECT_EQ(ready(503).at("status"), "not_ready");
  }
  host.views.clear();
  host.views.push_back({.name = "vcp_signal", .library = "libvcp_signal.so"});
  EXPECT_THAT(ready(503).at("reasons"), ElementsAre("vcp_signal: starting"));
}

TEST_F(OperatorViewTest, OneThatReportsBeforeItsStartReturnedIsStillStarting) {
  host.add("price", BroadcasterState::kOk, "serving sim").running = false;
  const Json answer = ready(503);
  EXPECT_THAT(answer.at("reasons"), ElementsAre("price: starting: serving sim"));
  EXPECT_EQ(answer.at("broadcasters").at(0).at("state"), "starting");
}

TEST_F(OperatorViewTest, OneThatHasFailedIsDownThoughItsStatusIsStillGood) {
  BroadcasterView& price = host.add("price", BroadcasterState::kOk, "serving sim");
  price.running = false;
  price.last_error = "exception in TIMER: no such table";
  EXPECT_THAT(ready(503).at("reasons"),
              ElementsAre("price: down: exception in TIMER: no such table"));
}

TEST_F(OperatorViewTest, WhatIsSwitchedOffDoesNotCount) {
  topics.hub.statuses().report("price", BroadcasterState::kDisabled, "switched off");
  host.views.push_back({.name = "price", .enabled = false});
  const Json answer = ready(200);
  EXPECT_EQ(answer.at("status"), "ready");
  EXPECT_EQ(answer.at("broadcasters").at(0).at("state"), "disabled");
}

TEST_F(OperatorViewTest, WhatIsStuckIsListedThoughItIsSwitchedOff) {
  host.views.push_back({.name = "price",
                        .enabled = false,
                        .quarantined = {{.generation = 3,
                                         .version = "1.0.0",
                                         .since = "2026-02-05T01:02:03Z",
                                         .why = "a callback does not return"}}});
  const Json price = Json::parse(broadcasters_reply(host.view()).body).at("broadcasters").at(0);
  EXPECT_EQ(price.at("quarantined").at(0).at("generation"), 3);
}

TEST_F(OperatorViewTest, OnlyTheOperatorsListSaysWhyOneWasRefused) {
  topics.hub.statuses().report("price", BroadcasterState::kDown, "not started; see the log");
  host.views.push_back({.name = "price", .refusal = "/secret/path: truncated"});
  EXPECT_EQ(readyz(host.view()).body.find("/secret"), std::string::npos);
  const Json list = Json::parse(broadcasters_reply(host.view()).body).at("broadcasters");
  EXPECT_EQ(list.at(0).at("detail"), "/secret/path: truncated");
  EXPECT_EQ(list.at(0).at("running"), false);
}

TEST_F(OperatorViewTest, ListsWhatABroadcasterIsAndCounted) {
  BroadcasterView& price = host.add("price", BroadcasterState::kOk);
  price.abi = "1.0";
  price.topics = {"price:{ticker}"};
  price.generation = 3;
  price.uptime = std::chrono::milliseconds(1500);
  price.last_error = "exception in TIMER";
  price.last_error_at = "2026-02-05T01:02:03.000000+00:00";
  price.counts[static_cast<std::size_t>(Counter::kMessagesPublished)] = 42;
  const Json one = Json::parse(broadcasters_reply(host.view()).body).at("broadcasters").at(0);
  EXPECT_EQ(one.at("version"), "1.0.0");
  EXPECT_EQ(one.at("abi"), "1.0");
  EXPECT_EQ(one.at("generation"), 3);
  EXPECT_EQ(one.at("uptime_seconds"), 1.5);
  EXPECT_EQ(one.at("last_error").at("message"), "exception in TIMER");
  EXPECT_EQ(one.at("counters").at("published"), 42);
  EXPECT_EQ(one.at("counters").at("producer_refused"), 0);
}

class OperatorTopicsTest : public testing::Test {
 protected:
  OperatorTopicsTest() {
    for (const char* topic : {"price:000660", "price:005930", "price:005930"}) {
      EXPECT_TRUE(topics.hub.audience().join(topic, topics.shard).joined);
    }
    EXPECT_EQ(topics.hub.publisher()
                  .publish(topics.owner, "price:005930", R"({"type":"price_update"})")
                  .status,
              PublishStatus::kOk);
  }
  Json ask(const std::string& query) {
    return Json::parse(topics_reply(host.view(), "/v1/topics" + query).body);
  }

  OwnedTopics topics;
  FakeHost host{topics};
};

TEST_F(OperatorTopicsTest, TopicsComeByNameWithTheirNumbers) {
  const Json answer = ask("?prefix=price:");
  EXPECT_EQ(answer.at("total"), 2);
  const Json& one = answer.at("topics").at(1);
  EXPECT_EQ(one.at("topic"), "price:005930");
  EXPECT_EQ(one.at("owner"), "fake");
  EXPECT_EQ(one.at("delivery"), "latest");
  EXPECT_EQ(one.at("seq"), 1);
  EXPECT_EQ(one.at("subscribers"), 2);
}

TEST_F(OperatorTopicsTest, ALimitCutsTheListAndNotTheTotal) {
  const Json answer = ask("?limit=1&prefix=price%3A");
  EXPECT_EQ(answer.at("total"), 2);
  EXPECT_EQ(answer.at("topics").size(), 1U);
  EXPECT_EQ(topics_reply(host.view(), "/v1/topics?limit=all").status, 400U);
  EXPECT_EQ(topics_reply(host.view(), "/v1/topics?limit=-1").status, 400U);
}

TEST_F(OperatorTopicsTest, TheDashboardsToolingFindsItsFields) {
  host.add("price", BroadcasterState::kOk);
  host.add("vcp_signal", BroadcasterState::kOk).running = false;
  EXPECT_EQ(Json::parse(stats_reply(host.view()).body), Json::parse(R"({"active_connections":3,
              "subscriptions":{"price:000660":1,"price:005930":2},
              "active_tickers":["000660","005930"],"broadcaster_running":true,
              "heartbeat_running":false,"signal_broadcaster_running":false})"));
  host.add("daytrading_signal", BroadcasterState::kOk);
  const Json answer = Json::parse(stats_reply(host.view()).body);
  EXPECT_EQ(answer.at("signal_broadcaster_running"), true);
}

TEST_F(OperatorViewTest, ListsTheClientsThatAreFurthestBehind) {
  const auto ask = [&](std::string_view target) {
    AdminReply reply;
    clients_reply(host.view(), target, [&](AdminReply came) { reply = std::move(came); });
    return reply;
  };
  const Json answer = Json::parse(ask("/v1/clients?sort=pending").body);
  EXPECT_EQ(answer.at("total"), 3);
  const Json& client = answer.at("clients").at(0);
  EXPECT_EQ(client.at("address"), "10.0.0.7:5000");
  EXPECT_EQ(client.at("pending_bytes"), 700);
  EXPECT_EQ(client.at("pending_messages"), 3);
  EXPECT_EQ(client.at("oldest_ms"), 40);
  EXPECT_EQ(client.at("subscriptions"), 25);
  EXPECT_EQ(client.at("topics").size(), 20U);
  EXPECT_EQ(Json::parse(ask("/v1/clients?limit=0").body).at("clients").size(), 0U);
  for (const char* target :
       {"/v1/clients?limit=-1", "/v1/clients?limit=1001", "/v1/clients?sort=x"}) {
    EXPECT_EQ(ask(target).status, 400U) << target;
  }
}

}  // namespace
}  // namespace broadcast
