#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

#include "tests/unit/plugins/plugin_path.hpp"
#include "tests/unit/plugins/seoul.hpp"
#include "tests/unit/plugins/sqlite_file.hpp"

namespace broadcast {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr const char* kTopic = "market-gate";
constexpr const char* kGreen =
    R"({"status":"GREEN","level":72,"kospi":2610.55,"kospi_change_pct":-0.47,
  "kosdaq":850.1,"kosdaq_change_pct":null,
  "sectors":[{"name":"반도체","ticker":"091160","change_pct":1.4,"signal":"bullish"}]})";

struct MarketGateTest : ::testing::Test {
  FakeHost host{plugin_path("market_gate"), "{}"};
  MarketGateTest() { host.start(); }
};

TEST_F(MarketGateTest, TakesTheDataOrTheWholeUpdate) {
  for (const std::string& sent :
       {std::string(kGreen),
        R"({"type":"market_gate_update","topic":"market-gate","seq":4,"data":)" +
            std::string(kGreen) + "}"}) {
    ASSERT_EQ(host.message(kTopic, sent).status, BC_OK) << host.message(kTopic, sent).text;
    const json update = host.last(kTopic);
    EXPECT_EQ(update["type"], "market_gate_update");
    EXPECT_EQ(update["timestamp"], "2026-02-02T02:40:00.000000+00:00");
    EXPECT_EQ(update["data"], json::parse(kGreen));
    EXPECT_EQ(update.size(), 3U);
  }
  EXPECT_TRUE(host.misuse().empty());
}

TEST_F(MarketGateTest, ANullSaysWhatAnAbsentFieldSays) {
  ASSERT_EQ(host.message(kTopic, R"({"type":null,"status":"RED","level":0,"sectors":null})").status,
            BC_OK);
  EXPECT_EQ(host.last(kTopic)["data"], json::parse(R"({"status":"RED","level":0,"sectors":[],
    "kospi":null,"kospi_change_pct":null,"kosdaq":null,"kosdaq_change_pct":null})"));
  ASSERT_EQ(host.message(kTopic, R"({"type":"market_gate_update","topic":null,"timestamp":null,
    "data":{"status":"RED","level":0,
            "sectors":[{"name":"a","ticker":null,"change_pct":2,"signal":null}]}})")
                .status,
            BC_OK);
  EXPECT_EQ(host.last(kTopic)["data"]["sectors"],
            json::parse(R"([{"name":"a","change_pct":2,"signal":"bullish"}])"));
}

TEST_F(MarketGateTest, KeepsTheProducersTimestamp) {
  host.message(kTopic,
               R"({"type":"market_gate_update","timestamp":"2026-02-05T10:00:00+09:00","data":)" +
                   std::string(kGreen) + "}");
  EXPECT_EQ(host.last(kTopic)["timestamp"], "2026-02-05T10:00:00+09:00");
}

TEST_F(MarketGateTest, FillsInWhatIsMissingAndKeepsWhatItDoesNotKnow) {
  ASSERT_EQ(host.message(kTopic, R"({"status":"RED","level":0,"reason":"VIX",
    "sectors":[{"name":"a","change_pct":1.01},{"name":"b","change_pct":-1.01},
               {"name":"c","change_pct":1},{"name":"d"}]})")
                .status,
            BC_OK);
  EXPECT_EQ(host.last(kTopic)["data"], json::parse(R"({"status":"RED","level":0,"reason":"VIX",
    "kospi":null,"kospi_change_pct":null,"kosdaq":null,"kosdaq_change_pct":null,
    "sectors":[{"name":"a","change_pct":1.01,"signal":"bullish"},
               {"name":"b","change_pct":-1.01,"signal":"bearish"},
               {"name":"c","change_pct":1,"signal":"neutral"},
               {"name":"d","change_pct":null,"signal":"neutral"}]})"));
}

TEST_F(MarketGateTest, RefusesWithTheFieldThatIsWrong) {
  const std::pair<const char*, const char*> rows[] = {
      {"7", "expected the gate's data or a market_gate_update"},
      {"nope", "not valid JSON"},
      {R"({"level":1})", "status: missing"},
      {R"({"status":"BLUE","level":1})", "status: expected RED, YELLOW or GREEN, got \"BLUE\""},
      {R"({"status":"RED"})", "level: missing"},
      {R"({"status":"RED","level":101})", "level: expected 0 to 100, got 101"},
      {R"({"status":"RED","level":"5"})", "level: expected a number, got \"5\""},
      {R"({"status":"RED","level":5,"kospi":"x"})", "kospi: expected a number or null, got \"x\""},
      {R"({"status":"RED","level":5,"sectors":{}})", "sectors: expected a list, got {}"},
      {R"({"status":"RED","level":5,"sectors":[{"name":"a"},{}]})", "sectors[1].name: missing"},
      {R"({"status":"RED","level":5,"sectors":[{"name":"a","signal":"up"}]})",
       "sectors[0].signal: expected bullish, bearish or neutral, got \"up\""},
      {R"({"type":"signal_update","data":{}})",
       "type: expected \"market_gate_update\", got \"signal_update\""},
      {R"({"type":"market_gate_update"})", "data: missing"},
      {R"({"type":"market_gate_update","data":{"status":"RED","level":-1}})",
       "data.level: expected 0 to 100, got -1"},
  };
  for (const auto& [sent, text] : rows) {
    const auto answer = host.message(kTopic, sent);
    EXPECT_EQ(answer.status, BC_E_INVALID) << sent;
    EXPECT_EQ(answer.text, text) << sent;
  }
  EXPECT_TRUE(host.published().empty());
}

class MarketGateDatabaseTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string config(const json& holidays = json::array()) const {
    return json{{"database", file.url()}, {"interval", "30s"}, {"holidays", holidays}}.dump();
  }
  void start(const std::string& day = "2026-02-05", const json& holidays = json::array()) {
    host = std::make_unique<FakeHost>(plugin_path("market_gate"), config(holidays),
                                      FakeHost::Options{.wall_start_ns = seoul(day + " 11:40:00")});
    host->start();
  }
  /// And waits until the new one has read the database.
  void replace() {
    const std::size_t before = host->reports().size();
    ASSERT_EQ(host->replace(config()), BC_OK);
    ASSERT_TRUE(advance_until([&] { return host->reports().size() > before; }));
  }
  void insert(const std::string& date, const std::string& gate, const std::string& sectors) {
    file.run("INSERT OR REPLACE INTO market_status VALUES('" + date +
             "', 2610.55, -0.47, 850.1, NULL, '" + gate + "', 72, '" + sectors + "')");
  }
  [[nodiscard]] bool wait_for_published(std::size_t count) {
    return advance_until([&] { return host->published().size() >= count; });
  }

  void start_without_database() {
    start();
    ASSERT_TRUE(host->run_posts_until([&] { return !host->reports().empty(); }));
    EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  }
  /// The connection's own back-off is a second of real time.
  [[nodiscard]] bool advance_until_read() {
    return advance_until_told() && host->reports().back().state == BC_STATUS_OK;
  }
  [[nodiscard]] bool advance_until_told() {
    const std::size_t before = host->reports().size();
    return advance_until([&] { return host->reports().size() > before; });
  }
  /// A look while a question is still under way asks nothing: the next one does.
  template <class Predicate>
  [[nodiscard]] bool advance_until(Predicate is_done) {
    for (int i = 0; i < 60; ++i) {
      if (host->run_posts_until(is_done, std::chrono::milliseconds(200))) return true;
      host->advance(seconds(1));
    }
    return false;
  }

  SqliteFile file;
  std::unique_ptr<FakeHost> host;
};

TEST_F(MarketGateDatabaseTest, PublishesTheNewestRowAndAgainWhenItChanges) {
  file.create();
  insert("2026-02-04", "RED", "[]");
  insert("2026-02-05", "GREEN", R"([{"name":"반도체","ticker":"091160","change_pct":1.4}])");
  start();
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->last(kTopic)["data"],
            json::parse(R"({"status":"GREEN","level":72.0,"kospi":2610.55,
    "kospi_change_pct":-0.47,"kosdaq":850.1,"kosdaq_change_pct":null,
    "sectors":[{"name":"반도체","ticker":"091160","change_pct":1.4,"signal":"bullish"}]})"));
  EXPECT_EQ(host->last(kTopic)["as_of"], "2026-02-05");
  EXPECT_EQ(host->last(kTopic)["timestamp"], "2026-02-05T02:40:00.000000+00:00");
  EXPECT_EQ(host->reports().back().state, BC_STATUS_OK);

  host->advance(seconds(60));  // the row is the same
  insert("2026-02-06", "YELLOW", "[]");
  host->advance(seconds(30));
  ASSERT_TRUE(wait_for_published(2));
  EXPECT_EQ(host->last(kTopic)["data"]["status"], "YELLOW");
  EXPECT_EQ(host->published().size(), 2U);
}

TEST_F(MarketGateDatabaseTest, ARowThatIsWrongIsLeftOutAndLogged) {
  file.create();
  insert("2026-02-05", "PURPLE", "[]");
  start();
  ASSERT_TRUE(host->run_posts_until([&] {
    return !host->logs().empty() && host->logs().back().text.find("PURPLE") != std::string::npos;
  }));
  EXPECT_TRUE(host->published().empty());
}

