// Source kiwoom_ws against the stand-in: LOGIN, registrations, PING, REAL, and what goes wrong.

#include "tests/unit/plugins/kiwoom_play.hpp"

namespace broadcast::test {
namespace {

const json kTrade = {{"10", "-71000"}, {"11", "-500"},   {"12", "-0.70"}, {"13", "1000"},
                     {"20", "095959"}, {"27", "-71100"}, {"28", "-71000"}};

class KiwoomWsTest : public KiwoomPlay {
 protected:
  void start(const Wanted& wanted, const KiwoomOptions& how) {
    session_ = session(how);
    source_.emplace(session_);
    source_->want(wanted);
    source_->start(heard_.events());
  }
  void start(const Wanted& wanted) { start(wanted, options()); }
  /// Logged in, and registered for as many items.
  [[nodiscard]] bool run_until_registered(std::size_t items) {
    return run_until([&] { return stats().at("registered").size() == items; });
  }
  [[nodiscard]] bool run_until_down(std::size_t links) {
    return run_until([&] { return heard_.links.size() >= links && heard_.is_down(); });
  }
  void real(const std::string& type, const std::string& item, const json& values) {
    control({{"do", "real"}, {"type", type}, {"item", item}, {"values", values}});
  }
  [[nodiscard]] json registered_for(const std::vector<std::string>& list) const {
    json all = json::object();
    for (const std::string& ticker : list) all[ticker] = {"0A", "0B"};
    return all;
  }

