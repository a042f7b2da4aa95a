// Source `database` of price, on a real SQLite file; the same statements run on PostgreSQL in
// tests/integration.

#include "plugins/database/database.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

#include "tests/unit/plugins/plugin_path.hpp"
#include "tests/unit/plugins/scripted_price.hpp"
#include "tests/unit/plugins/seoul.hpp"
#include "tests/unit/plugins/sqlite_file.hpp"

namespace broadcast {
namespace {

using nlohmann::json;
using std::chrono::seconds;

class DatabaseSourceTest : public ::testing::Test {
 protected:
  void start(const std::string& sources, const std::string& tickers = R"(["005930","000660"])") {
    host = std::make_unique<FakeHost>(plugin_path("price"),
                                      R"({"tickers":)" + tickers + R"(,"sources":)" + sources + "}",
                                      at_noon());
    host->start();
  }
  [[nodiscard]] std::string only_database() const {
    return R"([{"type":"database","url":")" + file.url() + "\"}]";
  }
  [[nodiscard]] std::string with_sim_behind() const {
    return R"([{"type":"database","url":")" + file.url() + R"("},{"type":"sim"}])";
  }
  static FakeHost::Options at_noon() { return {.wall_start_ns = seoul("2026-02-05 12:00:00")}; }
  [[nodiscard]] bool wait_for_report(std::size_t count) {
    return host->run_posts_until([&] { return host->reports().size() >= count; });
  }
  [[nodiscard]] bool wait_for_line(const std::string& text) {
    return host->run_posts_until([&] {
      return std::ranges::any_of(host->logs(), [&](const auto& line) {
        return line.text.find(text) != std::string::npos;
      });
    });
  }
  [[nodiscard]] double refused(const char* why) const {
    const auto metrics = host->metrics();
    const auto found = metrics.find(why);
    return found == metrics.end() ? 0 : found->second;
  }
  /// Rounds go on until the newest price is `source`'s.
  [[nodiscard]] bool wait_for_source(const std::string& source) {
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      const auto published = host->published("price:005930").size();
      host->advance(seconds(5));
      if (!host->run_posts_until(
              [&] { return host->published("price:005930").size() > published; })) {
        return false;
      }
      if (host->last("price:005930")["source"] == source) return true;
    }
    return false;
  }

  SqliteFile file;
  std::unique_ptr<FakeHost> host;
};

TEST_F(DatabaseSourceTest, TheNewestRowIsThePriceAndTheOneBeforeItItsChange) {
  file.create();
  file.close_price("005930", "2026-02-03", "70000");
  file.close_price("005930", "2026-02-05", "82500");
  file.close_price("005930", "2026-02-04", "80000");
  file.run(
      "INSERT INTO market_status(date, kospi, kospi_change_pct, kosdaq, kosdaq_change_pct)"
      " VALUES('2026-02-04', 1, 1, 1, 1), ('2026-02-05', 2610.55, -0.47, 850.1, NULL)");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  const json price = host->last("price:005930");
  EXPECT_EQ(price["source"], "database");
  EXPECT_EQ(price["as_of"], "2026-02-05");
  EXPECT_EQ(host->last("market:kospi")["as_of"], "2026-02-05");
  EXPECT_EQ(price["data"], json::parse(R"({"price":82500,"change":2500,"change_rate":3.13,
      "volume":1000,"bid_price":82500,"ask_price":82500})"));
  EXPECT_EQ(host->last("market:kospi")["data"],
            json::parse(R"({"index":2610.55,"change":-12.33,"change_rate":-0.47,"volume":null})"));
  EXPECT_EQ(host->last("market:kosdaq")["data"],
            json::parse(R"({"index":850.1,"change":0.0,"change_rate":0.0,"volume":null})"));
  EXPECT_TRUE(host->published("price:000660").empty()) << "the database does not have it";
  EXPECT_THAT(host->reports().front().detail, ::testing::StartsWith("serving database since "));
  EXPECT_TRUE(host->misuse().empty());
}

TEST_F(DatabaseSourceTest, WhatItDoesNotHaveOrCannotBeIsAskedOfTheNext) {
  file.create();
  file.close_price("005930", "2026-02-05", "82500");
  file.close_price("000660", "2026-02-05", "0");
  start(with_sim_behind());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->last("price:005930")["source"], "database");
  EXPECT_EQ(host->last("price:000660")["source"], "sim");
  EXPECT_EQ(host->last("market:kospi")["source"], "sim");
}

