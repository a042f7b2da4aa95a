// Source kiwoom_rest against the stand-in: token, batches, limit, and what goes wrong.

#include "tests/unit/plugins/kiwoom_play.hpp"

namespace broadcast::test {
namespace {

class KiwoomRestTest : public KiwoomPlay {
 protected:
  /// Rounds come faster here than the limit allows.
  KiwoomRestTest() { set("limit", 0); }

  void start(const Wanted& wanted, const KiwoomOptions& how,
             std::chrono::nanoseconds interval = 1h) {
    session_ = session(how);
    source_.emplace(interval, session_);
    source_->want(wanted);
    source_->start(heard_.events());
  }
  void start(const Wanted& wanted) { start(wanted, options()); }
  void next_round() { thread_.advance(1h); }
  [[nodiscard]] bool run_until_quotes(std::size_t count) {
    return run_until([&] { return heard_.quotes.size() >= count; });
  }
  [[nodiscard]] bool run_until_links(std::size_t count) {
    return run_until([&] { return heard_.links.size() >= count; });
  }
  /// The same where the limiter's clock hurries.
  [[nodiscard]] bool hurry_until_links(std::size_t count) {
    return run_until([&] {
      thread_.advance(100ms);
      return heard_.links.size() >= count;
    });
  }
  /// The next call is answered with it.
  void fault(const json& fault) { control({{"do", "fault"}, {"faults", json::array({fault})}}); }

  std::shared_ptr<KiwoomSession> session_;
  std::optional<KiwoomRestSource> source_;
};

TEST_F(KiwoomRestTest, BringsQuotesAtOnceAndEveryInterval) {
  start(tickers({"000660", "005930"}));
  ASSERT_TRUE(run_until_quotes(2));
  EXPECT_TRUE(heard_.is_up());
  EXPECT_EQ(heard_.quotes[0].ticker, "000660");
  EXPECT_EQ(heard_.quotes[0].quote.change, -500);
  EXPECT_EQ(heard_.quotes[0].as_of.ns, kTenOClock);
  next_round();
  ASSERT_TRUE(run_until_quotes(4));
  EXPECT_EQ(stat("issues"), 1);
  EXPECT_EQ(stat("connections"), 1) << "kept alive";
  EXPECT_EQ(stats().at("name_indicated"), "localhost");
}

TEST_F(KiwoomRestTest, AsksForANewTickerAtOnce) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  source_->want(tickers({"000660", "005930"}));
  ASSERT_TRUE(run_until_quotes(2));
  EXPECT_EQ(heard_.quotes[1].ticker, "000660");
}

TEST_F(KiwoomRestTest, AsksInBatchesOf100) {
  start(many_tickers(250));
  ASSERT_TRUE(run_until_quotes(250));
  EXPECT_EQ(stat("polls"), 3);
  EXPECT_EQ(heard_.refused.total(), 0U);
}

TEST_F(KiwoomRestTest, IsNeverSeenMoreThanFiveTimesInASecond) {
  set("limit", 5);
  start(many_tickers(950));
  ASSERT_TRUE(run_until_quotes(950));
  EXPECT_LE(stat("most_in_a_second"), 5);  // five at once: KiwoomLimiterTest, on virtual time
  EXPECT_EQ(stat("too_many"), 0);
}

TEST_F(KiwoomRestTest, ComesAgainWhenThereWereTooMany) {
  fault({{"status", 429}, {"body", "slow down"}});  // the token
  fault({{"path", "/api/dostk/stkinfo"},
         {"body", R"({"return_code":5,"return_msg":"허용된 요청 개수를 초과하였습니다"})"}});
  start(tickers({"005930"}));
  ASSERT_TRUE(hurry_until_links(1));
  EXPECT_EQ(heard_.links, std::vector<std::string>{""});
  EXPECT_EQ(heard_.quotes.size(), 1U);
  EXPECT_EQ(stat("issues"), 2) << "of the first one it knows nothing";
}

TEST_F(KiwoomRestTest, GivesUpWhereThereAreAlwaysTooMany) {
  for (int i = 0; i < 4; ++i) fault({{"path", "/api/dostk/stkinfo"}, {"status", 429}});
  start(tickers({"005930"}));
  ASSERT_TRUE(hurry_until_links(1));
  EXPECT_EQ(heard_.links[0], "HTTP 429, too many requests");
  next_round();
  ASSERT_TRUE(run_until_quotes(1));
  EXPECT_TRUE(heard_.is_up());
}

TEST_F(KiwoomRestTest, ReplacesAKilledToken) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  control({{"do", "kill_token"}});
  next_round();
  ASSERT_TRUE(run_until_quotes(2));
  set("killed_style", "401");
  control({{"do", "kill_token"}});
  next_round();
  ASSERT_TRUE(run_until_quotes(3));
  EXPECT_EQ(stat("issues"), 3);
  EXPECT_EQ(stat("killed_answers"), 2);
  for (const std::string& link : heard_.links) EXPECT_EQ(link, "");
}

