// Which source serves what, on virtual time.

#include "plugins/price/failover.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/plugins/seoul.hpp"

namespace broadcast {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Verdict = Failover::Verdict;

constexpr std::size_t kWs = 0;
constexpr std::size_t kRest = 1;
constexpr std::size_t kDb = 2;

class FailoverTest : public ::testing::Test {
 protected:
  FailoverTest() { at("2026-02-05 10:00:00"); }

  void at(const std::string& when) { now.wall_ns = seoul(when); }
  /// Second by second, as the broadcaster looks.
  void pass(nanoseconds duration) {
    for (; duration > seconds(0); duration -= seconds(1)) {
      now.mono_ns += nanoseconds(seconds(1)).count();
      now.wall_ns += nanoseconds(seconds(1)).count();
      look();
    }
  }
  void look() {
    failover.on_time(now);
    for (std::size_t source = 0; source < 3; ++source) {
      wanted[source] = failover.take_wanted(source, now);
    }
  }
  void want(const std::string& ticker) {
    failover.want(ticker);
    look();
  }
  void up(std::size_t source) {
    failover.on_link(source, true, now);
    look();
  }
  void down(std::size_t source) {
    failover.on_link(source, false, now);
    look();
  }
  Verdict quote(std::size_t source, const std::string& key, std::int64_t source_ns = 0) {
    return quote(source, key, AsOf{.ns = source_ns});
  }
  Verdict row(std::size_t source, const std::string& day, const std::string& key = "005930") {
    return quote(source, key, AsOf{.day = *parse_day(day)});
  }
  /// Of its tables: until which day they go.
  void newest(std::size_t source, const std::string& day) {
    failover.on_newest(source, {.prices = parse_day(day), .indices = parse_day(day)});
  }
  Verdict quote(std::size_t source, const std::string& key, const AsOf& as_of) {
    const Verdict verdict = failover.on_quote(source, key, as_of, now);
    look();
    return verdict;
  }
  bool serves(std::size_t source, const std::string& key = "005930") {
    return quote(source, key) == Verdict::kServes;
  }
  std::string told() {
    static constexpr const char* kStates[] = {"ok", "degraded", "stale", "down"};
    const auto standing = failover.standing();
    return std::string(kStates[static_cast<std::size_t>(standing.health)]) + ": " +
           failover.detail(standing);
  }
  /// All are up and wanted for 005930, which the first serves.
  void all_well() {
    want("005930");
    for (const std::size_t source : {kWs, kRest, kDb}) up(source);
    ASSERT_TRUE(serves(kWs));
  }

