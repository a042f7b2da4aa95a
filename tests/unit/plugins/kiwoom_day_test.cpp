// The trading day with the broadcaster's own library: Kiwoom is the stand-in, over real TLS, while
// the day passes on virtual time.

#include <algorithm>
#include <chrono>
#include <string>

#include <gmock/gmock.h>

#include "tests/unit/plugins/kiwoom_play.hpp"
#include "tests/unit/plugins/plugin_path.hpp"
#include "tests/unit/plugins/sqlite_file.hpp"
#include "tests/unit/plugins/trading_day.hpp"

namespace broadcast::test {
namespace {

/// "10:00:00" in Seoul as Kiwoom writes it, at `now` of a day that begins at half past eight.
std::string clock_of(std::chrono::nanoseconds now) {
  const auto seconds = (now + 8h + 30min) / 1s;
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%02d%02d%02d", static_cast<int>(seconds / 3600 % 24),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return text.data();
}

class KiwoomDayTest : public KiwoomPlay, public Feed {
 protected:
  /// Kiwoom's real time, then `second`.
  json config(const json& second) {
    const KiwoomOptions how = options();
    return {{"tickers", {"000660", "005930"}},
            {"indices", {"kospi"}},
            {"sources",
             {{{"type", "kiwoom_ws"},
               {"app_key", kKey},
               {"secret_key", kSecret},
               {"ca", how.ca},
               {"rest_url", how.rest_url},
               {"ws_url", how.ws_url}},
              second}}};
  }
  /// Virtual seconds, with time for what is real.
  template <class Predicate>
  static bool advance_until(FakeHost& host, Predicate is_done) {
    for (int i = 0; i < 300 && !is_done(); ++i) {
      host.advance(1s);
      static_cast<void>(host.run_posts_until(is_done, 50ms));
    }
    return is_done();
  }
  void connect(FakeHost& host) override {
    set("login", "ok");
    const auto is_registered = [this] { return stats().at("registered").size() == 3; };
    // What waits for its next try waits in virtual time, and connects in real time.
    for (int i = 0; i < 600 && !is_registered(); ++i) {
      host.advance(1s);
      static_cast<void>(host.run_posts_until(is_registered, 30ms));
    }
    ASSERT_TRUE(is_registered());
  }
  void cut(FakeHost& host) override {
    set("login", "refuse");
    control({{"do", "drop"}});
    ASSERT_TRUE(
        host.run_posts_until([&] { return host.reports().back().state == BC_STATUS_DEGRADED; }));
  }
  void trade(FakeHost& host, const std::string& ticker, std::int64_t price) override {
    const std::string now = std::to_string(price);
    real(host, "0B", ticker,
         {{"10", "+" + now},
          {"11", "+500"},
          {"12", "+0.61"},
          {"13", "1000"},
          {"27", "+" + now},
          {"28", "+" + now}});
  }
  void move_index(FakeHost& host, double points) override {
    real(host, "0J", "001", {{"10", "+" + std::to_string(points)}, {"11", "+1.1"}, {"12", "+0.1"}});
  }

 private:
  /// Comes through: it is published, or, where it is not because others serve, at least it was
  /// there.
  void real(FakeHost& host, const std::string& type, const std::string& item, json values) {
    values["20"] = clock_of(host.now());
    const std::size_t before = host.published().size();
    control({{"do", "real"}, {"type", type}, {"item", item}, {"values", values}});
    const bool is_served = host.reports().back().state == BC_STATUS_OK;
    const auto patience = is_served ? std::chrono::nanoseconds(kPatience) : 200ms;
    static_cast<void>(
        host.run_posts_until([&] { return host.published().size() > before; }, patience));
  }
};

TEST_F(KiwoomDayTest, EveryMessageIsOfTheSourceThatServesAtThatHour) {
  const FakeHost::Options begin = TradingDay::host_options();
  set("now_ns", begin.wall_start_ns);
  FakeHost host(plugin_path("price"), config({{"type", "sim"}}).dump(), begin);
  TradingDay day(host, *this, "sim");
  day.play();
  day.check_status();
  for (const char* topic : {"price:005930", "price:000660", "market:kospi"}) {
    day.check_sources(topic);
  }
  EXPECT_THAT(host.misuse(), ::testing::IsEmpty());
  EXPECT_THAT(host.errors(), ::testing::IsEmpty());
}

TEST_F(KiwoomDayTest, ACutDoesNotBringBackTheDatabasesClose) {
  SqliteFile file;
  file.create();
  file.close_price("005930", "2026-02-03", "21500");
  file.close_price("005930", "2026-02-04", "21000");
  file.run("INSERT INTO market_status(date, kospi) VALUES('2026-02-04', 2600)");
  const FakeHost::Options begin = TradingDay::host_options("10:00:00");
  set("now_ns", begin.wall_start_ns);
  FakeHost host(plugin_path("price"), config({{"type", "database"}, {"url", file.url()}}).dump(),
                begin);
  host.start();
  const auto source_of = [&](const char* topic) {
    return host.published(topic).empty() ? json() : host.last(topic)["source"];
  };
  ASSERT_TRUE(advance_until(host, [&] { return source_of("price:005930") == "database"; }));
  EXPECT_EQ(host.last("price:005930")["as_of"], "2026-02-04");
  connect(host);
  trade(host, "005930", 20'800);
  move_index(host, 2'610.55);
  ASSERT_TRUE(advance_until(host, [&] {
    return source_of("price:005930") == "kiwoom_ws" && source_of("market:kospi") == "kiwoom_ws";
  }));
  const auto count = [&] {
    return host.published("price:005930").size() + host.published("market:kospi").size();
  };
  const std::size_t before = count();

  cut(host);
  ASSERT_TRUE(advance_until(host, [&] {
    return without_since(host.reports().back().detail) ==
           "kiwoom_ws does not answer, serving the last live prices";
  }));
  connect(host);
  for (int second = 0; second < 20; ++second) {
    trade(host, "000660", 239'000 + 500 * second);  // the feed is well again
    host.advance(1s);
  }
  EXPECT_EQ(source_of("price:000660"), "kiwoom_ws");
  EXPECT_EQ(without_since(host.reports().back().detail), "serving kiwoom_ws");
  for (const char* topic : {"price:005930", "market:kospi"}) {
    EXPECT_EQ(source_of(topic), "kiwoom_ws") << topic;
  }
  EXPECT_EQ(host.last("price:005930")["data"]["price"], 20'800);
  EXPECT_EQ(count(), before) << "nothing newer came";
  EXPECT_THAT(host.misuse(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace broadcast::test
