// vcp_signal with a database: the signals that are open when it starts. On a real SQLite file; on
// PostgreSQL in tests/integration.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

#include "tests/unit/plugins/plugin_path.hpp"
#include "tests/unit/plugins/sqlite_file.hpp"

namespace broadcast {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kVcp = "signal:vcp";

class OpenSignalsTest : public ::testing::Test {
 protected:
  void create() {
    file.run(
        "CREATE TABLE stocks(ticker varchar(6) PRIMARY KEY, name varchar(100), market "
        "varchar(10))");
    file.run(
        "CREATE TABLE signals(id integer PRIMARY KEY, ticker varchar(6), signal_type varchar(20),"
        " status varchar(10), score double, grade varchar(2), contraction_ratio double,"
        " pivot_high double, entry_price double, stop_price double, target_price double,"
        " foreign_net_5d int, inst_net_5d int, signal_date date)");
    file.run("INSERT INTO stocks VALUES('005930', '삼성전자', 'KOSPI')");
    insert(
        "'005930', 'VCP', 'OPEN', 88.5, 'S', 0.42, 83000, 83200, 79000, 91000, 100, NULL, "
        "'2026-02-05'");
    insert(
        "'000660', 'VCP', 'OPEN', 91, 'S', 0.3, 240000, 241000, 229000, 265000, 1, 2, "
        "'2026-02-05'");
    insert("'035420', 'VCP', 'CLOSED', 99, 'S', 0.3, 1, 1, 1, 1, 1, 1, '2026-02-05'");
    insert("'035720', 'JONGGA', 'OPEN', 99, 'S', 0.3, 1, 1, 1, 1, 1, 1, '2026-02-05'");
  }
  void insert(const std::string& values) {
    file.run(
        "INSERT INTO signals(ticker, signal_type, status, score, grade, contraction_ratio, "
        "pivot_high,"
        " entry_price, stop_price, target_price, foreign_net_5d, inst_net_5d, signal_date) "
        "VALUES(" +
        values + ")");
  }
  void make(const json& more = json::object()) {
    json config{{"database", file.url()}};
    config.update(more);
    host = std::make_unique<FakeHost>(plugin_path("vcp_signal"), config.dump());
  }
  void start(const json& more = json::object()) {
    make(more);
    host->start();
  }
  void start_without_database() {
    start();
    ASSERT_TRUE(host->run_posts_until([&] { return !host->reports().empty(); }));
    EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  }
  /// The connection's own back-off is a second of real time.
  [[nodiscard]] bool advance_until_read() {
    for (int i = 0; i < 60 && host->reports().back().state != BC_STATUS_OK; ++i) {
      const std::size_t before = host->reports().size();
      host->advance(seconds(1));
      static_cast<void>(host->run_posts_until([&] { return host->reports().size() > before; },
                                              std::chrono::milliseconds(200)));
    }
    return host->reports().back().state == BC_STATUS_OK;
  }
  [[nodiscard]] bool wait_for_published(std::size_t count) {
    return host->run_posts_until([&] { return host->published().size() >= count; });
  }
  [[nodiscard]] bool wait_for_line(const std::string& text) {
    return host->run_posts_until([&] {
      return !host->logs().empty() && host->logs().back().text.find(text) != std::string::npos;
    });
  }

  SqliteFile file;
  std::unique_ptr<FakeHost> host;
};

TEST_F(OpenSignalsTest, AreOneUpdateAtStartBestFirst) {
  create();
  start();
  ASSERT_TRUE(wait_for_published(1));
  const json data = host->last(kVcp)["data"];
  EXPECT_EQ(data["signal_type"], "VCP");
  EXPECT_EQ(data["count"], 2);
  EXPECT_EQ(data["signals"][0]["ticker"], "000660");
  EXPECT_EQ(data["signals"][0]["name"], "000660") << "stocks does not have it";
  EXPECT_EQ(data["signals"][1],
            json::parse(R"({"ticker":"005930","name":"삼성전자","market":"KOSPI",
      "score":88.5,"grade":"S","contraction_ratio":0.42,"pivot_high":83000.0,"entry_price":83200.0,
      "stop_price":79000.0,"target_price":91000.0,"foreign_net_5d":100,"inst_net_5d":null,
      "signal_date":"2026-02-05"})"));
  host->advance(std::chrono::hours(1));
  EXPECT_EQ(host->published().size(), 1U) << "once";
  EXPECT_THAT(host->misuse(), IsEmpty());
}

TEST_F(OpenSignalsTest, ThatThereAreNoneIsSaidToo) {
  create();
  file.run("DELETE FROM signals");
  start();
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->last(kVcp)["data"]["count"], 0);
}

TEST_F(OpenSignalsTest, ADatabaseThatComesLaterIsReadThen) {
  start_without_database();
  create();
  ASSERT_TRUE(advance_until_read());
  EXPECT_EQ(host->published().size(), 1U);
}

TEST_F(OpenSignalsTest, WhatAScannerHasSentMeanwhileIsNewer) {
  start_without_database();
  EXPECT_EQ(host->message(kVcp, R"([{"ticker":"005930","name":"x"}])").status, BC_OK);
  create();
  ASSERT_TRUE(advance_until_read());
  EXPECT_EQ(host->published().size(), 1U);
}