  Failover::Now now{.mono_ns = 1'000'000'000'000, .wall_ns = 0};
  Failover failover{{{"kiwoom_ws", true}, {"kiwoom_rest", false}, {"database", true}}, {}};
  Wanted wanted[3];
};

TEST_F(FailoverTest, TheFirstServesAndNothingIsAskedOfTheOthers) {
  all_well();
  EXPECT_THAT(wanted[kWs].tickers, ElementsAre("005930"));
  EXPECT_THAT(wanted[kRest].tickers, IsEmpty());
  EXPECT_EQ(quote(kRest, "005930"), Verdict::kWaits) << "never two interleaved";
  EXPECT_EQ(quote(kDb, "005930"), Verdict::kWaits);
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, AFreshTickerGetsItsFirstValueFromTheNextSource) {
  all_well();
  want("000660");
  EXPECT_THAT(wanted[kDb].tickers, ElementsAre("000660"));
  EXPECT_TRUE(serves(kDb, "000660"));
  EXPECT_EQ(told(), "ok: serving kiwoom_ws and database");
  EXPECT_TRUE(serves(kRest, "000660"));
  EXPECT_FALSE(serves(kDb, "000660"));
  EXPECT_TRUE(serves(kWs, "000660"));
  EXPECT_FALSE(serves(kRest, "000660"));
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, WhoseConnectionIsDownDoesNotServeAndKeepsItsWants) {
  all_well();
  down(kWs);
  EXPECT_THAT(wanted[kWs].tickers, ElementsAre("005930"));
  EXPECT_THAT(wanted[kRest].tickers, ElementsAre("005930"));
  EXPECT_EQ(told(), "degraded: kiwoom_ws does not answer, asking kiwoom_rest");
  EXPECT_TRUE(serves(kRest));
  EXPECT_THAT(wanted[kDb].tickers, IsEmpty());
  EXPECT_EQ(told(), "degraded: kiwoom_ws does not answer, serving kiwoom_rest");
  down(kRest);
  EXPECT_TRUE(serves(kDb));
  EXPECT_EQ(told(),
            "degraded: kiwoom_ws does not answer, kiwoom_rest does not answer, serving database");
  down(kDb);
  EXPECT_EQ(
      told(),
      "down: kiwoom_ws does not answer, kiwoom_rest does not answer, database does not answer, "
      "no prices");
}

TEST_F(FailoverTest, WhatASourceHadInTheMorningItMustDeliverAnewInTheAfternoon) {
  want("005930");
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  EXPECT_TRUE(serves(kRest));
  EXPECT_TRUE(serves(kWs));
  down(kWs);
  EXPECT_THAT(wanted[kRest].tickers, ElementsAre("005930"));
  EXPECT_THAT(wanted[kDb].tickers, ElementsAre("005930")) << "the REST row may be empty by now";
  EXPECT_TRUE(serves(kDb));
  EXPECT_TRUE(serves(kRest));
  EXPECT_FALSE(serves(kDb));
}

TEST_F(FailoverTest, IndicesAreAskedForInTheOrderOfTheirCodes) {
  failover.want(kIndices[1]);
  failover.want(kIndices[0]);
  look();
  ASSERT_EQ(wanted[kWs].indices.size(), 2U);
  EXPECT_EQ(wanted[kWs].indices[0].key, "kospi");
}

TEST(FailoverPeriodTest, WhoIsAskedOnceAMinuteIsNotSilentInBetween) {
  Failover failover({{.name = "database", .period = std::chrono::minutes(1)}}, {});
  Failover::Now now{.mono_ns = 1'000'000'000'000, .wall_ns = seoul("2026-02-05 10:00:00")};
  failover.want("005930");
  static_cast<void>(failover.take_wanted(0, now));
  for (int second = 0; second < 600; ++second) {
    if (second % 60 == 0) {
      failover.on_link(0, true, now);
      EXPECT_EQ(failover.on_quote(0, "005930", {}, now), Verdict::kServes) << second;
    }
    now.mono_ns += 1'000'000'000;
    now.wall_ns += 1'000'000'000;
    failover.on_time(now);
  }
}

TEST_F(FailoverTest, SilenceInTradingHoursIsAFaultAfterThirtySeconds) {
  all_well();
  pass(seconds(29));
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
  pass(seconds(1));
  EXPECT_EQ(told(), "degraded: kiwoom_ws is silent, asking kiwoom_rest");
  EXPECT_TRUE(serves(kRest));
}

TEST_F(FailoverTest, AnAnsweredPollIsASignOfLife) {
  all_well();
  for (int i = 0; i < 60; ++i) {
    failover.on_data(kWs, now);
    pass(seconds(20));
  }
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, SilenceIsCountedFromTheOpeningBell) {
  at("2026-02-05 08:00:00");
  all_well();
  pass(hours(1) + seconds(29));
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
  pass(seconds(1));
  EXPECT_EQ(told(), "degraded: kiwoom_ws is silent, asking kiwoom_rest");
}

TEST_F(FailoverTest, SilenceIsCountedFromTheFirstWant) {
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  pass(minutes(10));
  want("005930");
  pass(seconds(29));
  EXPECT_EQ(told(), "ok: asking kiwoom_ws");
  pass(seconds(1));
  EXPECT_EQ(told(),
            "stale: kiwoom_ws is silent, kiwoom_rest is silent, database is silent, no prices");
}

TEST_F(FailoverTest, OutsideTradingHoursSilenceIsHealthy) {
  at("2026-02-05 15:29:50");
  all_well();
  pass(hours(17));  // to 08:29:50
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, TheClosingBellHealsWhoWasOnlySilent) {
  at("2026-02-05 15:29:00");
  all_well();
  pass(seconds(30));
  EXPECT_EQ(told(), "degraded: kiwoom_ws is silent, asking kiwoom_rest");
  pass(seconds(40));
  EXPECT_EQ(told(), "ok: asking kiwoom_ws");
}

TEST_F(FailoverTest, WhoIsBackServesAfterTenSecondsOfData) {
  all_well();
  down(kWs);
  ASSERT_TRUE(serves(kDb));
  up(kWs);
  pass(seconds(20));
  EXPECT_FALSE(serves(kWs)) << "the ten seconds begin with its first data";
  pass(seconds(9));
  EXPECT_FALSE(serves(kWs));
  EXPECT_TRUE(serves(kDb));
  pass(seconds(1));
  EXPECT_EQ(failover.on_kept(kWs, "005930"), Verdict::kServes) << "what it delivered meanwhile";
  EXPECT_FALSE(serves(kDb));
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, WhatItHasNotDeliveredSinceItsFaultTheOthersServeOn) {
  all_well();
  want("000660");
  ASSERT_TRUE(serves(kWs, "000660"));
  down(kWs);
  ASSERT_TRUE(serves(kDb, "000660"));
  EXPECT_EQ(quote(kWs, "005930"), Verdict::kLater);
  pass(seconds(10));
  EXPECT_EQ(failover.on_kept(kWs, "005930"), Verdict::kServes);
  EXPECT_TRUE(serves(kDb, "000660"));
  EXPECT_TRUE(serves(kWs, "000660"));
}

TEST_F(FailoverTest, AFaultWhileItRecoversTakesWhatItDelivered) {
  all_well();
  down(kWs);
  EXPECT_EQ(quote(kWs, "005930"), Verdict::kLater);
  EXPECT_EQ(failover.on_kept(kWs, "005930"), Verdict::kLater);
  down(kWs);
  EXPECT_EQ(failover.on_kept(kWs, "005930"), Verdict::kWaits);
  up(kWs);
  EXPECT_EQ(failover.on_kept(kWs, "005930"), Verdict::kWaits);
}

TEST_F(FailoverTest, WhereNobodyIsHealthyWhoIsRecoveringServes) {
  all_well();
  pass(seconds(30));
  down(kRest);
  down(kDb);
  EXPECT_EQ(told(),
            "stale: kiwoom_ws is silent, kiwoom_rest does not answer, database does not answer, "
            "no prices");
  EXPECT_TRUE(serves(kWs));
  EXPECT_EQ(told(),
            "degraded: kiwoom_ws is recovering, kiwoom_rest does not answer, database does not "
            "answer, serving kiwoom_ws");
  EXPECT_THAT(wanted[kDb].tickers, ElementsAre("005930")) << "or it could not come back";
  pass(seconds(10));
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, WhoIsHealthyAgainTakesOverFromWhoIsRecovering) {
  all_well();
  for (const std::size_t source : {kWs, kRest, kDb}) down(source);
  ASSERT_EQ(quote(kRest, "005930"), Verdict::kServes);
  pass(seconds(9));
  EXPECT_EQ(quote(kWs, "005930"), Verdict::kServes) << "neither is proven, and it is the better";
  EXPECT_EQ(quote(kRest, "005930"), Verdict::kLater);
  pass(seconds(1));
  EXPECT_EQ(failover.on_kept(kRest, "005930"), Verdict::kServes);
  EXPECT_EQ(quote(kWs, "005930"), Verdict::kLater);
  pass(seconds(9));
  EXPECT_EQ(failover.on_kept(kWs, "005930"), Verdict::kServes);
}

TEST_F(FailoverTest, ThatTheOthersAreAwayIsToldWhileNothingHasAPrice) {
  want("005930");
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  EXPECT_EQ(told(), "ok: asking kiwoom_ws");
  down(kRest);
  down(kDb);
  EXPECT_EQ(told(),
            "degraded: kiwoom_rest does not answer, database does not answer, asking kiwoom_ws");
  EXPECT_TRUE(serves(kWs));
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, WhoHasNoIndicesIsNoHopeForThem) {
  failover.want(kIndices[0]);
  look();
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  down(kWs);
  down(kDb);
  EXPECT_EQ(told(), "down: kiwoom_ws does not answer, database does not answer, no prices");
}

TEST_F(FailoverTest, OutsideTradingHoursAConnectionAloneIsEnough) {
  at("2026-02-05 20:00:00");
  all_well();
  down(kWs);
  up(kWs);
  pass(seconds(10));
  EXPECT_TRUE(serves(kWs));
}

TEST_F(FailoverTest, AFaultMeanwhileStartsItAnew) {
  at("2026-02-05 20:00:00");
  all_well();
  for (int i = 0; i < 20; ++i) {
    down(kWs);
    up(kWs);
    pass(seconds(9));
    EXPECT_FALSE(serves(kWs));
  }
  pass(seconds(1));
  EXPECT_TRUE(serves(kWs));
}

TEST_F(FailoverTest, WhoIsBackAndSaysNothingIsSilent) {
  all_well();
  down(kWs);
  ASSERT_TRUE(serves(kRest));
  up(kWs);
  EXPECT_EQ(told(), "degraded: kiwoom_ws does not answer, serving kiwoom_rest")
      << "what is being tried is not told";
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(serves(kRest));
    pass(seconds(1));
  }
  EXPECT_EQ(told(), "degraded: kiwoom_ws is silent, serving kiwoom_rest");
}

