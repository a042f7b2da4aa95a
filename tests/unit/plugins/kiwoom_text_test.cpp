// Kiwoom's texts: numbers, times, answers, rows, REAL messages.

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "plugins/price/kiwoom/kiwoom_answer.hpp"
#include "plugins/price/kiwoom/kiwoom_fields.hpp"
#include "plugins/price/kiwoom/kiwoom_quotes.hpp"

namespace broadcast {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::int64_t kSecond = 1'000'000'000;
// Korean time.
constexpr std::int64_t kTuesdayTen = 1'795'482'000 * kSecond;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kDay = 24 * kHour;

TEST(KiwoomFieldsTest, ReadsWholeNumbersWithTheirSign) {
  EXPECT_EQ(parse_whole("+71000"), 71'000);
  EXPECT_EQ(parse_whole("-500"), -500);
  EXPECT_EQ(parse_whole("0"), 0);
  EXPECT_EQ(parse_whole("999999999999999"), 999'999'999'999'999);
}

TEST(KiwoomFieldsTest, RefusesWhatIsNoWholeNumber) {
  for (const char* odd : {"", "+", "-", "--5", "+-5", "1.5", "1e5", " 5", "5 ", "1,000", "0x10",
                          "NaN", "inf", "1000000000000000", "５"}) {
    EXPECT_FALSE(parse_whole(odd)) << odd;
  }
}

TEST(KiwoomFieldsTest, ReadsDecimals) {
  EXPECT_EQ(parse_decimal("+2610.55"), 2610.55);
  EXPECT_EQ(parse_decimal("-0.47"), -0.47);
  EXPECT_EQ(parse_decimal("3"), 3.0);
  EXPECT_FALSE(std::signbit(parse_decimal("-0.00").value_or(-1)));
}

TEST(KiwoomFieldsTest, RefusesWhatIsNoDecimal) {
  for (const char* odd : {"", ".", "1.", ".5", "1.2.3", "nan", "inf", "-inf", "1e3", "1.1234567",
                          "--1.0", "1,5", "1.+5"}) {
    EXPECT_FALSE(parse_decimal(odd)) << odd;
  }
}

TEST(KiwoomFieldsTest, ReadsTimes) {
  EXPECT_EQ(parse_time_of_day("093015"), 9h + 30min + 15s);
  for (const char* odd : {"", "24000", "240000", "096000", "090060", "9:30:0", "0930150"}) {
    EXPECT_FALSE(parse_time_of_day(odd)) << odd;
  }
  EXPECT_EQ(parse_korean_time("20261124100000"), kTuesdayTen);
  for (const char* odd : {"", "20261324100000", "20260230100000", "2026112410000", "x0261124100000",
                          "99991124100000", "00001124100000", "19691231090000", "22010101090000"}) {
    EXPECT_FALSE(parse_korean_time(odd)) << odd;
  }
}

TEST(KiwoomFieldsTest, GivesTimesTheDateOfWhenTheyWereLast) {
  EXPECT_EQ(last_time_of_day(10h, kTuesdayTen), kTuesdayTen);
  EXPECT_EQ(last_time_of_day(9h, kTuesdayTen), kTuesdayTen - kHour);
  EXPECT_EQ(last_time_of_day(15h, kTuesdayTen), kTuesdayTen + 5 * kHour - kDay) << "yesterday's";
}

TEST(KiwoomFieldsTest, MindsMidnightAndClocksThatDiffer) {
  const std::int64_t midnight = kTuesdayTen + 14 * kHour;
  EXPECT_EQ(last_time_of_day(23h + 59min + 59s, midnight + kSecond), midnight - kSecond);
  EXPECT_EQ(last_time_of_day(0s, midnight - kSecond), midnight) << "its clock is ahead";
  EXPECT_EQ(last_time_of_day(10h + 9min, kTuesdayTen), kTuesdayTen + 540 * kSecond);
}

TEST(KiwoomFieldsTest, MindsWeekends) {
  const std::int64_t friday_close = kTuesdayTen - 4 * kDay + 5 * kHour + kHour / 2;
  for (const std::int64_t days : {-3, -2, -1}) {  // Saturday, Sunday, Monday before the opening
    EXPECT_EQ(last_time_of_day(15h + 30min, kTuesdayTen + days * kDay - 2 * kHour), friday_close);
  }
}

TEST(KiwoomFieldsTest, LogsTheServersWordsWithoutSecretsAndOnOneLine) {
  const std::vector<std::string> secrets = {"KEY", "", "TOKEN"};
  EXPECT_EQ(loggable("bad KEY\nand TOKENTOKEN", secrets), "bad *** and ******");
  const std::string shortened = loggable(std::string(199, 'x') + "가나다", secrets);
  EXPECT_EQ(shortened, std::string(199, 'x') + "…");
}

TEST(KiwoomAnswerTest, KnowsWhatFailuresMean) {
  using Verdict = KiwoomAnswer::Verdict;
  const auto verdict = [](unsigned status, const char* body) {
    return judge(status, body, {}).verdict;
  };
  EXPECT_EQ(verdict(200, R"({"return_code":0})"), Verdict::kOk);
  EXPECT_EQ(verdict(200, R"({"return_code":"0"})"), Verdict::kOk);
  EXPECT_EQ(verdict(401, "whatever"), Verdict::kTokenRefused);
  EXPECT_EQ(verdict(429, ""), Verdict::kTooMany);
  EXPECT_EQ(verdict(200, R"({"return_code":5,"return_msg":"허용된 요청 개수를 초과하였습니다"})"),
            Verdict::kTooMany);
  EXPECT_EQ(verdict(200, R"({"return_code":5,"return_msg":"100개까지"})"), Verdict::kFailed);
  EXPECT_EQ(verdict(200, R"({"return_code":"5","return_msg":"허용된 요청 개수를 초과하였습니다"})"),
            Verdict::kTooMany);
  for (const char* body :
       {"", "{", "[]", "{}", R"({"return_code":""})", R"({"return_code":"zero"})",
        R"({"return_code":null})", R"({"return_code":0.5})", R"({"return_code":7})", "\xFF"}) {
    EXPECT_EQ(verdict(200, body), Verdict::kFailed) << body;
  }
  EXPECT_EQ(verdict(500, R"({"return_code":0})"), Verdict::kFailed);
}

TEST(KiwoomAnswerTest, KnowsARefusedTokenWhateverCodeStandsInTheText) {
  for (const char* body :
       {R"({"return_code":3,"return_msg":"인증[8005:Token]"})",
        R"({"return_code":3,"return_msg":"인증[8031:투자구분]"})",
        R"({"return_code":3,"return_msg":"[8103:토큰]"})", R"({"return_code":3})",
        R"({"return_code":"3","return_msg":"[8010:IP]"})", R"({"return_code":"8005"})",
        R"({"return_code":8031})", R"({"return_code":8103})", R"({"return_code":"8010"})"}) {
    EXPECT_EQ(judge(200, body, {}).verdict, KiwoomAnswer::Verdict::kTokenRefused) << body;
  }
}

TEST(KiwoomAnswerTest, SaysThatTheKeyIsWrong) {
  for (const char* body : {R"({"return_code":3,"return_msg":"인증[8001:App Key]"})",
                           R"({"return_code":"3","return_msg":"인증[8002:App Key]"})",
                           R"({"return_code":8001})", R"({"return_code":"8002"})"}) {
    for (const unsigned status : {200U, 401U}) {
      const KiwoomAnswer answer = judge(status, body, {});
      EXPECT_EQ(answer.verdict, KiwoomAnswer::Verdict::kWrongKey) << body;
      EXPECT_NE(answer.error.find("app_key or secret_key is wrong"), std::string::npos);
    }
  }
}

TEST(KiwoomAnswerTest, RenewsATokenBeforeItsEnd) {
  const auto renewed = [](const char* end) {
    return (token_of({{"token", "T"}, {"expires_dt", end}}, kTuesdayTen).renew_ns - kTuesdayTen) /
           kSecond;
  };
  EXPECT_EQ(renewed("20261125100000"), 86'400 - 600);
  EXPECT_EQ(renewed("20261124101000"), 540);
  EXPECT_EQ(renewed("20261124090000"), 60) << "our clock is wrong: not one a call";
}

TEST(KiwoomAnswerTest, RefusesATokenThatIsNone) {
  for (const json& answer :
       {json{{"expires_dt", "20261125100000"}},
        json{{"token", ""}, {"expires_dt", "20261125100000"}},
        json{{"token", "a\r\nb"}, {"expires_dt", "20261125100000"}}, json{{"token", "T"}},
        json{{"token", "T"}, {"expires_dt", "tomorrow"}}, json{{"token", 7}}}) {
    EXPECT_THROW(static_cast<void>(token_of(answer, kTuesdayTen)), std::runtime_error) << answer;
  }
}

json row(const json& changes = json::object()) {
  json row = {{"stk_cd", "005930"},  {"cur_prc", "-71000"},   {"pred_pre", "-500"},
              {"flu_rt", "-0.70"},   {"trde_qty", "1234567"}, {"sel_bid", "-71100"},
              {"buy_bid", "-71000"}, {"cntr_tm", "095959"},   {"stk_nm", "삼성전자"}};
  row.update(changes);
  return row;
}

KiwoomRows read(const json& one) {
  return *quotes_of({{"atn_stk_infr", json::array({one})}}, {"005930"}, kTuesdayTen);
}

TEST(KiwoomRowsTest, ReadARow) {
  const KiwoomRows rows = read(row());
  ASSERT_EQ(rows.quotes.size(), 1U);
  const TickerQuote& one = rows.quotes.front();
  EXPECT_EQ(one.ticker, "005930");
  EXPECT_EQ(one.quote.price, 71'000) << "the sign is the direction";
  EXPECT_EQ(one.quote.change, -500);
  EXPECT_EQ(one.quote.change_rate, -0.7);
  EXPECT_EQ(one.quote.volume, 1'234'567);
  EXPECT_EQ(one.quote.bid_price, 71'000);
  EXPECT_EQ(one.quote.ask_price, 71'100);
  EXPECT_EQ(one.as_of.ns, kTuesdayTen - kSecond);
}

TEST(KiwoomRowsTest, RefuseWhatIsOddTickerByTicker) {
  const std::vector<std::pair<json, Refusal>> odd = {
      {row({{"cur_prc", "abc"}}), Refusal::kNotANumber},
      {row({{"cur_prc", "NaN"}}), Refusal::kNotANumber},
      {row({{"cur_prc", "0"}}), Refusal::kNoPrice},
      {row({{"cur_prc", "-0"}}), Refusal::kNoPrice},
      {row({{"cur_prc", ""}}), Refusal::kNoPrice},
      {row({{"trde_qty", "-5"}}), Refusal::kNotANumber},
      {row({{"flu_rt", "1e9"}}), Refusal::kNotANumber},
      {row({{"pred_pre", "+71000"}}), Refusal::kMalformed},
      {row({{"trde_qty", ""}}), Refusal::kMalformed},
      {row({{"stk_cd", "000660"}}), Refusal::kMalformed},
      {row({{"cur_prc", 71000}}), Refusal::kMalformed},
      {json("row"), Refusal::kMalformed},
      {json{{"stk_cd", ""}, {"cur_prc", ""}}, Refusal::kEmptyRow}};
  for (const auto& [one, why] : odd) {
    const KiwoomRows rows = read(one);
    EXPECT_TRUE(rows.quotes.empty()) << one;
    EXPECT_EQ(rows.refused.of(why), 1U) << one;
    EXPECT_EQ(rows.refused.total(), 1U) << one;
  }
}

TEST(KiwoomRowsTest, ATimeThatCannotBeReadIsNoTime) {
  for (const json& odd : {json(""), json("888888"), json("996199"), json("256161"), json("10:00"),
                          json("soon"), json(95959), json(nullptr)}) {
    const KiwoomRows rows = read(row({{"cntr_tm", odd}}));
    ASSERT_EQ(rows.quotes.size(), 1U) << odd;
    EXPECT_EQ(rows.quotes.front().as_of.text(), "") << odd;
    EXPECT_EQ(rows.refused.of(Refusal::kField), odd == "" ? 0U : 1U) << odd;
    EXPECT_EQ(rows.refused.total(), rows.refused.of(Refusal::kField)) << odd;
  }
}

TEST(KiwoomRowsTest, ABestBidOrAskThatCannotBeReadIsThePrice) {
  const KiwoomRows rows = read(row({{"sel_bid", "-"}, {"buy_bid", " 82,500"}}));
  ASSERT_EQ(rows.quotes.size(), 1U);
  EXPECT_EQ(rows.quotes.front().quote.ask_price, 71'000);
  EXPECT_EQ(rows.quotes.front().quote.bid_price, 71'000);
  EXPECT_EQ(rows.refused.of(Refusal::kField), 2U);
}

TEST(KiwoomRowsTest, ADayOfAnotherCenturyIsNoDay) {
  for (const char* odd : {"99991231", "19000101", "20261331"}) {
    const KiwoomRows rows = read(row({{"dt", odd}, {"cntr_tm", "095959"}}));
    ASSERT_EQ(rows.quotes.size(), 1U) << odd;
    EXPECT_EQ(rows.quotes.front().as_of.ns, kTuesdayTen - kSecond) << odd;
    EXPECT_EQ(rows.refused.of(Refusal::kField), 1U) << odd;
  }
}

TEST(KiwoomRowsTest, TheirDayIsTheirOwn) {
  const auto when = [](const char* day, const char* time) {
    return read(row({{"dt", day}, {"cntr_tm", time}})).quotes.at(0).as_of.text();
  };
  EXPECT_EQ(when("20261124", "095959"), "2026-11-24T00:59:59.000000+00:00");
  EXPECT_EQ(when("20261123", "095959"), "2026-11-23T00:59:59.000000+00:00");
  EXPECT_EQ(when("20261123", "100500"), "2026-11-23T01:05:00.000000+00:00")
      << "it blocks no trade of today";
  EXPECT_EQ(when("20240304", "153000"), "2024-03-04T06:30:00.000000+00:00") << "suspended since";
  EXPECT_EQ(when("20261123", ""), "2026-11-23") << "that day's close";
  EXPECT_EQ(when("20261124", ""), "") << "it may be of now";
  for (const char* none : {"", "20261399", "today"}) {
    EXPECT_EQ(when(none, "095959"), "2026-11-24T00:59:59.000000+00:00") << none;
    EXPECT_EQ(when(none, "100500"), "") << "yesterday's, or of a clock ahead of ours";
    EXPECT_EQ(when(none, "153000"), "2026-11-23T06:30:00.000000+00:00") << none;
  }
}

TEST(KiwoomRowsTest, ARowThatIsMissingCostsOnlyItself) {
  const json answer = {
      {"atn_stk_infr", json::array({row({{"stk_cd", "005930"}}), row({{"stk_cd", "035420"}})})}};
  const auto rows = quotes_of(answer, {"005930", "000660", "035420"}, kTuesdayTen);
  ASSERT_EQ(rows->quotes.size(), 2U);
  EXPECT_EQ(rows->quotes.back().ticker, "035420");
  EXPECT_EQ(rows->refused.of(Refusal::kMalformed), 1U);
}

TEST(KiwoomRowsTest, TakeTheOthersBesideAnOddOne) {
  const json answer = {
      {"atn_stk_infr", json::array({row({{"cur_prc", "x"}}), row({{"stk_cd", "000660"}})})}};
  const auto rows = quotes_of(answer, {"005930", "000660", "035420"}, kTuesdayTen);
  ASSERT_EQ(rows->quotes.size(), 1U);
  EXPECT_EQ(rows->quotes.front().ticker, "000660");
  EXPECT_EQ(rows->refused.of(Refusal::kMalformed), 1U) << "the row that is missing";
  EXPECT_FALSE(quotes_of({{"atn_stk_infr", 7}}, {"005930"}, kTuesdayTen));
}

class KiwoomRealTest : public testing::Test {
 protected:
  KiwoomRealTest() {
    real_.want({.tickers = {"005930"}, .indices = {kIndices.begin(), kIndices.end()}});
  }
  /// The quotes that it brings.
  Quotes hear(const std::string& type, const std::string& item, const json& values,
              std::int64_t wall_ns = kTuesdayTen) {
    Quotes quotes;
    real_.apply({{"data", json::array({{{"type", type}, {"item", item}, {"values", values}}})}},
                wall_ns, quotes, refused_);
    return quotes;
  }
  KiwoomReal real_;
  Refusals refused_;
  const json trade_ = {{"10", "-71000"}, {"11", "-500"},   {"12", "-0.70"},  {"13", "1000"},
                       {"15", "-10"},    {"20", "100000"}, {"27", "-71100"}, {"28", "-71000"}};
};

TEST_F(KiwoomRealTest, MakesAQuoteOfATrade) {
  const Quotes quotes = hear("0B", "005930", trade_);
  ASSERT_EQ(quotes.tickers.size(), 1U);
  const auto& [ticker, quote, as_of] = quotes.tickers.front();
  EXPECT_EQ(quote.price, 71'000);
  EXPECT_EQ(quote.change, -500);
  EXPECT_EQ(quote.change_rate, -0.7);
  EXPECT_EQ(quote.volume, 1000);
  EXPECT_EQ(quote.ask_price, 71'100);
  EXPECT_EQ(quote.bid_price, 71'000);
  EXPECT_EQ(as_of.ns, kTuesdayTen);
}

TEST_F(KiwoomRealTest, KeepsWhatAMessageDoesNotName) {
  hear("0B", "005930", trade_);
  const Quotes quotes = hear("0A", "005930", {{"10", "+72000"}, {"28", "+71900"}});
  ASSERT_EQ(quotes.tickers.size(), 1U);
  const Quote& quote = quotes.tickers.front().quote;
  EXPECT_EQ(quote.price, 72'000);
  EXPECT_EQ(quote.change, 500) << "against the same close of yesterday";
  EXPECT_EQ(quote.change_rate, 0.7);
  EXPECT_EQ(quote.volume, 1000);
  EXPECT_EQ(quote.bid_price, 71'900);
  EXPECT_EQ(quote.ask_price, 71'100);
}

TEST_F(KiwoomRealTest, WaitsUntilAQuoteIsWhole) {
  EXPECT_TRUE(hear("0A", "005930", {{"10", "-71000"}, {"11", "-500"}}).tickers.empty());
  const Quotes quotes = hear("0A", "005930", {{"13", "7"}});
  ASSERT_EQ(quotes.tickers.size(), 1U);
  EXPECT_EQ(quotes.tickers.front().quote.change, -500);
  EXPECT_EQ(quotes.tickers.front().quote.volume, 7);
  EXPECT_EQ(quotes.tickers.front().quote.bid_price, 71'000) << "none is known: the price";
  EXPECT_EQ(refused_.total(), 0U);
}

TEST_F(KiwoomRealTest, ForgetsYesterday) {
  hear("0B", "005930", trade_);
  EXPECT_TRUE(hear("0A", "005930", {{"10", "+72000"}}, kTuesdayTen + kDay).tickers.empty());
}

TEST_F(KiwoomRealTest, RefusesOddMessagesAsAWhole) {
  hear("0B", "005930", trade_);
  for (const json& values :
       {json{{"10", "x"}, {"13", "5"}}, json{{"10", "+0"}}, json{{"13", "-5"}}, json::object(),
        json{{"10", 71000}}, json::array(), json{{"10", "+100"}, {"11", "+100"}},
        json{{"10", "+1"}, {"20", "095959"}}}) {
    EXPECT_TRUE(hear("0B", "005930", values).tickers.empty()) << values;
  }
  EXPECT_EQ(refused_.total(), 8U);
  EXPECT_EQ(refused_.of(Refusal::kOlder), 1U);
  EXPECT_EQ(hear("0A", "005930", {{"28", "+70900"}}).tickers.at(0).quote.volume, 1000);
}

TEST_F(KiwoomRealTest, MakesAnUpdateOfAnIndex) {
  const Quotes quotes = hear(
      "0J", "001",
      {{"10", "-2610.55"}, {"11", "-12.34"}, {"12", "-0.47"}, {"13", "432100"}, {"20", "095930"}});
  ASSERT_EQ(quotes.indices.size(), 1U);
  const auto& [name, quote, as_of] = quotes.indices.front();
  EXPECT_EQ(name.key, "kospi");
  EXPECT_EQ(quote.index, 2610.55);
  EXPECT_EQ(quote.change, -12.34);
  EXPECT_EQ(quote.change_rate, -0.47);
  EXPECT_EQ(quote.volume, 432'100);
  EXPECT_EQ(as_of.ns, kTuesdayTen - 30 * kSecond);
}

TEST_F(KiwoomRealTest, ATimeThatCannotBeReadIsNoTime) {
  hear("0B", "005930", trade_);
  for (const json& odd : {json("888888"), json("256161"), json(""), json("soon"), json(100000)}) {
    const Quotes quotes = hear(
        "0J", "001",
        {{"10", "-2610.55"}, {"11", "-12.34"}, {"12", "-0.47"}, {"13", "432100"}, {"20", odd}});
    ASSERT_EQ(quotes.indices.size(), 1U) << odd;
    EXPECT_EQ(quotes.indices.front().as_of.ns, 0) << odd;
    const Quotes trade = hear("0B", "005930", {{"10", "-71500"}, {"20", odd}});
    ASSERT_EQ(trade.tickers.size(), 1U) << odd;
    EXPECT_EQ(trade.tickers.front().quote.price, 71'500) << odd;
    EXPECT_EQ(trade.tickers.front().as_of.ns, 0) << "not when the trade before it was";
  }
  EXPECT_EQ(refused_.of(Refusal::kField), 8U);
  EXPECT_EQ(refused_.total(), 8U);
  const Quotes offer = hear("0A", "005930", {{"28", "-71400"}});
  ASSERT_EQ(offer.tickers.size(), 1U);
  const Quotes next = hear("0B", "005930", {{"10", "-71600"}, {"20", "100001"}});
  ASSERT_EQ(next.tickers.size(), 1U);
  EXPECT_EQ(next.tickers.front().as_of.ns, kTuesdayTen + kSecond);
  EXPECT_EQ(hear("0A", "005930", {{"28", "-71500"}}).tickers.at(0).as_of.ns, kTuesdayTen + kSecond)
      << "the price is that trade's";
}

TEST_F(KiwoomRealTest, AnOddEntryCostsOnlyItself) {
  json odd = trade_;
  odd["10"] = "1e9";
  const auto entry = [](const char* type, const char* item, const json& values) {
    return json{{"type", type}, {"item", item}, {"values", values}};
  };
  Quotes quotes;
  real_.apply({{"data", json::array({7, entry("0B", "005930", odd), entry("0J", "001", nullptr),
                                     entry("0B", "005930", trade_)})}},
              kTuesdayTen, quotes, refused_);
  EXPECT_EQ(quotes.tickers.size(), 1U);
  EXPECT_EQ(refused_.total(), 3U);
}

TEST_F(KiwoomRealTest, TakesSector101ForKosdaqAndKospi200ForNothing) {
  const json values = {{"10", "+850.10"}, {"11", "+1.10"}, {"12", "+0.13"}};
  const Quotes quotes = hear("0J", "101", values);
  ASSERT_EQ(quotes.indices.size(), 1U);
  EXPECT_EQ(quotes.indices.front().index.key, "kosdaq");
  EXPECT_TRUE(hear("0J", "201", values).indices.empty());
  EXPECT_EQ(refused_.total(), 0U);
}

TEST_F(KiwoomRealTest, IgnoresWhatIsNotWanted) {
  EXPECT_TRUE(hear("0B", "000660", trade_).tickers.empty());
  EXPECT_TRUE(hear("0D", "005930", {{"41", "1"}}).tickers.empty());
  hear("0B", "005930", trade_);
  real_.want({});
  EXPECT_TRUE(hear("0B", "005930", trade_).tickers.empty());
  EXPECT_EQ(refused_.total(), 0U);
}

TEST_F(KiwoomRealTest, CountsWhatIsNoMessage) {
  Quotes quotes;
  for (const json& message :
       {json{{"data", 7}}, json{{"x", 1}}, json{{"data", json::array({7})}},
        json{{"data", json::array({{{"type", "0B"}, {"item", 5}, {"values", {}}}})}},
        json{{"data", json::array({{{"type", "0B"}, {"item", "005930"}}})}}}) {
    real_.apply(message, kTuesdayTen, quotes, refused_);
  }
  EXPECT_EQ(refused_.of(Refusal::kMalformed), 5U);
}

}  // namespace
}  // namespace broadcast
