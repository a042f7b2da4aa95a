#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/signal_broadcaster.hpp>
#include <broadcast/testing.hpp>

#include "tests/unit/plugins/plugin_path.hpp"

namespace broadcast {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kVcpTopic = "signal:vcp";
constexpr const char* kDay = "signal:daytrading";

struct VcpTest : ::testing::Test {
  FakeHost host{plugin_path("vcp_signal"), "{}"};
  VcpTest() { host.start(); }
};
struct DaytradingTest : ::testing::Test {
  FakeHost host{plugin_path("daytrading_signal"), "{}"};
  DaytradingTest() { host.start(); }
};

TEST_F(VcpTest, TakesTheThreeShapesThatProducersSend) {
  const std::string list = R"([{"ticker":"005930","name":"삼성전자","score":91.5}])";
  for (const std::string& sent :
       {list, R"({"signals":)" + list + "}",
        R"({"type":"signal_update","topic":"signal:vcp","data":{"signal_type":"VCP","signals":)" +
            list + R"(,"count":7}})"}) {
    ASSERT_EQ(host.message(kVcpTopic, sent).status, BC_OK) << sent;
    const json data = host.last(kVcpTopic)["data"];
    EXPECT_EQ(data["signal_type"], "VCP");
    EXPECT_EQ(data["count"], 1) << "counted, not copied";
    EXPECT_EQ(data["signals"], json::parse(list));
    EXPECT_EQ(data["timestamp"], "2026-02-02T02:40:00.000000+00:00");
  }
  EXPECT_THAT(host.misuse(), IsEmpty());
}

TEST_F(VcpTest, ANullSaysWhatAnAbsentFieldSays) {
  for (const char* sent :
       {R"({"signals":[],"type":null,"signal_type":null,"timestamp":null,"count":null})",
        R"({"type":"signal_update","topic":null,"data":{"signals":[],"signal_type":null}})"}) {
    const auto answer = host.message(kVcpTopic, sent);
    ASSERT_EQ(answer.status, BC_OK) << sent << answer.text;
    EXPECT_EQ(host.published().back().payload,
              R"({"type":"signal_update","data":{"signal_type":"VCP","signals":[],"count":0,)"
              R"("timestamp":"2026-02-02T02:40:00.000000+00:00"}})");
  }
}

TEST_F(VcpTest, KeepsTheProducersTimestampAndUnknownFieldsInTheirOrder) {
  host.message(kVcpTopic, R"({"signals":[{"zeta":1,"ticker":"a","name":"b","big":9007199254740993}],
                         "timestamp":"2026-02-05T01:02:03+09:00"})");
  EXPECT_EQ(host.last(kVcpTopic)["data"]["timestamp"], "2026-02-05T01:02:03+09:00");
  EXPECT_THAT(host.published().back().payload,
              ::testing::HasSubstr(R"({"zeta":1,"ticker":"a","name":"b","big":9007199254740993})"));
}

TEST_F(VcpTest, AnEmptyListIsAnUpdateToo) {
  EXPECT_EQ(host.message(kVcpTopic, "[]").status, BC_OK);
  EXPECT_EQ(host.last(kVcpTopic)["data"]["count"], 0);
}

TEST_F(VcpTest, RefusesWithIndexAndField) {
  const std::pair<const char*, const char*> rows[] = {
      {"7", "expected a list of signals, {\"signals\": [..]} or a signal_update"},
      {"nope", "not valid JSON"},
      {"{}", "signals: missing"},
      {R"({"signals":7})", "signals: expected a list, got 7"},
      {R"([7])", "signals[0]: expected an object, got 7"},
      {R"([{"name":"b"}])", "signals[0].ticker: missing"},
      {R"([{"ticker":"a","name":"b"},{"ticker":5930,"name":"b"}])",
       "signals[1].ticker: expected text, got 5930"},
      {R"([{"ticker":"<img src=x>","name":"b"}])",
       "signals[0].ticker: expected letters, digits and . - _ :, got \"<img src=x>\""},
      {R"([{"ticker":"a","name":""}])", "signals[0].name: expected text, got \"\""},
      {R"({"type":"price_update","data":{}})",
       "type: expected \"signal_update\", got \"price_update\""},
      {R"({"type":"signal_update"})", "data: missing"},
      {R"({"type":"signal_update","data":7})", "data: expected an object, got 7"},
      {R"({"type":"signal_update","topic":"signal:daytrading","data":{"signals":[]}})",
       "topic: expected \"signal:vcp\", got \"signal:daytrading\""},
      {R"({"signal_type":"DAYTRADING","signals":[]})",
       "signal_type: expected \"VCP\", got \"DAYTRADING\""},
      {R"({"type":"signal_update","data":{"signal_type":"DAYTRADING","signals":[]}})",
       "data.signal_type: expected \"VCP\", got \"DAYTRADING\""},
      {R"({"type":"signal_update","data":{"signals":7}})", "data.signals: expected a list, got 7"},
  };
  for (const auto& [sent, text] : rows) {
    const auto answer = host.message(kVcpTopic, sent);
    EXPECT_EQ(answer.status, BC_E_INVALID) << sent;
    EXPECT_EQ(answer.text, text) << sent;
  }
  EXPECT_THAT(host.published(), IsEmpty());
}