TEST_F(FailoverTest, WhoIsHeardAfterASilenceHasToProveItselfToo) {
  all_well();
  pass(seconds(30));
  EXPECT_FALSE(serves(kWs));
  pass(seconds(9));
  EXPECT_FALSE(serves(kWs));
  pass(seconds(1));
  EXPECT_TRUE(serves(kWs));
}

TEST_F(FailoverTest, AnOldFaultOfWhoWasNotAskedSinceIsForgotten) {
  all_well();
  down(kRest);
  pass(seconds(1));
  down(kWs);
  up(kRest);
  EXPECT_TRUE(serves(kRest)) << "nobody was served by it, so nothing can flap";
}

TEST_F(FailoverTest, ASourceThatNeverSaysAnythingIsGivenUpAfterTenSeconds) {
  want("005930");
  up(kDb);
  ASSERT_TRUE(serves(kDb));
  EXPECT_TRUE(failover.is_beginning());
  pass(seconds(9));
  EXPECT_TRUE(failover.is_beginning());
  pass(seconds(1));
  EXPECT_FALSE(failover.is_beginning());
  EXPECT_EQ(told(),
            "degraded: kiwoom_ws does not answer, kiwoom_rest does not answer, serving database");
}

TEST_F(FailoverTest, WhoDoesNotServeIndicesIsNotAskedForThemNorMissed) {
  failover.want(kIndices[0]);
  look();
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  down(kWs);
  down(kRest);
  EXPECT_THAT(wanted[kRest].indices, IsEmpty());
  EXPECT_EQ(wanted[kDb].indices.size(), 1U);
  EXPECT_TRUE(serves(kDb, "kospi"));
  EXPECT_EQ(told(), "degraded: kiwoom_ws does not answer, serving database");
}