TEST_F(OpenSignalsTest, AFullHostGetsThemLater) {
  create();
  make();
  host->set_publish_status(BC_E_BUSY);
  host->start();
  ASSERT_TRUE(host->run_posts_until([&] { return !host->reports().empty(); }));
  EXPECT_THAT(host->published(), IsEmpty());
  host->set_publish_status(BC_OK);
  host->advance(seconds(1));
  EXPECT_EQ(host->published().size(), 1U);
}

TEST_F(OpenSignalsTest, AQueryOfOnesOwnIsCheckedAsAScannersSignalsAre) {
  create();
  start({{"query", "SELECT ticker, score FROM signals"}});
  EXPECT_TRUE(wait_for_line("open signals left out: signals[0].name: missing"));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  EXPECT_THAT(host->reports().back().detail, HasSubstr("the open signals are left out"));
  EXPECT_EQ(host->message(kVcp, R"([{"ticker":"005930","name":"x"}])").status, BC_OK);
  EXPECT_EQ(host->reports().back().state, BC_STATUS_OK);
}

TEST_F(OpenSignalsTest, AQueryThatFailsIsToldAsSuchAndTriedAgain) {
  create();
  start({{"query", "SELECT ticker, ticker AS name FROM later"}});
  ASSERT_TRUE(wait_for_line("no such table: later"));
  EXPECT_EQ(host->reports().back().detail,
            "the query fails, the log says why; signals are published as they come");
  file.run("CREATE TABLE later AS SELECT * FROM signals");
  EXPECT_TRUE(advance_until_read());
  EXPECT_EQ(host->published().size(), 1U);
}

TEST_F(OpenSignalsTest, WithoutAScoreTheyComeLast) {
  create();
  insert("'035720', 'VCP', 'OPEN', NULL, 'C', 0.3, 1, 1, 1, 1, 1, 1, '2026-02-05'");
  start();
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->last(kVcp)["data"]["signals"][2]["ticker"], "035720");
}

TEST_F(OpenSignalsTest, AnIntegerHas64Bits) {
  create();
  file.run("UPDATE signals SET foreign_net_5d = 8000000000, inst_net_5d = -8000000001");
  start({{"query", "SELECT ticker, ticker AS name, foreign_net_5d, inst_net_5d FROM signals"}});
  ASSERT_TRUE(wait_for_published(1));
  const json update = host->last(kVcp);
  for (const json& signal : update["data"]["signals"]) {
    EXPECT_EQ(signal["foreign_net_5d"], 8'000'000'000);
    EXPECT_EQ(signal["inst_net_5d"], -8'000'000'001);
  }
}

TEST_F(OpenSignalsTest, ASignalThatIsNoneCostsItselfAndIsTold) {
  create();
  insert("'', 'VCP', 'OPEN', 99, 'S', 0.3, 1, 1, 1, 1, 1, 1, '2026-02-05'");
  insert("NULL, 'VCP', 'OPEN', 98, 'S', 0.3, 1, 1, 1, 1, 1, 1, '2026-02-05'");
  start();
  ASSERT_TRUE(wait_for_published(1));
  EXPECT_EQ(host->last(kVcp)["data"]["count"], 2);
  EXPECT_EQ(host->last(kVcp)["data"]["signals"][0]["ticker"], "000660");
  EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  EXPECT_THAT(host->reports().back().detail, HasSubstr("2 of 4 open signals are left out"));
  EXPECT_THAT(host->logs().back().text,
              HasSubstr("2 of 4 open signals left out: signals[0].ticker: expected text, got"));
  EXPECT_EQ(host->message(kVcp, R"([{"ticker":"005930","name":"x"}])").status, BC_OK);
  EXPECT_EQ(host->reports().back().state, BC_STATUS_OK);
}

TEST_F(OpenSignalsTest, AFieldThatCannotBeReadCostsItself) {
  create();
  file.run(
      "UPDATE signals SET score = 'n/a', pivot_high = 9e999, inst_net_5d = 'many',"
      " signal_date = 'soon' WHERE ticker = '005930'");
  start();
  ASSERT_TRUE(wait_for_published(1));
  const json update = host->last(kVcp);
  for (const json& signal : update["data"]["signals"]) {
    if (signal["ticker"] != "005930") continue;
    for (const char* key : {"score", "pivot_high", "inst_net_5d"}) {
      EXPECT_EQ(signal[key], nullptr) << key;
    }
    EXPECT_EQ(signal["entry_price"], 83200);
  }
  EXPECT_EQ(update["data"]["count"], 2);
}

TEST_F(OpenSignalsTest, WithoutADatabaseNothingIsRead) {
  create();
  host = std::make_unique<FakeHost>(plugin_path("vcp_signal"), "{}");
  host->start();
  host->advance(seconds(60));
  EXPECT_THAT(host->published(), IsEmpty());
  EXPECT_THAT(host->reports(), IsEmpty());
}

TEST_F(OpenSignalsTest, RefusesAUrlThatIsNone) {
  EXPECT_THROW(FakeHost(plugin_path("vcp_signal"), R"({"database":"mysql://h/d"})"),
               std::runtime_error);
}

}  // namespace
}  // namespace broadcast