TEST_F(MarketGateDatabaseTest, AFieldThatCannotBeUsedCostsItself) {
  struct {
    const char* column;
    const char* wrong;
    const char* key;
    json expected;
    const char* told;
  } const rows[] = {
      {"gate_score", "NULL", "level", nullptr, "level: expected a number, got null"},
      {"gate_score", "'high'", "level", nullptr, "level: expected a number, got \"high\""},
      {"gate_score", "101", "level", nullptr, "level: expected 0 to 100"},
      {"kospi", "0", "kospi", nullptr, "kospi: expected a number above 0"},
      {"kospi_change_pct", "'up'", "kospi_change_pct", nullptr, "kospi_change_pct: expected"},
      {"sector_scores", "'null'", "sectors", json::array(), ""},
      {"sector_scores", "NULL", "sectors", json::array(), ""},
      {"sector_scores", "'[{'", "sectors", json::array(), "sectors: expected a list"},
      {"sector_scores", "'7'", "sectors", json::array(), "sectors: expected a list"},
      {"sector_scores", R"('[7,{"name":"a","change_pct":"1"},{"name":"b","change_pct":2},null]')",
       "sectors", json::parse(R"([{"name":"b","change_pct":2,"signal":"bullish"}])"),
       "sectors[0]: expected an object, got 7; and 2 more"},
  };
  file.create();
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.column) + " " + row.wrong);
    insert("2026-02-05", "GREEN", "[]");
    file.run("UPDATE market_status SET " + std::string(row.column) + " = " + row.wrong);
    start();
    ASSERT_TRUE(wait_for_published(1));
    EXPECT_EQ(host->last(kTopic)["data"]["status"], "GREEN");
    EXPECT_EQ(host->last(kTopic)["data"][row.key], row.expected);
    const bool is_told = !host->logs().empty();
    EXPECT_EQ(is_told, *row.told != 0);
    if (!is_told) continue;
    EXPECT_THAT(host->logs().back().text, HasSubstr(row.told));
    EXPECT_GE(host->metrics().at("market_status_left_out"), 1);
  }
}

TEST_F(MarketGateDatabaseTest, ANewestRowThatIsNoneDoesNotHideTheGoodOneBelowIt) {
  file.create();
  insert("2026-02-03", "RED", "[]");
  insert("2026-02-04", "YELLOW", "[]");
  insert("2026-02-05", "PURPLE", "[]");
  insert("soon", "GREEN", "[]");
  file.run("INSERT INTO market_status(date, gate, gate_score) VALUES(NULL, 'GREEN', 1)");
  start();
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->last(kTopic)["data"]["status"], "YELLOW");
  EXPECT_EQ(host->last(kTopic)["as_of"], "2026-02-04");
  EXPECT_EQ(host->metrics().at("market_status_left_out"), 3);
  host->advance(seconds(60));
  EXPECT_EQ(host->metrics().at("market_status_left_out"), 3) << "once";
}

TEST_F(MarketGateDatabaseTest, ARowThatBreaksDoesNotBringBackTheOneBeforeIt) {
  file.create();
  insert("2026-02-04", "RED", "[]");
  insert("2026-02-05", "GREEN", "[]");
  start();
  ASSERT_TRUE(wait_for_published(1));
  insert("2026-02-05", "", "[]");
  host->advance(seconds(30));
  ASSERT_TRUE(host->run_posts_until([&] { return !host->logs().empty(); }));
  EXPECT_EQ(host->published().size(), 1U);
  file.run("DELETE FROM market_status WHERE date = '2026-02-05'");
  host->advance(seconds(30));
  ASSERT_TRUE(wait_for_published(2)) << "it was a mistake";
  EXPECT_EQ(host->last(kTopic)["data"]["status"], "RED");
}

TEST_F(MarketGateDatabaseTest, ARowOlderThanTheLastTradingDayIsDegradedAndItsDayIsNamed) {
  file.create();
  insert("2026-01-29", "GREEN", "[]");
  start("2026-02-02");  // a Monday
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  EXPECT_EQ(host->reports().back().detail,
            "the newest row of market_status is of 2026-01-29; producers are still served");
  insert("2026-01-30", "GREEN", "[]");
  host->advance(seconds(30));
  ASSERT_TRUE(wait_for_published(2));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_OK);
}

TEST_F(MarketGateDatabaseTest, AHolidayIsNoTradingDay) {
  file.create();
  insert("2026-02-03", "GREEN", "[]");
  start("2026-02-05");
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  start("2026-02-05", json::array({"2026-02-04"}));
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_OK);
  EXPECT_THROW(FakeHost(plugin_path("market_gate"), R"({"holidays":["2026-02-30"]})"),
               std::runtime_error);
}