TEST_F(FailoverTest, AWorseSourceThatIsAwayIsNobodysBusiness) {
  all_well();
  down(kRest);
  down(kDb);
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
  want("999999");  // which only they might have
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, AnOlderQuoteOfTheSameSourceIsRefused) {
  all_well();
  const std::int64_t last = now.wall_ns;
  EXPECT_EQ(quote(kWs, "005930", last), Verdict::kServes);
  EXPECT_EQ(quote(kWs, "005930", last - 1), Verdict::kOlder);
  EXPECT_EQ(quote(kWs, "005930", last), Verdict::kServes) << "two trades in one second";
  EXPECT_EQ(quote(kWs, "005930", 0), Verdict::kServes) << "unknown is let through";
  down(kWs);
  EXPECT_EQ(quote(kDb, "005930", last - 100), Verdict::kServes) << "each has a clock of its own";
}

TEST_F(FailoverTest, ATimeFarAheadDoesNotMakeEverythingElseOlder) {
  all_well();
  const std::int64_t tomorrow = now.wall_ns + nanoseconds(hours(24)).count();
  EXPECT_EQ(quote(kWs, "005930", tomorrow), Verdict::kServes);
  EXPECT_EQ(quote(kWs, "005930", now.wall_ns), Verdict::kServes);
}

TEST_F(FailoverTest, AnOlderQuoteIsNoSignOfLife) {
  all_well();
  EXPECT_EQ(quote(kWs, "005930", 200), Verdict::kServes);
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(quote(kWs, "005930", 100), Verdict::kOlder);
    pass(seconds(1));
  }
  EXPECT_EQ(told(), "degraded: kiwoom_ws is silent, asking kiwoom_rest");
}