TEST_F(KiwoomRestTest, ReplacesATokenWhateverItsRefusalLooksLike) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  std::size_t polls = 1;
  for (const json& refusal : {json{{"return_code", 3}, {"return_msg", "[8103:토큰 인증 실패]"}},
                              json{{"return_code", "3"}, {"return_msg", ""}},
                              json{{"return_code", "8005"}}, json{{"return_code", 8031}}}) {
    set("killed", refusal);
    control({{"do", "kill_token"}});
    next_round();
    ASSERT_TRUE(run_until_quotes(++polls)) << refusal;
  }
  EXPECT_EQ(stat("issues"), 5);
  for (const std::string& link : heard_.links) EXPECT_EQ(link, "");
}

TEST_F(KiwoomRestTest, TakesAnIssueThatBringsTheSameTokenAgain) {
  set("issue_style", "same");
  fault({{"path", "/api/dostk/stkinfo"}, {"body", R"({"return_code":3,"return_msg":"[8005:"})"}});
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  EXPECT_EQ(stat("issues"), 2);
  EXPECT_EQ(heard_.links, std::vector<std::string>{""});
}

TEST_F(KiwoomRestTest, ARefusalAgainAndAgainIssuesFewTokens) {
  start(tickers({"005930"}), options(), 5s);
  ASSERT_TRUE(run_until_quotes(1));
  for (int i = 0; i < 1000; ++i) fault({{"path", "/api/dostk/stkinfo"}, {"status", 401}});
  const std::int64_t begin = thread_.calls().mono_ns();
  ASSERT_TRUE(run_until([&] {
    if (heard_.links.size() > 1) thread_.advance(5s);
    return thread_.calls().mono_ns() - begin > std::chrono::nanoseconds(10min).count();
  }));
  EXPECT_LE(stat("issues"), 1 + 4) << "at once, and after one, two and four minutes";
  EXPECT_EQ(heard_.links.back(), "HTTP 401, the token is not accepted");
}

TEST_F(KiwoomRestTest, TwoHostsWithOneKeyIssueFewTokens) {
  start(tickers({"005930"}), options(), 5s);
  ASSERT_TRUE(run_until_quotes(1));
  KiwoomRestSource other(5s, session());
  Heard heard_other;
  other.want(tickers({"005930"}));
  other.start(heard_other.events());
  const auto asked = [&] { return stat("polls") + stat("killed_answers"); };
  const std::int64_t begin = thread_.calls().mono_ns();
  while (thread_.calls().mono_ns() - begin < std::chrono::nanoseconds(5min).count()) {
    const std::int64_t before = asked();
    thread_.advance(5s);
    ASSERT_TRUE(run_until([&] { return asked() >= before + 2; }));
  }
  EXPECT_LE(stat("issues"), 2 + 2 * 5) << "each at once, and at most every minute";
}

TEST_F(KiwoomRestTest, SaysThatAKeyIsNotAccepted) {
  fault({{"path", "/oauth2/token"}, {"status", 401}});
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_links(1));
  EXPECT_EQ(heard_.links[0], "no token: HTTP 401, app_key or secret_key is not accepted");
}

TEST_F(KiwoomRestTest, ReplacesAKilledTokenOnce) {
  for (int i = 0; i < 2; ++i) fault({{"path", "/api/dostk/stkinfo"}, {"status", 401}});
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_links(1));
  EXPECT_EQ(heard_.links[0], "HTTP 401, the token is not accepted");
  EXPECT_EQ(stat("issues"), 2);
}

TEST_F(KiwoomRestTest, RenewsATokenBeforeItEnds) {
  set("token_life_s", 7200);
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  set("now_ns", kTenOClock + std::chrono::nanoseconds(1h).count());
  next_round();
  ASSERT_TRUE(run_until_quotes(2));
  EXPECT_EQ(stat("issues"), 1);
  thread_.advance(51min);
  source_->want(tickers({"000660", "005930"}));
  ASSERT_TRUE(run_until_quotes(3));
  EXPECT_EQ(stat("issues"), 2);
  EXPECT_EQ(stat("killed_answers"), 0);
}

TEST_F(KiwoomRestTest, UsesATokenToItsEndWhereItCannotBeRenewed) {
  set("token_life_s", 7200);
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  set("secret", "another one");
  thread_.advance(111min);
  ASSERT_TRUE(run_until_quotes(2));
  EXPECT_TRUE(heard_.is_up());
}

TEST_F(KiwoomRestTest, SaysThatAKeyIsWrongAndDoesNotHammer) {
  set("secret", "another one");
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_links(1));
  EXPECT_EQ(heard_.links[0].find("no token: return_code 3: "), 0U) << heard_.links[0];
  EXPECT_NE(heard_.links[0].find("app_key or secret_key is wrong"), std::string::npos);
  source_->want(tickers({"000660", "005930"}));
  ASSERT_TRUE(run_until_links(2));
  EXPECT_EQ(stat("requests"), 1) << "the back-off";
}