TEST_F(MarketGateDatabaseTest, ARowOfADayToComeDoesNotHideHowOldTheOthersAre) {
  file.create();
  insert("2026-02-03", "YELLOW", "[]");
  insert("2026-02-07", "GREEN", "[]");
  insert("9999-12-31", "GREEN", "[]");
  start();
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->last(kTopic)["as_of"], "2026-02-03");
  EXPECT_EQ(host->reports().back().detail,
            "the newest row of market_status is of 2026-02-03; producers are still served");
  EXPECT_EQ(host->metrics().at("market_status_left_out"), 2);
}

TEST_F(MarketGateDatabaseTest, ARowOfAnEarlierDayDoesNotReplaceWhatAProducerHasSent) {
  file.create();
  insert("2026-01-30", "GREEN", "[]");
  start("2026-02-02");
  ASSERT_TRUE(wait_for_published(1));
  ASSERT_EQ(host->message(kTopic, R"({"status":"RED","level":3})").status, BC_OK);
  insert("2026-01-30", "YELLOW", "[]");  // Friday's is corrected
  host->advance(seconds(60));
  insert("2026-02-02", "YELLOW", "[]");
  host->advance(seconds(30));
  ASSERT_TRUE(wait_for_published(3));
  EXPECT_EQ(host->last(kTopic)["as_of"], "2026-02-02");
  EXPECT_EQ(host->published().size(), 3U);
}

TEST_F(MarketGateDatabaseTest, WhatAProducerHasSentStandsAfterAReplacementUntilTheRowIsAnother) {
  file.create();
  insert("2026-01-30", "GREEN", "[]");
  start("2026-02-02");
  ASSERT_TRUE(wait_for_published(1));
  ASSERT_EQ(host->message(kTopic, R"({"status":"RED","level":3})").status, BC_OK);
  replace();
  EXPECT_EQ(host->last(kTopic)["data"]["status"], "RED");
  insert("2026-01-30", "YELLOW", "[]");
  replace();
  EXPECT_EQ(host->last(kTopic)["data"]["status"], "RED");
  insert("2026-02-02", "YELLOW", "[]");
  host->advance(seconds(30));
  ASSERT_TRUE(wait_for_published(3));
  EXPECT_EQ(host->published().size(), 3U);
  EXPECT_EQ(host->last(kTopic)["as_of"], "2026-02-02");
  replace();
  ASSERT_TRUE(wait_for_published(4)) << "what stands is the row's, which is read anew";
}

TEST_F(MarketGateDatabaseTest, ATableWithoutARowThatCanBeUsedIsDegraded) {
  file.create();
  insert("2026-02-02", "PURPLE", "[]");
  start();
  ASSERT_TRUE(host->run_posts_until([&] { return !host->reports().empty(); }));
  EXPECT_EQ(host->reports().back().detail,
            "market_status has no usable row; producers are still served");
  file.run("DROP TABLE market_status");
  ASSERT_TRUE(advance_until_told());
  EXPECT_EQ(host->reports().back().detail,
            "market_status cannot be read, the log says why; producers are still served");
}

TEST_F(MarketGateDatabaseTest, WithoutTheDatabaseProducersAreServed) {
  start();
  ASSERT_TRUE(host->run_posts_until([&] { return !host->reports().empty(); }));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  EXPECT_THAT(host->reports().back().detail, ::testing::Not(HasSubstr(file.path())));
  EXPECT_EQ(host->message(kTopic, kGreen).status, BC_OK);
}

TEST_F(MarketGateDatabaseTest, ADatabaseThatComesLaterIsReadWithinSeconds) {
  start_without_database();
  file.create();
  insert("2026-02-05", "GREEN", "[]");
  ASSERT_TRUE(advance_until_read());
  EXPECT_EQ(host->published().size(), 1U);
  EXPECT_LT(host->now(), seconds(30)) << "not only after an interval";
}

TEST_F(MarketGateDatabaseTest, WhatAProducerHasSentBeforeTheFirstRowIsNewer) {
  start_without_database();
  ASSERT_EQ(host->message(kTopic, R"({"status":"RED","level":3})").status, BC_OK);
  file.create();
  insert("2026-02-05", "GREEN", "[]");
  ASSERT_TRUE(advance_until_read());
  EXPECT_EQ(host->last(kTopic)["data"]["status"], "RED");
  insert("2026-02-06", "YELLOW", "[]");
  host->advance(seconds(30));
  ASSERT_TRUE(wait_for_published(2));
  EXPECT_EQ(host->last(kTopic)["data"]["status"], "YELLOW");
}

TEST(MarketGateConfigTest, RefusesADatabaseThatIsNone) {
  EXPECT_THROW(FakeHost(plugin_path("market_gate"), R"({"database":"mysql://h/d"})"),
               std::runtime_error);
}

}  // namespace
}  // namespace broadcast