TEST_F(FailoverTest, ADailyRowNeverReplacesALiveValueOfItsOwnDayOrALaterOne) {
  all_well();
  down(kWs);
  down(kRest);
  EXPECT_EQ(row(kDb, "2026-02-04"), Verdict::kStands);
  EXPECT_EQ(row(kDb, "2026-02-05"), Verdict::kStands);
  EXPECT_EQ(row(kDb, "2026-02-06"), Verdict::kStands) << "a row of a day to come is of today";
  EXPECT_THAT(wanted[kDb].tickers, ElementsAre("005930")) << "there may be a newer one";
  EXPECT_EQ(told(),
            "degraded: kiwoom_ws does not answer, kiwoom_rest does not answer, serving the last "
            "live prices");
  at("2026-02-06 18:00:00");
  EXPECT_EQ(row(kDb, "2026-02-05"), Verdict::kStands);
  EXPECT_EQ(row(kDb, "2026-02-06"), Verdict::kServes);
  EXPECT_EQ(told(),
            "degraded: kiwoom_ws does not answer, kiwoom_rest does not answer, serving database");
}

TEST_F(FailoverTest, ASourceWithNothingNewerDoesNotHoldUpOneThatHas) {
  all_well();
  down(kWs);
  EXPECT_EQ(row(kRest, "2026-02-04"), Verdict::kStands);
  EXPECT_THAT(wanted[kRest].tickers, ElementsAre("005930"));
  EXPECT_THAT(wanted[kDb].tickers, ElementsAre("005930")) << "it may have a newer one";
  EXPECT_TRUE(serves(kDb));
  EXPECT_EQ(row(kRest, "2026-02-04"), Verdict::kStands);
  EXPECT_TRUE(serves(kDb)) << "on and on";
  EXPECT_EQ(told(), "degraded: kiwoom_ws does not answer, serving database");
  EXPECT_TRUE(serves(kRest)) << "whose turn it is where it has a newer one";
  EXPECT_EQ(quote(kDb, "005930"), Verdict::kWaits);
  EXPECT_THAT(wanted[kDb].tickers, IsEmpty());
}

TEST_F(FailoverTest, ALiveValueReplacesADailyRowOfItsOwnDay) {
  want("005930");
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  EXPECT_EQ(row(kDb, "2026-02-05"), Verdict::kServes);
  EXPECT_EQ(quote(kRest, "005930", now.wall_ns), Verdict::kServes);
  EXPECT_EQ(row(kRest, "2026-02-04"), Verdict::kStands) << "as a ticker that has not traded yet";
}

TEST_F(FailoverTest, ALiveValueOfAnEarlierDayDoesNotReplaceALaterRow) {
  want("005930");
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  EXPECT_EQ(row(kDb, "2026-02-04"), Verdict::kServes);
  EXPECT_EQ(quote(kRest, "005930", seoul("2026-02-03 15:30:00")), Verdict::kStands);
  EXPECT_EQ(quote(kRest, "005930", seoul("2026-02-04 09:00:00")), Verdict::kServes);
}

TEST_F(FailoverTest, WhatStandsIsItsSourcesWhileThatIsWell) {
  all_well();
  ASSERT_EQ(quote(kWs, "005930", now.wall_ns), Verdict::kServes);
  down(kWs);
  EXPECT_EQ(row(kDb, "2026-02-04"), Verdict::kStands);
  up(kWs);
  EXPECT_EQ(quote(kWs, "000660"), Verdict::kUnwanted);
  failover.on_data(kWs, now);
  pass(seconds(10));
  EXPECT_EQ(row(kDb, "2026-02-04"), Verdict::kStands) << "there has been no trade since";
  EXPECT_EQ(told(), "ok: serving kiwoom_ws");
}

TEST_F(FailoverTest, WhatADatabaseHasOnlyItServesBesideTheLastLivePrices) {
  all_well();
  want("000660");
  EXPECT_EQ(row(kDb, "2026-02-04", "000660"), Verdict::kServes);
  down(kWs);
  down(kRest);
  EXPECT_EQ(row(kDb, "2026-02-04"), Verdict::kStands);
  EXPECT_EQ(row(kDb, "2026-02-04", "000660"), Verdict::kServes);
  EXPECT_EQ(told(),
            "degraded: kiwoom_ws does not answer, kiwoom_rest does not answer, serving database "
            "and the last live prices");
}