TEST_F(KiwoomRestTest, RefusesWhatIsOddAndTakesTheRest) {
  set("unknown", {"999999"});
  set("rows", {{"000660", {{"cur_prc", "NaN"}}}});
  start(tickers({"000660", "005930", "999999"}));
  ASSERT_TRUE(run_until_quotes(1));
  EXPECT_EQ(heard_.quotes[0].ticker, "005930");
  EXPECT_EQ(heard_.refused.of(Refusal::kEmptyRow), 1U);
  EXPECT_EQ(heard_.refused.of(Refusal::kNotANumber), 1U);
  EXPECT_TRUE(heard_.is_up());
}

TEST_F(KiwoomRestTest, SaysWhatIsWrongWithAnAnswer) {
  const std::vector<std::pair<json, std::string>> faults = {
      {{{"body", "garbage"}}, "HTTP 200, not a JSON object"},
      {{{"body", ""}}, "HTTP 200, not a JSON object"},
      {{{"status", 500}, {"body", "<html>"}}, "HTTP 500, not a JSON object"},
      {{{"body", R"({"return_code":0})"}}, "an answer without the list atn_stk_infr"},
      {{{"body", R"({"return_code":7,"return_msg":"bad the-app-key-0123"})"}},
       "return_code 7: bad ***"}};
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  for (const auto& [one, text] : faults) {
    fault(one);
    const std::size_t before = heard_.links.size();
    next_round();
    ASSERT_TRUE(run_until_links(before + 1));
    EXPECT_EQ(heard_.links.back(), text);
  }
  next_round();
  ASSERT_TRUE(run_until([&] { return heard_.is_up(); }));
}

TEST_F(KiwoomRestTest, BoundsAnAnswerInTimeAndSize) {
  KiwoomOptions how = options();
  how.answer_patience = 300ms;
  start(tickers({"005930"}), how);
  ASSERT_TRUE(run_until_quotes(1));
  fault({{"never", true}});
  next_round();
  ASSERT_TRUE(run_until_links(2));
  EXPECT_EQ(heard_.links.back(), "no complete answer within 300 ms");
  fault({{"pad", 4 * 1024 * 1024}});
  next_round();
  ASSERT_TRUE(run_until_links(3));
  EXPECT_TRUE(heard_.is_down()) << "too large";
  next_round();
  ASSERT_TRUE(run_until_quotes(2));
}

TEST_F(KiwoomRestTest, ComesAgainOnANewConnectionWhereTheKeptOneIsWorn) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  control({{"do", "drop"}});
  next_round();
  ASSERT_TRUE(run_until_quotes(2));
  fault({{"close", true}});
  next_round();
  ASSERT_TRUE(run_until_quotes(3));
  next_round();
  ASSERT_TRUE(run_until_quotes(4));
  for (const std::string& link : heard_.links) EXPECT_EQ(link, "");
  EXPECT_EQ(stat("connections"), 3);
}

TEST_F(KiwoomRestTest, TwoSourcesShareOneTokenAndOneLimit) {
  set("limit", 5);
  session_ = session();
  KiwoomRestSource second(1h, session_);
  KiwoomWsSource third(session_);
  Heard heard_second;
  Heard heard_third;
  source_.emplace(1h, session_);
  second.want(many_tickers(500));
  third.want(many_tickers(10));
  third.start(heard_third.events());
  second.start(heard_second.events());
  source_->want(many_tickers(500));
  source_->start(heard_.events());
  const auto are_served = [&] {
    return heard_.quotes.size() == 500 && heard_second.quotes.size() == 500 && heard_third.is_up();
  };
  ASSERT_TRUE(run_until(are_served));
  EXPECT_EQ(stat("issues"), 1);
  EXPECT_EQ(stat("issues_at_once"), 1);
  EXPECT_LE(stat("most_in_a_second"), 5);  // of the eleven that are wanted at once
  control({{"do", "kill_token"}});
  next_round();
  ASSERT_TRUE(run_until(
      [&] { return heard_.quotes.size() == 1000 && heard_second.quotes.size() == 1000; }));
  EXPECT_EQ(stat("issues"), 2);
  EXPECT_EQ(stat("issues_at_once"), 1);
}

TEST_F(KiwoomRestTest, HandsOverWhatTheInboxTakesAgainOnceItHasRoom) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_quotes(1));
  thread_.set_full(true);
  next_round();
  ASSERT_TRUE(run_until_stat("polls", 2));
  thread_.set_full(false);
  ASSERT_TRUE(run_until_quotes(2));
}

TEST_F(KiwoomRestTest, StopsAtOnceWhateverItWaitsFor) {
  fault({{"never", true}});
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_stat("requests", 1));
  const auto before = std::chrono::steady_clock::now();
  source_.reset();
  session_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s) << "and not after ten";
}

}  // namespace
}  // namespace broadcast::test