TEST_F(DatabaseSourceTest, ANewestRowThatCannotBeUsedDoesNotHideTheGoodOneBelowIt) {
  file.create();
  for (const char* wrong :
       {"0", "0.4", "-82500", "NULL", "'sold out'", "9e999", "x'00ff'", "1e300"}) {
    SCOPED_TRACE(wrong);
    file.run("DELETE FROM daily_prices");
    file.close_price("005930", "2026-02-01", "70000");
    file.close_price("005930", "2026-02-02", "80000");
    file.close_price("005930", "2026-02-03", "82500");
    file.close_price("005930", "2026-02-04", wrong);
    file.close_price("005930", "2026-02-05", wrong);
    start(only_database());
    ASSERT_TRUE(wait_for_report(1));
    const json price = host->last("price:005930");
    EXPECT_EQ(price["data"]["price"], 82'500);
    EXPECT_EQ(price["data"]["change"], 2'500);
    EXPECT_EQ(price["as_of"], "2026-02-03");
    EXPECT_EQ(refused("quotes_refused_no_price") + refused("quotes_refused_not_a_number") +
                  refused("quotes_refused_empty_row"),
              3)
        << "two rows, and a ticker that has none";
    EXPECT_TRUE(wait_for_line("left out, such as 005930 of 2026-02-05"));
  }
}

TEST_F(DatabaseSourceTest, OddRowsOfManyTickersAreLookedBehindToo) {
  file.create();
  json tickers = json::array();
  soci::session session(soci::sqlite3, "dbname=\"" + file.path() + "\"");
  soci::transaction at_once(session);
  for (int i = 100'000; i < 100'250; ++i) {
    tickers.push_back(std::to_string(i));
    session << "INSERT INTO daily_prices(ticker, date, close_price) VALUES('" + std::to_string(i) +
                   "', '2026-02-04', 1000), ('" + std::to_string(i) + "', '2026-02-05', 0)";
  }
  at_once.commit();
  host = std::make_unique<FakeHost>(
      plugin_path("price"),
      json{{"tickers", tickers}, {"sources", json::parse(only_database())}}.dump(), at_noon());
  host->start();
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->published().size(), 250U);
  EXPECT_EQ(refused("quotes_refused_no_price"), 250);
}

TEST_F(DatabaseSourceTest, ARowBetweenGoodOnesIsAsIfItWereNotThere) {
  file.create();
  file.close_price("005930", "2026-02-03", "80000");
  file.close_price("005930", "2026-02-04", "0");
  file.close_price("005930", "2026-02-05", "82500");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->last("price:005930")["data"]["change"], 2'500);
}

TEST_F(DatabaseSourceTest, ARowWithoutADayCostsItselfAndIsCounted) {
  file.create();
  file.close_price("005930", "2026-02-05", "82500");
  file.run("INSERT INTO daily_prices(ticker, date, close_price) VALUES('005930', NULL, 1)");
  file.run("INSERT INTO daily_prices(ticker, date, close_price) VALUES('005930', 'soon', 1)");
  file.run(
      "INSERT INTO market_status(date, kospi) VALUES(NULL, 1), ('2026-02-30', 2),"
      " ('2026-02-05', 2610.55)");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->last("price:005930")["data"]["price"], 82'500);
  EXPECT_EQ(host->last("market:kospi")["data"]["index"], 2'610.55);
  EXPECT_GE(refused("quotes_refused_malformed"), 4);
}

TEST_F(DatabaseSourceTest, TheNewestIndexThatIsOneIsServedEachOnItsOwn) {
  file.create();
  file.run(
      "INSERT INTO market_status(date, kospi, kospi_change_pct, kosdaq) VALUES"
      " ('2026-02-04', 2610.55, 'n/a', 850.1), ('2026-02-05', NULL, NULL, 855.42)");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->last("market:kospi")["data"]["index"], 2'610.55);
  EXPECT_EQ(host->last("market:kospi")["data"]["change"], 0);
  EXPECT_EQ(host->last("market:kospi")["as_of"], "2026-02-04");
  EXPECT_EQ(host->last("market:kosdaq")["data"]["index"], 855.42);
  EXPECT_EQ(host->last("market:kosdaq")["as_of"], "2026-02-05");
  EXPECT_EQ(refused("quote_fields_left_out"), 1);
}

TEST_F(DatabaseSourceTest, AVolumeThatIsNoneCostsItself) {
  file.create();
  file.close_price("005930", "2026-02-05", "82500");
  for (const char* wrong : {"-1", "'many'", "9e999", "1e300"}) {
    file.run("UPDATE daily_prices SET volume = " + std::string(wrong));
    start(only_database());
    ASSERT_TRUE(wait_for_report(1));
    EXPECT_EQ(host->last("price:005930")["data"]["volume"], 0) << wrong;
    EXPECT_EQ(refused("quote_fields_left_out"), 1) << wrong;
  }
}

TEST_F(DatabaseSourceTest, ATableThatIsNotThereCostsWhatStandsInIt) {
  file.create();
  file.close_price("005930", "2026-02-05", "82500");
  file.run("INSERT INTO market_status(date, kospi) VALUES('2026-02-05', 2610.55)");
  const std::pair<const char*, const char*> tables[] = {{"market_status", "KOSDAQ and KOSPI"},
                                                        {"daily_prices", "prices"}};
  for (const auto& [table, what] : tables) {
    file.run("ALTER TABLE " + std::string(table) + " RENAME TO away");
    start(only_database());
    ASSERT_TRUE(wait_for_report(1));
    const bool has_prices = table == std::string("market_status");
    EXPECT_EQ(host->published("price:005930").size(), has_prices ? 1U : 0U) << table;
    EXPECT_EQ(host->published("market:kospi").size(), has_prices ? 0U : 1U) << table;
    EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
    EXPECT_THAT(
        host->reports().back().detail,
        ::testing::EndsWith("; database has no " + std::string(what) + ", the log says why"));
    EXPECT_TRUE(wait_for_line("no such table: " + std::string(table)));
    file.run("ALTER TABLE away RENAME TO " + std::string(table));
  }
}

TEST_F(DatabaseSourceTest, WithoutTheTablesThatAreAskedItAnswersAndSaysWhatItLacks) {
  file.run("CREATE TABLE other(x int)");
  const std::pair<const char*, const char*> rows[] = {
      {R"(["005930"])", "KOSDAQ and KOSPI and prices"}, {"[]", "KOSDAQ and KOSPI"}};
  for (const auto& [tickers, lacks] : rows) {
    start(only_database(), tickers);
    ASSERT_TRUE(wait_for_report(1));
    EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
    EXPECT_EQ(host->reports().back().detail,
              "asking database; database has no " + std::string(lacks) + ", the log says why");
  }
}

TEST_F(DatabaseSourceTest, WhatABetterSourceHasByNowItDoesNotLack) {
  file.create();
  file.close_price("005930", "2026-02-04", "82500");
  file.run("DROP TABLE market_status");
  host = std::make_unique<FakeHost>(
      ScriptedPrice::entry(),
      R"({"sources":[{"type":"kiwoom_ws"},{"type":"sqlite","url":")" + file.url() + "\"}]}",
      at_noon());
  host->start();
  ScriptedSource& ws = ScriptedSource::named("kiwoom_ws");
  ws.tell().on_link("");
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_THAT(host->reports().back().detail,
              ::testing::EndsWith("; database has no KOSPI, the log says why"));
  ws.index(kIndices[0], 2'610.55);
  ws.quote("000660", 239'000);
  const auto is_well = [&] { return host->reports().back().state == BC_STATUS_OK; };
  for (int round = 0; round < 60 && !is_well(); ++round) {
    host->advance(seconds(1));
    ws.index(kIndices[0], 2'610.55);
    static_cast<void>(host->run_posts_until(is_well, std::chrono::milliseconds(50)));
  }
  EXPECT_THAT(host->reports().back().detail,
              ::testing::StartsWith("serving kiwoom_ws and database since "));
  EXPECT_TRUE(is_well());
}

TEST_F(DatabaseSourceTest, WhoseNewestRowIsOlderThanTheLastTradingDayIsDegraded) {
  file.create();
  file.close_price("005930", "2026-02-03", "82500");
  file.run("INSERT INTO market_status(date, kospi) VALUES('2026-02-04', 2610.55)");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  EXPECT_THAT(host->reports().back().detail,
              ::testing::EndsWith("; the newest price of database is of 2026-02-03"));
}

TEST_F(DatabaseSourceTest, TheNewestRowOfTheWholeTableSaysHowOldItIs) {
  file.create();
  file.close_price("005930", "2024-03-04", "82500");  // it is not traded any more
  file.close_price("035420", "2026-02-04", "211000");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->last("price:005930")["as_of"], "2024-03-04");
  EXPECT_EQ(host->reports().back().state, BC_STATUS_OK) << host->reports().back().detail;
}

TEST_F(DatabaseSourceTest, ARowOfADayToComeCostsItselfAndHidesNothing) {
  file.create();
  file.close_price("005930", "2026-02-03", "82500");
  file.close_price("005930", "2026-02-07", "1");
  file.close_price("005930", "9999-12-31", "1");
  file.run(
      "INSERT INTO market_status(date, kospi) VALUES('2026-02-03', 2610.55), ('2099-01-01', 1)");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->last("price:005930")["as_of"], "2026-02-03");
  EXPECT_EQ(host->last("market:kospi")["as_of"], "2026-02-03");
  EXPECT_GE(refused("quotes_refused_malformed"), 3);
  EXPECT_THAT(host->reports().back().detail,
              ::testing::EndsWith("; the newest price of database is of 2026-02-03; the newest "
                                  "index of database is of 2026-02-03"));
}

TEST_F(DatabaseSourceTest, ARowThatIsWithdrawnGivesWayToTheOneBeforeIt) {
  file.create();
  file.close_price("005930", "2026-02-04", "82500");
  file.close_price("005930", "2026-02-05", "1");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->last("price:005930")["data"]["price"], 1);
  file.run("DELETE FROM daily_prices WHERE date = '2026-02-05'");
  host->advance(seconds(5));
  EXPECT_TRUE(
      host->run_posts_until([&] { return host->last("price:005930")["data"]["price"] == 82'500; }));
}

TEST_F(DatabaseSourceTest, ARowThatCannotBeUsedIsCountedOnceUntilItIsAnother) {
  file.create();
  file.close_price("005930", "2026-02-04", "82500");
  file.close_price("005930", "2026-02-05", "0");
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  const auto poll = [&] {
    const std::size_t before = host->published("price:005930").size();
    host->advance(seconds(5));
    return host->run_posts_until([&] { return host->published("price:005930").size() > before; });
  };
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(poll());
  EXPECT_EQ(refused("quotes_refused_no_price"), 1);
  EXPECT_EQ(refused("quotes_refused_empty_row"), 1) << "of the other ticker";
  file.close_price("005930", "2026-02-05", "83000");
  ASSERT_TRUE(poll());
  file.close_price("005930", "2026-02-05", "0");
  ASSERT_TRUE(poll());
  EXPECT_EQ(refused("quotes_refused_no_price"), 2);
}

TEST_F(DatabaseSourceTest, WithoutTheDatabaseTheNextServesUntilItIsBack) {
  start(with_sim_behind());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_DEGRADED);
  EXPECT_THAT(host->reports().back().detail,
              ::testing::StartsWith("database does not answer, serving sim since "));
  EXPECT_EQ(host->last("price:005930")["source"], "sim");
  EXPECT_THAT(host->logs().back().text, ::testing::HasSubstr("source database: "));

  file.create();
  file.close_price("005930", "2026-02-05", "82500");
  // Several rounds: the real database may take longer than the three virtual seconds it has.
  const auto is_told = [this] {  // it has one of them
    return host->reports().back().detail.starts_with("serving database and sim since ");
  };
  for (int round = 0; round < 20 && !is_told(); ++round) {
    ASSERT_TRUE(wait_for_source("database"));
  }
  EXPECT_TRUE(is_told());
}

TEST_F(DatabaseSourceTest, AloneAndAwayItSaysThatThereAreNoPrices) {
  start(only_database());
  ASSERT_TRUE(wait_for_report(1));
  EXPECT_EQ(host->reports().back().state, BC_STATUS_DOWN);
  EXPECT_EQ(host->reports().back().detail, "database does not answer, no prices");
  EXPECT_FALSE(std::filesystem::exists(file.path())) << "it reads, and makes no files";
}

TEST(DatabaseUrlTest, RefusesWhatIsNoneWithoutRepeatingIt) {
  for (const char* url : {"", "sqlite:", "mysql://u:secret@h/d", "postgresql://u:sec@ret@h/d",
                          "postgresql://u:50%secret@h/d", "postgresql://u:se/secret@h/d",
                          "postgresql://u:p?secret@h/d", "/var/lib/x.sqlite", "sqlite:a\"b"}) {
    try {
      static_cast<void>(DatabaseUrl::parse(url));
      ADD_FAILURE() << url;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("secret")));
    }
  }
}

std::string refusal_of(const std::string& url) {
  try {
    static_cast<void>(DatabaseUrl::parse(url));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "not refused";
}

TEST(DatabaseUrlTest, ReadsTheFilesThatSqlAlchemyReads) {
  const std::pair<const char*, const char*> rows[] = {
      {"sqlite:market.db", "market.db"},
      {"sqlite:/srv/market.db", "/srv/market.db"},
      {"sqlite:///market.db", "market.db"},
      {"sqlite:///data/market.db", "data/market.db"},
      {"sqlite:////srv/market.db", "/srv/market.db"},
      {"sqlite+pysqlite:////srv/market.db?check_same_thread=false&timeout=15", "/srv/market.db"},
      {"sqlite+aiosqlite:///./market.db", "./market.db"}};
  for (const auto& [url, file] : rows) {
    const DatabaseUrl parsed = DatabaseUrl::parse(url);
    EXPECT_EQ(parsed.kind, DatabaseUrl::Kind::kSqlite) << url;
    EXPECT_EQ(parsed.file, file) << url;
    EXPECT_EQ(parsed.parameters, "dbname=\"" + std::string(file) + "\" readonly=1 timeout=5");
  }
}

TEST(DatabaseUrlTest, ReadsTheServersThatSqlAlchemyReads) {
  const std::pair<const char*, const char*> rows[] = {
      {"postgresql+psycopg2://u:p%40s@h:5433/d", "postgresql://u:p%40s@h:5433/d?connect_timeout="},
      {"postgresql+psycopg://u@h/d?application_name=x",
       "postgresql://u@h/d?application_name=x&connect_timeout="},
      {"postgresql+asyncpg://u:p@h/d?ssl=require&prepared_statement_cache_size=0",
       "postgresql://u:p@h/d?sslmode=require&connect_timeout="},
      {"postgresql+asyncpg://h/d?ssl=true", "postgresql://h/d?sslmode=require&connect_timeout="},
      {"postgresql+psycopg2://u:p@/d?host=/run/postgresql",
       "postgresql://u:p@/d?host=/run/postgresql&connect_timeout="},
      {"postgres://[::1]/d?sslmode=verify-full&sslrootcert=/ca.pem",
       "postgres://[::1]/d?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout="}};
  for (const auto& [url, parameters] : rows) {
    EXPECT_THAT(DatabaseUrl::parse(url).parameters, ::testing::StartsWith(parameters)) << url;
  }
}

TEST(DatabaseUrlTest, NamesThePartThatItCannotRead) {
  const std::pair<const char*, const char*> rows[] = {
      {"mysql+pymysql://u:secret@h/d", "mysql+pymysql:// is not supported"},
      {"sqlite://", "in memory"},
      {"sqlite:///", "in memory"},
      {"sqlite:///:memory:", "in memory"},
      {"sqlite::memory:", "in memory"},
      {"sqlite://srv/market.db", "SQLite has no host"},
      {"sqlite:///file:market.db?uri=true", "a file: URI"},
      {"sqlite+pysqlcipher://:secret@/market.db", "sqlite+pysqlcipher"},
      {"postgresql://u:secret@h/d?sslmode=always", "sslmode must be disable, allow"},
      {"postgresql+asyncpg://u:secret@h/d?ssl=secret", "sslmode must be disable, allow"},
      {"postgresql://u:secret@h/d?colour=secret", "colour is not an option"},
      {"postgresql://u:p@/d?host=a&host=b", "host is given twice"},
      {"postgresql://u:p@h/d?secret", "name=value&name=value"},
      {"postgresql://u:se/secret@h/d", "written as %40 %2F"}};
  for (const auto& [url, part] : rows) {
    EXPECT_THAT(refusal_of(url), ::testing::HasSubstr(part)) << url;
    EXPECT_THAT(refusal_of(url), ::testing::Not(::testing::HasSubstr("secret"))) << url;
  }
}

TEST(DatabaseUrlTest, WaitsForNoServerForEver) {
  EXPECT_THAT(DatabaseUrl::parse("postgresql://u:p@h/d").parameters,
              ::testing::StartsWith("postgresql://u:p@h/d?connect_timeout="));
  EXPECT_THAT(DatabaseUrl::parse("postgres://h/d?sslmode=require").parameters,
              ::testing::HasSubstr("?sslmode=require&connect_timeout="));
}

}  // namespace
}  // namespace broadcast