TEST_F(FailoverTest, WhatWasKeptWhileASourceRecoveredIsNoNewerForThat) {
  all_well();
  for (const std::size_t source : {kRest, kDb}) down(source);
  ASSERT_EQ(quote(kWs, "005930", now.wall_ns), Verdict::kServes);
  down(kWs);
  EXPECT_EQ(row(kDb, "2026-02-04"), Verdict::kStands) << "nobody else is there, and still";
  EXPECT_EQ(failover.on_kept(kDb, "005930"), Verdict::kStands);
}

TEST_F(FailoverTest, WhatWasPublishedOfATickerIsRememberedWhenNobodyWantsItAWhile) {
  all_well();
  failover.forget("005930");
  want("005930");
  down(kWs);
  EXPECT_EQ(row(kDb, "2026-02-05"), Verdict::kStands) << "its topic still has the live price";
}

TEST_F(FailoverTest, ADailyRowThatIsWithdrawnGivesWayToTheOneBeforeItOfTheSameSource) {
  want("005930");
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  EXPECT_EQ(row(kDb, "2026-02-05"), Verdict::kServes);
  EXPECT_EQ(row(kDb, "2026-02-04"), Verdict::kServes) << "today's was a mistake";
  EXPECT_EQ(row(kRest, "2026-02-03"), Verdict::kStands) << "another source's is no withdrawal";
  EXPECT_EQ(quote(kRest, "005930", now.wall_ns), Verdict::kServes);
  EXPECT_EQ(row(kRest, "2026-02-04"), Verdict::kStands) << "nor is a row after a live value";
}

TEST_F(FailoverTest, ADailyRowThatIsOfTheLastTradingDayBeforeTodayIsNewEnough) {
  at("2026-02-09 16:00:00");  // a Monday
  want("005930");
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  newest(kDb, "2026-02-06");
  EXPECT_EQ(row(kDb, "2026-02-06"), Verdict::kServes);
  EXPECT_EQ(told(), "ok: serving database");
  pass(hours(8) - seconds(1));
  EXPECT_EQ(told(), "ok: serving database") << "the collector may run until midnight";
  pass(seconds(1));
  EXPECT_EQ(told(), "degraded: serving database");
  ASSERT_EQ(failover.standing().behind.size(), 1U);
  EXPECT_EQ(day_text(failover.standing().behind[0].newest), "2026-02-06");
  EXPECT_FALSE(failover.standing().behind[0].is_index);
  newest(kDb, "2026-02-09");
  EXPECT_EQ(told(), "ok: serving database");
}

TEST_F(FailoverTest, TheNewestRowOfEachTableCounts) {
  want("005930");
  want("000660");
  failover.want(kIndices[0]);
  look();
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  EXPECT_EQ(row(kDb, "2024-03-04", "000660"), Verdict::kServes) << "it is suspended";
  EXPECT_EQ(row(kDb, "2026-02-04"), Verdict::kServes);
  EXPECT_EQ(row(kDb, "2026-02-03", "kospi"), Verdict::kServes);
  failover.on_newest(kDb, {.prices = parse_day("2026-02-04"), .indices = std::nullopt});
  failover.on_newest(kDb, {.prices = std::nullopt, .indices = parse_day("2026-02-03")});
  ASSERT_EQ(failover.standing().behind.size(), 1U);
  EXPECT_TRUE(failover.standing().behind[0].is_index);
}

TEST_F(FailoverTest, ATickerThatIsNotTradedAnyMoreDoesNotShowHowNewTheRowsAre) {
  want("123456");
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  newest(kDb, "2026-02-04");
  EXPECT_EQ(row(kDb, "2024-03-04", "123456"), Verdict::kServes);
  EXPECT_EQ(told(), "ok: serving database");
  newest(kDb, "2026-02-03");
  EXPECT_EQ(told(), "degraded: serving database");
  EXPECT_TRUE(serves(kWs, "123456"));
  EXPECT_EQ(told(), "ok: serving kiwoom_ws") << "nothing comes out of the table";
}