TEST_F(DaytradingTest, RefusesWhatNoInstrumentIsCalled) {
  const std::string rest = R"(","name":"b","checks":[]}])";
  for (const std::string& ticker :
       {std::string("005930"), std::string("BRK.B"), std::string(32, 'A')}) {
    EXPECT_EQ(host.message(kDay, R"([{"ticker":")" + ticker + rest).status, BC_OK) << ticker;
  }
  EXPECT_EQ(host.message(kDay, R"([{"ticker":")" + std::string(10'000, 'A') + rest).text,
            "signals[0].ticker: expected at most 32 bytes, got 10000");
  const std::string name(257, 'b');
  EXPECT_EQ(host.message(kDay, R"([{"ticker":"a","name":")" + name + R"(","checks":[]}])").text,
            "signals[0].name: expected at most 256 bytes, got 257");
  EXPECT_EQ(host.published().size(), 3U);
}

TEST_F(VcpTest, PassesUnknownFieldsBesideTheSignalsOn) {
  host.message(kVcpTopic,
               R"({"signals":[],"count":9,"market":"KOSPI","topic":"x","scan":{"id":7}})");
  EXPECT_EQ(host.published().back().payload,
            R"({"type":"signal_update","data":{"signal_type":"VCP","signals":[],"count":0,)"
            R"("timestamp":"2026-02-02T02:40:00.000000+00:00","market":"KOSPI","topic":"x",)"
            R"("scan":{"id":7}}})");
}

std::string with_brackets(std::size_t depth) {
  return R"([{"ticker":"a","name":"b","x":)" + std::string(depth, '[') + std::string(depth, ']') +
         "}]";
}

TEST_F(VcpTest, RefusesBracketsThatWouldOverflowTheStack) {
  const std::size_t around = 2;
  const std::size_t most = kMaxDepth - around;
  EXPECT_EQ(host.message(kVcpTopic, with_brackets(most)).status, BC_OK);
  for (const std::size_t depth : {most + 1, std::size_t{120'000}}) {
    const auto answer = host.message(kVcpTopic, with_brackets(depth));
    EXPECT_EQ(answer.status, BC_E_INVALID);
    EXPECT_EQ(answer.text, "nested deeper than 64 levels");
  }
}

TEST_F(VcpTest, AFullHostIsBusyNotBroken) {
  host.set_publish_status(BC_E_BUSY);
  EXPECT_EQ(host.message(kVcpTopic, "[]").status, BC_E_BUSY);
  host.set_publish_status(BC_OK);
  EXPECT_EQ(host.message(kVcpTopic, "[]").status, BC_OK);
}

TEST_F(DaytradingTest, EverySignalCarriesItsChecks) {
  EXPECT_EQ(host.message(kDay, R"([{"ticker":"005930","name":"삼성전자","checks":[
      {"name":"거래량 폭증","status":"passed","points":15},{"name":"x","status":"partial","points":7.5},
      {"name":"y","status":"failed","points":0}]}])")
                .status,
            BC_OK);
  EXPECT_EQ(host.last(kDay)["data"]["signal_type"], "DAYTRADING");
  EXPECT_EQ(host.last(kDay)["data"]["signals"][0]["checks"].size(), 3U);
}

TEST_F(DaytradingTest, RefusesABadCheckWithItsPlace) {
  const std::pair<const char*, const char*> rows[] = {
      {R"([{"ticker":"a","name":"b"}])", "signals[0].checks: missing"},
      {R"([{"ticker":"a","name":"b","checks":{}}])", "signals[0].checks: expected a list, got {}"},
      {R"([{"ticker":"a","name":"b","checks":[{"status":"passed","points":1}]}])",
       "signals[0].checks[0].name: missing"},
      {R"([{"ticker":"a","name":"b","checks":[{"name":"c","status":"ok","points":1}]}])",
       "signals[0].checks[0].status: expected passed, partial or failed, got \"ok\""},
      {R"([{"ticker":"a","name":"b","checks":[{"name":"c","status":"passed","points":"1"}]}])",
       "signals[0].checks[0].points: expected a number, got \"1\""},
  };
  for (const auto& [sent, text] : rows) EXPECT_EQ(host.message(kDay, sent).text, text);
}

TEST_F(DaytradingTest, DropsTheCacheAfterABroadcastAndOnlyThen) {
  host.message(kDay, "[7]");
  for (const bc_status status : {BC_E_BUSY, BC_E_REVOKED}) {
    host.set_publish_status(status);
    host.message(kDay, "[]");
  }
  host.set_publish_status(BC_OK);
  EXPECT_THAT(host.dropped_cache(), IsEmpty());
  host.message(kDay, "[]");
  EXPECT_THAT(host.dropped_cache(), ElementsAre("ralph_stock:daytrading:signals:*"));
}

TEST(DaytradingCacheTest, DropsWhatItsConfigurationNames) {
  FakeHost host(plugin_path("daytrading_signal"), R"({"drop_cache":["a:*","b:*"]})");
  host.start();
  host.message(kDay, "[]");
  EXPECT_THAT(host.dropped_cache(), ElementsAre("a:*", "b:*"));
}

TEST(DaytradingCacheTest, WorksWhereTheHostHasNoCache) {
  FakeHost host(plugin_path("daytrading_signal"), "{}", {.denied = {BC_EXT_CACHE}});
  host.start();
  EXPECT_EQ(host.message(kDay, "[]").status, BC_OK);
}

}  // namespace
}  // namespace broadcast