  std::shared_ptr<KiwoomSession> session_;
  std::optional<KiwoomWsSource> source_;
};

TEST_F(KiwoomWsTest, BringsWhatItHearsAtOnce) {
  Wanted wanted = tickers({"000660", "005930"});
  wanted.indices = {kIndices.begin(), kIndices.end()};
  start(wanted);
  ASSERT_TRUE(run_until_registered(4));
  EXPECT_TRUE(heard_.is_up());
  EXPECT_EQ(
      stats().at("registered"),
      json({{"000660", {"0A", "0B"}}, {"005930", {"0A", "0B"}}, {"001", {"0J"}}, {"101", {"0J"}}}));
  real("0B", "005930", kTrade);
  real("0J", "101", {{"10", "+850.10"}, {"11", "+1.10"}, {"12", "+0.13"}, {"20", "095958"}});
  ASSERT_TRUE(run_until([&] { return !heard_.quotes.empty() && !heard_.indices.empty(); }));
  EXPECT_EQ(heard_.quotes[0].quote.price, 71'000);
  EXPECT_EQ(heard_.quotes[0].as_of.ns, kTenOClock - 1'000'000'000);
  EXPECT_EQ(heard_.indices[0].index.key, "kosdaq");
  EXPECT_EQ(heard_.indices[0].quote.index, 850.10);
  EXPECT_FALSE(heard_.indices[0].quote.volume);
}

TEST_F(KiwoomWsTest, EachIndexIsTheOneThatItSays) {
  Wanted wanted;
  wanted.indices = {kIndices.begin(), kIndices.end()};
  start(wanted);
  ASSERT_TRUE(run_until_registered(2));
  set("rate", 200);
  ASSERT_TRUE(run_until([&] { return heard_.indices.size() >= 4; }));
  std::set<std::string_view> codes;
  for (const IndexUpdate& update : heard_.indices) {
    codes.insert(update.index.code);
    const double least = update.index.key == "kospi" ? 2600 : 850;  // KOSPI 200 is about 350
    EXPECT_GE(update.quote.index, least) << update.index.name;
    EXPECT_LE(update.quote.index, least + 20) << update.index.name;
  }
  EXPECT_EQ(codes, (std::set<std::string_view>{"001", "201"})) << "as frontends know them";
}

TEST_F(KiwoomWsTest, RegistersWhatIsWantedAndNothingElse) {
  start(many_tickers(250));
  ASSERT_TRUE(run_until_registered(250));
  source_->want(many_tickers(120, 100'200));
  ASSERT_TRUE(run_until([&] {
    return stats().at("registered") == registered_for(many_tickers(120, 100'200).tickers);
  }));
  EXPECT_EQ(stat("largest_group"), 100);
  EXPECT_EQ(stat("registrations_refused"), 0);
}

TEST_F(KiwoomWsTest, RegistersTheOthersWhereItemsAreRefused) {
  set("reg_refuse", {"100003", "100017"});
  start(many_tickers(30));
  ASSERT_TRUE(run_until_registered(28));
  ASSERT_EQ(thread_.logs().size(), 1U) << "the first one stands for all";
  EXPECT_NE(thread_.logs()[0].find("does not register 100003;"), std::string::npos);
  EXPECT_TRUE(heard_.is_up());
}

TEST_F(KiwoomWsTest, EchoesPingsAsTheyCame) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_registered(1));
  set("ping_ms", 0);
  const std::string ping = R"({ "b" : 1,"trnm":"PING", "a":"가" })";
  control({{"do", "send"}, {"text", ping}});
  ASSERT_TRUE(run_until([&] { return stats().value("last_pong", "") == ping; }));
}

TEST_F(KiwoomWsTest, ComesBackAndRegistersWhatIsWantedThen) {
  start(many_tickers(150));
  ASSERT_TRUE(run_until_registered(150));
  control({{"do", "drop"}});
  ASSERT_TRUE(run_until_down(2));
  source_->want(many_tickers(30, 100'140));
  thread_.advance(1s);
  ASSERT_TRUE(run_until([&] {
    return heard_.is_up() &&
           stats().at("registered") == registered_for(many_tickers(30, 100'140).tickers);
  }));
  EXPECT_EQ(stat("issues"), 1) << "the token is still good";
}

TEST_F(KiwoomWsTest, WaitsLongerFromFailureToFailure) {
  set("login", "refuse");
  start(tickers({"005930"}));
  for (std::size_t failures = 1; failures <= 8; ++failures) {
    ASSERT_TRUE(run_until([&] { return heard_.links.size() == failures; }));
    thread_.advance(31s);
  }
  // "...; trying again in 421 ms": half to the whole of the pause, which doubles.
  EXPECT_NE(heard_.links[0].find(" ms"), std::string::npos) << heard_.links[0];
  EXPECT_NE(heard_.links[7].find(" s"), std::string::npos) << heard_.links[7];
  EXPECT_EQ(heard_.links[7].find("LOGIN refused: return_code 3: "), 0U) << heard_.links[7];
}

TEST_F(KiwoomWsTest, StaysAwayForAMinuteWhenAnotherTookOver) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_registered(1));
  control({{"do", "take_over"}});
  ASSERT_TRUE(run_until_down(2));
  EXPECT_NE(heard_.links.back().find("R10001"), std::string::npos) << heard_.links.back();
  EXPECT_NE(heard_.links.back().find("trying again in 60 s"), std::string::npos);
  const std::int64_t logins = stat("logins");
  thread_.advance(59s);
  control({{"do", "set"}, {"ping_ms", 0}});
  EXPECT_EQ(stat("logins"), logins);
  thread_.advance(1s);
  ASSERT_TRUE(run_until_registered(1));
  EXPECT_TRUE(heard_.is_up());
}

TEST_F(KiwoomWsTest, TwoWithOneKeyDoNotFight) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_registered(1));
  control({{"do", "set"}, {"token_life_s", 86'400}});
  KiwoomWsSource other(session());
  Heard heard_other;
  other.want(tickers({"000660"}));
  other.start(heard_other.events());
  ASSERT_TRUE(run_until([&] { return heard_other.is_up() && heard_.is_down(); }));
  EXPECT_EQ(stat("logins"), 2);
}

TEST_F(KiwoomWsTest, ReplacesATokenThatWasKilled) {
  session_ = session();
  std::string token;
  session_->with_token([&](const std::string& one, const std::string&) { token = one; });
  ASSERT_TRUE(run_until([&] { return !token.empty(); }));
  control({{"do", "kill_token"}});
  source_.emplace(session_);
  source_->want(tickers({"005930"}));
  source_->start(heard_.events());
  ASSERT_TRUE(run_until_registered(1));
  EXPECT_EQ(stat("issues"), 2);
  EXPECT_EQ(heard_.links, std::vector<std::string>{""});
}

TEST_F(KiwoomWsTest, ReplacesATokenOnce) {
  set("login", "refuse");
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_down(1));
  EXPECT_EQ(stat("issues"), 2);
  EXPECT_EQ(stat("login_attempts"), 2);
}

TEST_F(KiwoomWsTest, ReplacesATokenWhateverItsRefusalLooksLike) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_registered(1));
  std::int64_t logins = 1;
  for (const json& refusal : {json{{"return_code", 3}, {"return_msg", "[8103:토큰 인증 실패]"}},
                              json{{"return_code", "3"}, {"return_msg", ""}},
                              json{{"return_code", "8005"}}, json{{"return_code", 8010}}}) {
    set("killed", refusal);
    thread_.advance(1min);  // which the token has lived then
    control({{"do", "kill_token"}});
    control({{"do", "drop"}});
    ASSERT_TRUE(run_until([&] { return heard_.is_down(); }));
    thread_.advance(1s);
    ASSERT_TRUE(run_until([&] { return heard_.is_up(); })) << refusal;
    EXPECT_EQ(stat("logins"), ++logins);
  }
  EXPECT_EQ(stat("issues"), 5);
}

TEST_F(KiwoomWsTest, ALoginThatIsRefusedAgainAndAgainIssuesFewTokens) {
  set("login", "refuse");
  start(tickers({"005930"}));
  const std::int64_t begin = thread_.calls().mono_ns();
  for (std::size_t failures = 1; failures <= 20; ++failures) {
    ASSERT_TRUE(run_until([&] { return heard_.links.size() >= failures; }));
    if (thread_.calls().mono_ns() - begin < std::chrono::nanoseconds(50s).count()) {
      EXPECT_LE(stat("issues"), 2);
    }
    thread_.advance(30s);
  }
  EXPECT_LE(stat("issues"), 2 + 3) << "at once, and after one, two and four minutes";
  set("login", "ok");
  ASSERT_TRUE(run_until_registered(1));
}

TEST_F(KiwoomWsTest, ATokenThatRestTakesIsNotReplacedForEachLogin) {
  set("login", "refuse");
  set("limit", 0);
  session_ = session();
  source_.emplace(session_);
  source_->want(tickers({"005930"}));
  source_->start(heard_.events());
  KiwoomRestSource rest(5s, session_);
  Heard heard_rest;
  rest.want(tickers({"005930"}));
  rest.start(heard_rest.events());
  for (std::size_t failures = 1; failures <= 20; ++failures) {
    const std::size_t polls = heard_rest.quotes.size();
    ASSERT_TRUE(run_until(
        [&] { return heard_.links.size() >= failures && heard_rest.quotes.size() > polls; }));
    thread_.advance(30s);
  }
  EXPECT_LE(stat("issues"), 2 + 3);
  EXPECT_TRUE(heard_rest.is_up());
}

TEST_F(KiwoomWsTest, DoesNotReplaceATokenWhereTheKeyIsWrong) {
  set("login", "refuse");
  set("killed", {{"return_code", 3}, {"return_msg", "인증에 실패했습니다[8002:App Key]"}});
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_down(1));
  thread_.advance(5min);
  ASSERT_TRUE(run_until_down(2));
  EXPECT_NE(heard_.links.back().find("app_key or secret_key is wrong"), std::string::npos);
  EXPECT_EQ(stat("issues"), 1);
}

TEST_F(KiwoomWsTest, CountsGarbageAndGoesOn) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_registered(1));
  const std::vector<std::string> garbage = {"",
                                            "{",
                                            "[]",
                                            "7",
                                            R"({"trnm":5})",
                                            R"({"trnm":"WHAT"})",
                                            R"({"trnm":"REG","return_code":0})",
                                            R"({"trnm":"REAL"})",
                                            R"({"trnm":"LOGIN"})",
                                            std::string(20'000, '[')};
  for (const std::string& text : garbage) control({{"do", "send"}, {"text", text}});
  control({{"do", "send_binary"}, {"text", "\x01\x02"}});
  real("0B", "005930", kTrade);
  ASSERT_TRUE(run_until([&] { return !heard_.quotes.empty(); }));
  EXPECT_EQ(heard_.refused.of(Refusal::kMalformed), garbage.size() + 1);
  EXPECT_EQ(heard_.links, std::vector<std::string>{""});
}

TEST_F(KiwoomWsTest, LeavesAConnectionWhoseMessagesAreTooLarge) {
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_registered(1));
  control({{"do", "send"}, {"text", std::string(KiwoomSocket::kMessageBytes + 1, 'x')}});
  ASSERT_TRUE(run_until_down(2));
}

TEST_F(KiwoomWsTest, LeavesAConnectionThatIsSilent) {
  KiwoomOptions how = options();
  how.silence_patience = 300ms;
  start(tickers({"005930"}), how);
  ASSERT_TRUE(run_until_registered(1));
  ASSERT_TRUE(run_until_stat("pongs", stat("pongs") + 10)) << "pings are a sign of life";
  EXPECT_TRUE(heard_.is_up());
  set("ping_ms", 0);
  ASSERT_TRUE(run_until_down(2));
  EXPECT_EQ(heard_.links.back().find("silent for"), 0U) << heard_.links.back();
}

TEST_F(KiwoomWsTest, BoundsTheTimeOfEachAnswer) {
  KiwoomOptions how = options();
  how.answer_patience = 500ms;
  how.late_patience = 500ms;
  set("login", "silent");
  start(tickers({"005930"}), how);
  ASSERT_TRUE(run_until_down(1));
  EXPECT_EQ(heard_.links.back().find("no answer to LOGIN within 500 ms"), 0U);
  set("login", "ok");
  set("reg", "silent");
  thread_.advance(31s);
  ASSERT_TRUE(run_until([&] { return heard_.is_up() && !thread_.logs().empty(); }));
  EXPECT_NE(thread_.logs()[0].find("no answer to REG or REMOVE within 500 ms"), std::string::npos);
  EXPECT_TRUE(heard_.is_up()) << "which is no reason to leave";
}

TEST_F(KiwoomWsTest, AnAnswerToRegThatIsLateHoldsUpRegistrationsAndNothingElse) {
  KiwoomOptions how = options();
  how.late_patience = 300ms;
  start(tickers({"005930"}), how);
  ASSERT_TRUE(run_until_registered(1));
  ASSERT_TRUE(run_until([&] { return heard_.is_up(); }));
  set("reg", "late");
  source_->want(tickers({"000660", "005930"}));
  ASSERT_TRUE(run_until_registered(2));
  source_->want(tickers({"000660", "005930", "035420"}));
  json trade = kTrade;
  for (std::size_t count = 1; thread_.logs().empty(); ++count) {
    trade["13"] = std::to_string(count);
    real("0B", "005930", trade);
    ASSERT_TRUE(run_until([&] { return heard_.quotes.size() == count; })) << "not one is lost";
  }
  EXPECT_EQ(stats().at("registered").size(), 2U) << "the third one waits";
  set("reg", "ok");
  control({{"do", "answer_late"}});
  ASSERT_TRUE(run_until_registered(3)) << "and is registered once the answer is here";
  EXPECT_EQ(stat("logins"), 1);
  EXPECT_EQ(heard_.links, std::vector<std::string>{""});
  EXPECT_EQ(thread_.logs().size(), 1U);
}

TEST_F(KiwoomWsTest, AnAnswerToRegThatNeverComesDoesNotHoldUpTickersForEver) {
  for (const char* how_lost : {"silent", "lost"}) {
    heard_ = {};
    KiwoomOptions how = options();
    how.late_patience = 300ms;
    how.lost_patience = 300ms;
    set("reg", "ok");
    start(tickers({"005930"}), how);
    ASSERT_TRUE(run_until_registered(1));
    ASSERT_TRUE(run_until([&] { return heard_.is_up(); }));
    set("reg", how_lost);
    source_->want(tickers({"000660", "005930"}));
    const std::size_t before = thread_.logs().size();
    ASSERT_TRUE(run_until([&] { return thread_.logs().size() > before; }));
    set("reg", "ok");
    source_->want(tickers({"000660", "005930", "035420"}));
    ASSERT_TRUE(run_until_registered(3));
    for (const char* ticker : {"000660", "005930", "035420"}) {
      const std::size_t quotes = heard_.quotes.size();
      real("0B", ticker, kTrade);
      ASSERT_TRUE(run_until([&] { return heard_.quotes.size() > quotes; })) << ticker;
    }
    EXPECT_EQ(heard_.links, std::vector<std::string>{""});
    EXPECT_EQ(stat("removes"), 0);
    source_.reset();
  }
}

TEST_F(KiwoomWsTest, NoPriceIsLostWhereNoAnswerToRegEverComes) {
  KiwoomOptions how = options();
  how.late_patience = 100ms;
  how.lost_patience = 200ms;
  set("reg", "lost");
  start(tickers({"000660", "005930"}), how);
  ASSERT_TRUE(run_until_registered(2));
  ASSERT_TRUE(run_until_stat("regs", 3)) << "the same again";
  source_->want(tickers({"000660", "005930", "035420"}));
  json trade = kTrade;
  std::size_t count = 0;
  const auto has_traded = [&](const std::string& ticker) {
    trade["13"] = std::to_string(1'000 + ++count);
    real("0B", ticker, trade);
    return run_until([&] { return heard_.quotes.size() == count; });
  };
  while (stats().at("registered").size() < 3) {
    ASSERT_TRUE(has_traded("005930")) << "and says that the first REG was obeyed";
  }
  for (const std::int64_t regs = stat("regs"); stat("regs") < regs + 2;) {
    ASSERT_TRUE(has_traded("000660") && has_traded("005930"));
  }
  ASSERT_TRUE(has_traded("035420"));
  EXPECT_EQ(stat("removes"), 0);
  EXPECT_EQ(heard_.links, std::vector<std::string>{""});
}

TEST_F(KiwoomWsTest, GivesUpATickerAndItsMessagesWithIt) {
  start(tickers({"000660", "005930"}));
  ASSERT_TRUE(run_until_registered(2));
  source_->want(tickers({"000660"}));
  ASSERT_TRUE(run_until_registered(1));
  real("0B", "005930", kTrade);
  real("0B", "000660", kTrade);
  ASSERT_TRUE(run_until([&] { return !heard_.quotes.empty(); }));
  EXPECT_EQ(heard_.quotes[0].ticker, "000660");
}

TEST_F(KiwoomWsTest, FillsNoInboxHoweverMuchComes) {
  start(many_tickers(20));
  ASSERT_TRUE(run_until_registered(20));
  thread_.set_full(true);
  set("rate", 1000);
  ASSERT_TRUE(run_until_stat("real_sent", 1000));
  set("rate", 0);
  // Answered PINGs say that it has read what was before them.
  ASSERT_TRUE(run_until_stat("pongs", stat("pongs") + 2));
  EXPECT_TRUE(heard_.quotes.empty());
  thread_.set_full(false);
  ASSERT_TRUE(run_until([&] { return !heard_.quotes.empty(); }));
  EXPECT_EQ(heard_.quotes.size(), 20U) << "the newest of each";
  EXPECT_LE(thread_.most_posted(), 1U);
}

TEST_F(KiwoomWsTest, StopsAtOnceWhateverItWaitsFor) {
  set("login", "silent");
  start(tickers({"005930"}));
  ASSERT_TRUE(run_until_stat("login_attempts", 1));
  const auto before = std::chrono::steady_clock::now();
  source_.reset();
  session_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s) << "and not after ten";
}

}  // namespace
}  // namespace broadcast::test