TEST_F(FailoverTest, WithoutATimeAValueBeforeTheOpeningIsOfTheLastTradingDay) {
  const std::pair<const char*, const char*> rows[] = {{"2026-02-05 00:00:01", "2026-02-04"},
                                                      {"2026-02-05 08:59:59", "2026-02-04"},
                                                      {"2026-02-07 12:00:00", "2026-02-06"},
                                                      {"2026-02-09 08:00:00", "2026-02-06"}};
  for (const auto& [when, day] : rows) {
    at(when);
    EXPECT_EQ(failover.as_of(kWs, {}, now).text(), day) << when;
    const std::int64_t close = now.wall_ns + nanoseconds(hours(7)).count();
    EXPECT_EQ(failover.as_of(kWs, {.ns = close}, now).text(), day) << when << ", its close to come";
  }
  for (const char* when : {"2026-02-05 09:00:00", "2026-02-05 23:59:59"}) {
    at(when);
    EXPECT_EQ(failover.as_of(kWs, {}, now).ns, now.wall_ns) << when;
  }
  at("2026-02-05 08:00:00");
  want("005930");
  for (const std::size_t source : {kWs, kRest, kDb}) up(source);
  EXPECT_EQ(row(kDb, "2026-02-05"), Verdict::kServes);
  EXPECT_EQ(quote(kWs, "005930"), Verdict::kStands) << "it is yesterday's";
}

TEST(FailoverHolidayTest, ATimeOnADayWithoutTradingIsOfTheDayBefore) {
  const Failover failover({{.name = "kiwoom_ws"}},
                          {.hours = TradingHours({*parse_day("2026-02-04")})});
  const Failover::Now now{.mono_ns = 0, .wall_ns = seoul("2026-02-05 10:00:00")};
  const AsOf holiday{.ns = seoul("2026-02-04 15:30:00")};
  EXPECT_EQ(failover.as_of(0, holiday, now).text(), "2026-02-03");
}

TEST(FailoverSimulatedTest, WhateverWasTrueMayFollowWhatIsSimulated) {
  Failover failover({{.name = "database"}, {.name = "sim", .is_simulated = true}}, {});
  Failover::Now now{.mono_ns = 1'000'000'000'000, .wall_ns = seoul("2026-02-05 10:00:00")};
  failover.want("005930");
  failover.on_link(0, true, now);
  failover.on_link(1, true, now);
  EXPECT_EQ(failover.on_quote(1, "005930", {}, now), Verdict::kServes);
  EXPECT_EQ(failover.as_of(1, {}, now).text(), "") << "it never was true";
  const AsOf yesterday{.day = *parse_day("2026-02-04")};
  EXPECT_EQ(failover.on_quote(0, "005930", yesterday, now), Verdict::kServes);
}

TEST(FailoverSimulatedTest, IsNotAskedWhereTheLastTrueValueStands) {
  Failover failover(
      {{.name = "kiwoom_ws"}, {.name = "database"}, {.name = "sim", .is_simulated = true}}, {});
  const Failover::Now now{.mono_ns = 1'000'000'000'000, .wall_ns = seoul("2026-02-05 10:00:00")};
  failover.want("005930");
  for (const std::size_t source : {0U, 1U, 2U}) failover.on_link(source, true, now);
  ASSERT_EQ(failover.on_quote(0, "005930", {.ns = now.wall_ns}, now), Verdict::kServes);
  failover.on_link(0, false, now);
  const AsOf yesterday{.day = *parse_day("2026-02-04")};
  EXPECT_EQ(failover.on_quote(1, "005930", yesterday, now), Verdict::kStands);
  EXPECT_THAT(failover.take_wanted(2, now).tickers, IsEmpty());
  EXPECT_EQ(failover.on_quote(2, "005930", {}, now), Verdict::kWaits);
}

TEST_F(FailoverTest, WhereASourceDoesNotSayWhenAValueWasTrueItIsWhenItCame) {
  EXPECT_EQ(failover.as_of(kWs, {}, now).ns, now.wall_ns);
  EXPECT_EQ(failover.as_of(kWs, {.ns = now.wall_ns - 5}, now).ns, now.wall_ns - 5);
  const std::int64_t tomorrow = now.wall_ns + nanoseconds(hours(24)).count();
  EXPECT_EQ(failover.as_of(kWs, {.ns = tomorrow}, now).ns, now.wall_ns) << "it cannot be";
  EXPECT_EQ(failover.as_of(kDb, {.day = *parse_day("2026-02-04")}, now).text(), "2026-02-04");
}

TEST_F(FailoverTest, WhatIsGivenUpIsUnwantedAndBeginsAnew) {
  all_well();
  failover.forget("005930");
  EXPECT_EQ(quote(kWs, "005930"), Verdict::kUnwanted);
  EXPECT_EQ(told(), "ok: nothing is asked for");
  want("005930");
  EXPECT_TRUE(serves(kDb));
}

}  // namespace
}  // namespace broadcast
