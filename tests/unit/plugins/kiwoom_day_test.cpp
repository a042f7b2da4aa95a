// The trading day with the broadcaster's own library: Kiwoom is the stand-in, over real TLS, while
// the day passes on virtual time.

#include <algorithm>
#include <chrono>
#include <string>

#include <gmock/gmock.h>

#include "tests/unit/plugins/kiwoom_play.hpp"
#include "tests/unit/plugins/plugin_path.hpp"
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
  const KiwoomOptions how = options();
  const json config = {{"tickers", {"000660", "005930"}},
                       {"indices", {"kospi"}},
                       {"sources",
                        {{{"type", "kiwoom_ws"},
                          {"app_key", kKey},
                          {"secret_key", kSecret},
                          {"ca", how.ca},
                          {"rest_url", how.rest_url},
                          {"ws_url", how.ws_url}},
                         {{"type", "sim"}}}}};
  const FakeHost::Options begin = TradingDay::host_options();
  set("now_ns", begin.wall_start_ns);
  FakeHost host(plugin_path("price"), config.dump(), begin);
  TradingDay day(host, *this, "sim");
  day.play();
  day.check_status();
  for (const char* topic : {"price:005930", "price:000660", "market:kospi"}) {
    day.check_sources(topic);
  }
  EXPECT_THAT(host.misuse(), ::testing::IsEmpty());
  EXPECT_THAT(host.errors(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace broadcast::test
