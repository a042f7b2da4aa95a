// The price broadcaster on scripted sources: a whole day, and what it does with quotes and wants.

#include "tests/unit/plugins/trading_day.hpp"

#include <limits>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/plugins/scripted_price.hpp"

namespace broadcast {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ScriptedFeed final : public Feed {
 public:
  void connect(FakeHost& host) override {
    ws().tell().on_link("");
    host.advance(seconds(0));  // what it posted
  }
  void cut(FakeHost& host) override {
    ws().tell().on_link("the connection was closed");
    host.advance(seconds(0));
  }
  void trade(FakeHost&, const std::string& ticker, std::int64_t price) override {
    ws().quote(ticker, price);
  }
  void move_index(FakeHost&, double points) override { ws().index(kIndices[0], points); }

 private:
  static ScriptedSource& ws() { return ScriptedSource::named("kiwoom_ws"); }
};

class TradingDayTest : public ::testing::Test {
 protected:
  using Trading = TradingDay::Trading;

  void begin_at(const std::string& clock, const std::string& config = "{}") {
    host.emplace(ScriptedPrice::entry(), config, TradingDay::host_options(clock));
    day.emplace(*host, feed, "database", clock);
  }

  std::optional<FakeHost> host;
  ScriptedFeed feed;
  std::optional<TradingDay> day;
};

TEST_F(TradingDayTest, EveryMessageIsOfTheSourceThatServesAtThatHour) {
  begin_at(TradingDay::kBegin);
  day->play();
  day->check_status();
  for (const char* topic : {"price:005930", "price:000660", "market:kospi"}) {
    day->check_sources(topic);
  }
  EXPECT_EQ(host->metrics().at("source_changes"), 3);
  EXPECT_EQ(host->metrics().at("serving_source"), 0);
  EXPECT_THAT(host->misuse(), IsEmpty());
  EXPECT_THAT(host->errors(), IsEmpty());
}

TEST_F(TradingDayTest, SilenceAtTheOpenIsAFaultUntilTheFirstTradesProveTheFeed) {
  begin_at("08:50:00");
  day->begin();
  day->until("09:10:00", Trading::kNo);
  day->until("09:20:00", Trading::kYes);
  EXPECT_THAT(day->told(), ElementsAre("08:50:01 ok: serving database",
                                       "09:00:30 degraded: kiwoom_ws is silent, serving database",
                                       "09:10:13 ok: serving kiwoom_ws"));
  for (const char* topic : {"price:005930", "market:kospi"}) {
    day->check_sources(topic, {{"08:50:00", "09:10:10", "database", seconds(5)},
                               {"09:10:10", "09:20:00", "kiwoom_ws", seconds(10)}});
  }
}

TEST_F(TradingDayTest, TheOnlyTradeOfAThinTickerIsNotLostWhileTheFeedRecovers) {
  begin_at("09:55:00");
  day->begin();
  day->until("10:00:00", Trading::kYes);
  day->cut();
  day->until("10:05:00", Trading::kNo);
  day->back();
  day->until("10:05:03", Trading::kOnlyTheLargest);
  feed.trade(*host, "000660", 240'000);
  day->until("10:30:00", Trading::kOnlyTheLargest);
  EXPECT_EQ(host->last("price:000660")["data"]["price"], 240'000);
  day->check_sources("price:000660", {{"09:55:00", "09:55:00", "database", seconds(1)},
                                      {"09:55:00", "10:00:00", "kiwoom_ws", seconds(10)},
                                      {"10:00:00", "10:05:10", "database", seconds(5)},
                                      {"10:05:10", "10:05:11", "kiwoom_ws", seconds(1)}});
  EXPECT_EQ(day->told().back(), "10:05:13 ok: serving kiwoom_ws and database")
      << "of which the index is";
}

TEST_F(TradingDayTest, ACutJustBeforeTheCloseEndsWithItAndTheDatabaseServesTheEvening) {
  begin_at("15:20:00");
  day->begin();
  day->until("15:29:30", Trading::kYes);
  day->cut();
  day->until("15:29:50", Trading::kNo);
  day->back();
  day->until("16:00:00", Trading::kNo);
  EXPECT_THAT(day->told(),
              ElementsAre("15:20:01 ok: serving database", "15:20:04 ok: serving kiwoom_ws",
                          "15:29:30 degraded: kiwoom_ws does not answer, serving database",
                          "15:30:13 ok: serving database"));
  day->check_sources("price:005930", {{"15:20:00", "15:20:00", "database", seconds(1)},
                                      {"15:20:00", "15:29:30", "kiwoom_ws", seconds(10)},
                                      {"15:29:30", "16:00:00", "database", seconds(5)}});
}

TEST_F(TradingDayTest, ACutAcrossTheCloseIsHealedByAConnectionAlone) {
  begin_at("15:20:00");
  day->begin();
  day->until("15:29:30", Trading::kYes);
  day->cut();
  day->until("15:40:00", Trading::kNo);
  day->back();
  day->until("16:00:00", Trading::kNo);
  EXPECT_EQ(day->told().back(), "15:40:13 ok: serving database");
}

/// Its newest rows are yesterday's.
constexpr const char* kWithDailyRows =
    R"({"sources":[{"type":"kiwoom_ws"},{"type":"daily","day":"2026-02-04"}]})";

TEST_F(TradingDayTest, AfterACutTheLastLivePricesStandAndNoDailyRowReplacesThem) {
  begin_at("09:59:00", kWithDailyRows);
  day->begin();
  feed.trade(*host, "005930", 20'800);
  feed.move_index(*host, 2'610.55);
  day->until("10:00:00", Trading::kNo);
  const std::size_t before = host->published("price:005930").size();
  const std::size_t index_before = host->published("market:kospi").size();
  day->cut();
  day->until("10:00:20", Trading::kNo);
  day->back();
  day->until("10:05:00", Trading::kNo);
  for (const char* topic : {"price:005930", "market:kospi"}) {
    EXPECT_EQ(host->last(topic)["source"], "kiwoom_ws") << topic;
    EXPECT_EQ(host->last(topic)["as_of"], "2026-02-05T00:59:00.000000+00:00") << topic;
  }
  EXPECT_EQ(host->last("price:005930")["data"]["price"], 20'800);
  EXPECT_EQ(host->published("price:005930").size(), before);
  EXPECT_EQ(host->published("market:kospi").size(), index_before);
  EXPECT_EQ(host->last("price:000660")["as_of"], "2026-02-04") << "which nobody has traded";
  EXPECT_THAT(day->told(),
              ::testing::Contains("10:00:00 degraded: kiwoom_ws does not answer, serving database "
                                  "and the last live prices"));
  feed.trade(*host, "005930", 20'700);
  day->until("10:06:00", Trading::kOnlyTheLargest);
  EXPECT_EQ(host->last("price:005930")["source"], "kiwoom_ws");
  EXPECT_GT(host->published("price:005930").size(), before);
}

TEST_F(TradingDayTest, AfterAReplacementTheLastLivePricesStandAndNoDailyRowReplacesThem) {
  begin_at("09:59:00", kWithDailyRows);
  day->begin();
  feed.trade(*host, "005930", 20'800);
  feed.move_index(*host, 2'610.55);
  host->subscribe("price:035420");
  feed.trade(*host, "035420", 180'000);
  host->unsubscribe("price:035420");
  const auto published = [&](const char* topic) { return host->published(topic).size(); };
  const std::size_t before = published("price:005930");
  const std::size_t index_before = published("market:kospi");
  const std::size_t others_before = published("price:000660");
  EXPECT_EQ(host->replace(kWithDailyRows), BC_OK);
  host->advance(minutes(1));
  EXPECT_EQ(published("price:005930"), before);
  EXPECT_EQ(host->last("price:005930")["data"]["price"], 20'800);
  EXPECT_EQ(published("market:kospi"), index_before);
  EXPECT_GT(published("price:000660"), others_before) << "of which nothing newer is known";
  host->subscribe("price:035420");
  host->advance(minutes(1));
  EXPECT_EQ(host->last("price:035420")["data"]["price"], 180'000);
  feed.trade(*host, "005930", 20'900);
  host->advance(seconds(15));  // it has to prove itself
  EXPECT_EQ(host->last("price:005930")["data"]["price"], 20'900);
  EXPECT_THAT(host->errors(), IsEmpty());
}

TEST_F(TradingDayTest, AfterARestartOfTheHostTheLastLivePricesStandUntilALaterDayHasARow) {
  begin_at("15:29:00", kWithDailyRows);
  day->begin();
  feed.trade(*host, "005930", 20'800);
  host->stop();
  const std::string kept = host->kept_state();
  EXPECT_EQ(kept,
            R"([{"day":"2026-02-05","live":true,"of":["005930"],"source":"kiwoom_ws"},)"
            R"({"day":"2026-02-04","live":false,"of":["000660","kospi"],"source":"database"}])");
  const auto prices_at = [&](std::int64_t wall_ns, const std::string& row_day) {
    FakeHost next(ScriptedPrice::entry(),
                  R"({"sources":[{"type":"daily","day":")" + row_day + "\"}]}",
                  {.state = kept, .wall_start_ns = wall_ns});
    next.start();
    next.advance(seconds(10));
    EXPECT_THAT(next.errors(), IsEmpty());
    return next.published("price:005930").size();
  };
  EXPECT_EQ(prices_at(seoul("2026-02-05 16:00:00"), "2026-02-05"), 0U)
      << "of a source that is gone";
  EXPECT_GT(prices_at(seoul("2026-02-06 16:00:00"), "2026-02-06"), 0U);
  EXPECT_GT(prices_at(seoul("2026-02-03 16:00:00"), "2026-02-03"), 0U) << "some clock was wrong";
}

TEST_F(TradingDayTest, WhereAHostKeepsNoStateTheDailyRowIsPublishedAfterAReplacement) {
  auto options = TradingDay::host_options("09:59:00");
  options.denied = {BC_EXT_STATE};
  host.emplace(ScriptedPrice::entry(), kWithDailyRows, options);
  day.emplace(*host, feed, "database", "09:59:00");
  day->begin();
  feed.trade(*host, "005930", 20'800);
  EXPECT_EQ(host->replace(kWithDailyRows), BC_OK);
  host->advance(minutes(1));
  EXPECT_EQ(host->last("price:005930")["data"]["price"], 21'000);
  EXPECT_EQ(host->last("price:005930")["as_of"], "2026-02-04");
}

TEST_F(TradingDayTest, AStateThatIsNoneIsToldAndNobodyMissesIt) {
  for (const char* state :
       {"garbage", "[7]", R"([{"source":"x","day":"no","live":true,"of":[]}])"}) {
    FakeHost one(ScriptedPrice::entry(), "{}", {.state = state});
    one.start();
    one.advance(seconds(10));
    EXPECT_FALSE(one.published("price:005930").empty());
    EXPECT_THAT(one.logs().front().text,
                ::testing::StartsWith("cannot read what was published before: "));
  }
}

TEST_F(TradingDayTest, TheEveningAfterACutAcrossTheCloseKeepsTheLastLivePrices) {
  begin_at("15:20:00", kWithDailyRows);
  day->begin();
  day->until("15:29:30", Trading::kYes);
  day->cut();
  day->until("15:40:00", Trading::kNo);
  day->back();
  day->until("20:00:00", Trading::kNo);
  EXPECT_THAT(day->told(),
              ElementsAre("15:20:01 ok: serving database", "15:20:04 ok: serving kiwoom_ws",
                          "15:29:30 degraded: kiwoom_ws does not answer, serving the last live "
                          "prices",
                          "15:40:13 ok: serving kiwoom_ws"));
  for (const char* topic : {"price:005930", "price:000660", "market:kospi"}) {
    day->check_sources(topic, {{"15:20:00", "15:20:00", "database", seconds(1)},
                               {"15:20:00", "15:29:30", "kiwoom_ws", seconds(10)}});
  }
}

TEST_F(TradingDayTest, ATickerThatNobodyWantedAWhileKeepsItsLivePriceToo) {
  begin_at("09:59:00", kWithDailyRows);
  day->begin();
  host->subscribe("price:123456");
  feed.trade(*host, "123456", 20'800);
  host->unsubscribe("price:123456");
  day->until("10:00:00", Trading::kNo);
  host->subscribe("price:123456");
  day->until("10:01:00", Trading::kNo);
  EXPECT_EQ(host->last("price:123456")["data"]["price"], 20'800);
}

TEST_F(TradingDayTest, ADatabaseWhoseRowsAreTooOldIsDegradedAndTheDayIsNamed) {
  begin_at("08:00:00", R"({"sources":[{"type":"daily","day":"2026-02-03"}]})");
  day->begin_alone();
  day->until("08:00:10", Trading::kNo);
  EXPECT_THAT(day->told(),
              ElementsAre("08:00:00 degraded: serving database; the newest price of database is of "
                          "2026-02-03; the newest index of database is of 2026-02-03"));
}

class PriceBroadcasterTest : public ::testing::Test {
 protected:
  static FakeHost::Options at_ten() { return {.wall_start_ns = seoul("2026-02-05 10:00:00")}; }

  /// Two scripted sources, the first of them up.
  PriceBroadcasterTest() {
    host.start();
    first().tell().on_link("");
    second().tell().on_link("");
    host.advance(seconds(0));
  }
  static ScriptedSource& first() { return ScriptedSource::named("kiwoom_ws"); }
  static ScriptedSource& second() { return ScriptedSource::named("kiwoom_rest"); }
  [[nodiscard]] std::string last_report() const {
    return std::to_string(host.reports().back().state) + " " +
           without_since(host.reports().back().detail);
  }

  FakeHost host{
      ScriptedPrice::entry(),
      R"({"sources":[{"type":"kiwoom_ws"},{"type":"off","enabled":false},{"type":"kiwoom_rest"}]})",
      at_ten()};
};

TEST_F(PriceBroadcasterTest, ASourceThatIsNotEnabledIsAsIfItWereNotThere) {
  EXPECT_THROW(static_cast<void>(ScriptedSource::named("off")), std::out_of_range);
  EXPECT_THROW(FakeHost(ScriptedPrice::entry(), R"({"sources":[{"type":"a","enabled":false}]})"),
               std::runtime_error);
}

TEST_F(PriceBroadcasterTest, WhatIsNoPriceIsRefusedCountedAndAskedOfTheNext) {
  for (const std::int64_t price :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'000'000'000'001}}) {
    first().quote("005930", price);
  }
  first().index(kIndices[0], std::numeric_limits<double>::quiet_NaN());
  first().index(kIndices[0], std::numeric_limits<double>::infinity());
  first().tell().on_refused(Refusal::kEmptyRow, 7);
  EXPECT_THAT(host.published(), IsEmpty());
  EXPECT_EQ(host.metrics().at("quotes_refused_no_price"), 3);
  EXPECT_EQ(host.metrics().at("quotes_refused_not_a_number"), 2);
  EXPECT_EQ(host.metrics().at("quotes_refused_empty_row"), 7);
  host.advance(seconds(1));
  EXPECT_THAT(second().wanted().tickers, ElementsAre("000660", "005930"));
}

TEST_F(PriceBroadcasterTest, OddNumbersAreNoSignOfLife) {
  for (int i = 0; i < 30; ++i) {
    first().quote("005930", 0);
    host.advance(seconds(1));
  }
  EXPECT_EQ(last_report(), "2 kiwoom_ws is silent, kiwoom_rest is silent, no prices");
}

TEST_F(PriceBroadcasterTest, AnOlderQuoteIsRefusedAndCounted) {
  first().quote("005930", 82'500, 2'000);
  first().quote("005930", 82'400, 1'999);
  EXPECT_EQ(host.published("price:005930").size(), 1U);
  EXPECT_EQ(host.metrics().at("quotes_refused_older"), 1);
}

TEST_F(PriceBroadcasterTest, WhatASourceLacksAlthoughItAnswersIsToldAndLogged) {
  first().quote("005930", 82'500);
  first().quote("000660", 239'000);
  host.advance(seconds(4));
  EXPECT_EQ(last_report(), "0 serving kiwoom_ws");
  first().tell().on_lack("KOSPI", "no such table: market_status");
  host.advance(seconds(4));
  EXPECT_EQ(last_report(), "1 serving kiwoom_ws; kiwoom_ws has no KOSPI, the log says why");
  EXPECT_EQ(host.logs().back().text, "source kiwoom_ws, KOSPI: no such table: market_status");
  first().tell().on_lack("", "");
  host.advance(seconds(4));
  EXPECT_EQ(last_report(), "0 serving kiwoom_ws");
}

TEST_F(PriceBroadcasterTest, WhenAValueWasTrueStandsBesideTheTimestamp) {
  first().quote("005930", 82'500, seoul("2026-02-05 09:59:58"));
  EXPECT_EQ(host.last("price:005930")["as_of"], "2026-02-05T00:59:58.000000+00:00");
  EXPECT_EQ(host.last("price:005930")["timestamp"], "2026-02-05T01:00:00.000000+00:00");
  host.advance(seconds(2));
  first().quote("005930", 82'500);
  EXPECT_EQ(host.last("price:005930")["as_of"], "2026-02-05T01:00:02.000000+00:00")
      << "when it came";
}

TEST_F(PriceBroadcasterTest, WhatCameWhileASourceRecoveredWasTrueWhenItCame) {
  first().quote("005930", 82'500);
  first().tell().on_link("gone");
  second().quote("005930", 82'400);
  first().tell().on_link("");
  first().quote("005930", 82'600);
  host.advance(seconds(10));
  EXPECT_EQ(host.last("price:005930")["data"]["price"], 82'600);
  EXPECT_EQ(host.last("price:005930")["as_of"], "2026-02-05T01:00:00.000000+00:00");
}

TEST_F(PriceBroadcasterTest, WhatTheBetterSourceDeliversIsNotAskedOfTheNextAnyMore) {
  EXPECT_THAT(second().wanted().tickers, ElementsAre("000660", "005930"));
  first().quote("005930", 82'500);
  host.advance(seconds(1));
  EXPECT_THAT(second().wanted().tickers, ElementsAre("000660"));
  EXPECT_THAT(first().wanted().tickers, ElementsAre("000660", "005930"));
}

TEST_F(PriceBroadcasterTest, NoMoreTickersThanSourcesCanBeAskedFor) {
  first().quote("005930", 82'500);
  host.advance(seconds(0));
  for (int i = 0; i < 11; ++i) host.subscribe("price:" + std::to_string(100'000 + i));
  EXPECT_EQ(first().wanted().tickers.size(), 12U) << "two are configured";
  host.advance(seconds(4));
  EXPECT_EQ(last_report(),
            "1 serving kiwoom_ws; only 10 tickers can be requested, so some get no prices");
  host.unsubscribe("price:100007");
  EXPECT_THAT(first().wanted().tickers, ::testing::Contains("100010")) << "there is room now";
  host.advance(seconds(4));
  EXPECT_EQ(last_report(), "0 serving kiwoom_ws");
}

TEST_F(PriceBroadcasterTest, StatusAndLogTellAnOutageOnceAndAgainWhenTheReasonChanges) {
  first().quote("005930", 82'500);
  second().quote("000660", 239'000);
  host.advance(seconds(1));
  const auto lines = [this] { return host.logs().size(); };
  const std::size_t before = lines();
  for (int i = 0; i < 20; ++i) {
    first().tell().on_link(i < 10 ? "10.0.0.7: refused" : "10.0.0.7: no route");
    host.advance(seconds(2));
  }
  EXPECT_EQ(lines(), before + 2);
  EXPECT_EQ(host.logs().back().text, "source kiwoom_ws: 10.0.0.7: no route");
  EXPECT_THAT(host.reports().back().detail, ::testing::Not(::testing::HasSubstr("10.0.0.7")));
}

TEST_F(PriceBroadcasterTest, WhatGetsWorseIsToldAtOnceWhatGetsBetterOnceItLasts) {
  first().quote("005930", 82'500);
  host.advance(seconds(0));
  second().quote("000660", 239'000);
  host.advance(seconds(1));
  EXPECT_EQ(last_report(), "0 serving kiwoom_ws");
  host.advance(seconds(4));
  EXPECT_EQ(last_report(), "0 serving kiwoom_ws and kiwoom_rest");
  first().tell().on_link("gone");
  host.advance(seconds(0));
  EXPECT_EQ(last_report(), "1 kiwoom_ws does not answer, serving kiwoom_rest");
  second().tell().on_link("gone");
  host.advance(seconds(0));
  EXPECT_EQ(last_report(), "3 kiwoom_ws does not answer, kiwoom_rest does not answer, no prices");
}

TEST_F(PriceBroadcasterTest, SubscribersWhoComeAndGoDoNotMoveTheStatus) {
  first().quote("005930", 82'500);
  first().quote("000660", 239'000);
  host.advance(minutes(0));
  const std::size_t before = host.reports().size();
  for (int i = 0; i < 10; ++i) {
    host.subscribe("price:123456");
    second().quote("123456", 1'000);
    host.advance(seconds(2));
    first().quote("123456", 1'001);
    host.unsubscribe("price:123456");
  }
  EXPECT_EQ(host.reports().size(), before);
}

TEST_F(PriceBroadcasterTest, WhatCameWhileASourceRecoveredIsPublishedOnceItServes) {
  first().quote("005930", 82'500);
  first().quote("000660", 239'000);
  first().tell().on_link("gone");
  second().quote("005930", 82'400);
  first().tell().on_link("");
  first().quote("005930", 82'600);
  first().quote("005930", 82'700);
  host.advance(seconds(9));
  EXPECT_EQ(host.last("price:005930")["data"]["price"], 82'400);
  host.advance(seconds(1));
  EXPECT_EQ(host.last("price:005930")["data"]["price"], 82'700);
  EXPECT_EQ(host.last("price:005930")["source"], "kiwoom_ws");
  host.advance(seconds(10));
  EXPECT_EQ(host.published("price:005930").size(), 3U) << "once, and the last of them";
}

TEST_F(PriceBroadcasterTest, WhatCameWhileASourceRecoveredServesWhereTheOthersFail) {
  first().quote("005930", 82'500);
  first().tell().on_link("gone");
  second().quote("005930", 82'400);
  first().quote("005930", 82'600);
  second().tell().on_link("gone");
  host.advance(seconds(0));
  EXPECT_EQ(host.last("price:005930")["data"]["price"], 82'600);
  EXPECT_EQ(last_report(),
            "1 kiwoom_ws is recovering, kiwoom_rest does not answer, serving kiwoom_ws");
  first().quote("005930", 82'700);
  host.advance(seconds(10));
  EXPECT_EQ(host.last("price:005930")["data"]["price"], 82'700);
  EXPECT_EQ(host.published("price:005930").size(), 4U);
}

class ThreeSourcesTest : public ::testing::Test {
 protected:
  ThreeSourcesTest() { host.start(); }
  static ScriptedSource& source(const char* name) { return ScriptedSource::named(name); }
  void deliver(const char* name) {
    source(name).tell().on_link("");
    for (const char* ticker : {"005930", "000660"}) source(name).quote(ticker, 1'000);
    source(name).index(kIndices[0], 2'610);
    host.advance(seconds(0));
  }

  FakeHost host{ScriptedPrice::entry(),
                R"({"sources":[{"type":"a"},{"type":"b"},{"type":"c"}]})",
                {.wall_start_ns = seoul("2026-02-05 10:00:00")}};
};

TEST_F(ThreeSourcesTest, SubscribersWhoOnlyTheLastSourceHasAPriceForDoNotMoveTheStatusEither) {
  source("b").tell().on_link("away");
  source("c").tell().on_link("");
  deliver("a");
  host.advance(seconds(4));
  const std::size_t before = host.reports().size();
  for (int i = 0; i < 10; ++i) {
    host.subscribe("price:123456");
    source("c").quote("123456", 1'000);
    host.advance(seconds(2));
    source("a").quote("123456", 1'001);
    host.unsubscribe("price:123456");
    host.advance(seconds(0));
  }
  EXPECT_EQ(host.reports().size(), before);
}

TEST_F(ThreeSourcesTest, SinceWhenWhoServesIsToldAlsoWhereTheStateStays) {
  for (const char* name : {"c", "b", "a"}) deliver(name);
  host.advance(seconds(10));
  EXPECT_EQ(host.reports().back().detail, "serving a since 2026-02-05T01:00:00Z");
  source("a").tell().on_link("gone");
  deliver("b");
  host.advance(seconds(5));
  EXPECT_EQ(host.reports().back().detail,
            "a does not answer, serving b since 2026-02-05T01:00:10Z");
  source("b").tell().on_link("gone");
  deliver("c");
  EXPECT_EQ(host.reports().back().state, BC_STATUS_DEGRADED) << "as before";
  EXPECT_EQ(host.reports().back().detail,
            "a does not answer, b does not answer, serving c since 2026-02-05T01:00:15Z");
  source("b").tell().on_link("");
  source("b").tell().on_quotes({});  // an answer with nothing in it
  host.advance(seconds(20));
  EXPECT_EQ(host.reports().back().detail, "a does not answer, serving c since 2026-02-05T01:00:15Z")
      << "however the others are";
}

TEST(PriceConfigTest, AHolidayIsADayThatThereIs) {
  EXPECT_THROW(FakeHost(ScriptedPrice::entry(), R"({"holidays":["2026-02-30"]})"),
               std::runtime_error);
}

}  // namespace
}  // namespace broadcast
