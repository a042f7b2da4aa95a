#pragma once
// A day at the exchange as one script on virtual time: before the opening, open, Kiwoom cut at
// 10:00, back at 10:05, close, a silent evening; or a day of the test's own. Who plays Kiwoom is
// behind Feed: an object in the test, or a server that speaks its protocol.

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

#include "tests/unit/plugins/seoul.hpp"

namespace broadcast {

/// What `status:price` says, without since when.
inline std::string without_since(const std::string& detail) {
  const std::size_t since = detail.find(" since ");
  if (since == std::string::npos) return detail;
  constexpr std::string_view kTime = " since 2026-02-05T01:02:03Z";
  return detail.substr(0, since) + detail.substr(since + kTime.size());
}

/// When each returns, what it caused has been published.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual void connect(FakeHost& host) = 0;
  virtual void cut(FakeHost& host) = 0;
  virtual void trade(FakeHost& host, const std::string& ticker, std::int64_t price) = 0;
  virtual void move_index(FakeHost& host, double points) = 0;
};

/// The day's host and what is expected of it. The broadcaster's first source is the feed, as
/// "kiwoom_ws"; its second one is asked every five seconds, and answers at once.
class TradingDay {
 public:
  using Clock = std::string;                           // "09:00:00", in Seoul
  static constexpr const char* kDate = "2026-02-05 ";  // a Thursday
  static constexpr const char* kBegin = "08:30:00";
  static constexpr std::chrono::seconds kBetweenTrades{10};

  static FakeHost::Options host_options(const Clock& begin = kBegin) {
    return {.wall_start_ns = seoul(kDate + begin)};
  }

  TradingDay(FakeHost& host, Feed& feed, std::string second, Clock begin = kBegin)
      : host_(host), feed_(feed), second_(std::move(second)), begin_(std::move(begin)) {}

  enum class Trading { kNo, kOnlyTheLargest, kYes };
  /// Of a day: who serves a topic, and how often.
  struct Part {
    Clock from;
    Clock to;
    std::string source;
    std::chrono::seconds between;
  };

  void play() {
    begin();
    until("09:00:00", Trading::kNo);
    until("10:00:00", Trading::kYes);
    cut();
    until("10:05:00", Trading::kNo);
    back();
    until("15:30:00", Trading::kYes);
    until("20:00:00", Trading::kNo);
  }

  void begin() {
    begin_alone();
    feed_.connect(host_);
  }
  void begin_alone() {
    host_.start();
    note_told();
  }
  void until(const Clock& clock, Trading trading) {
    while (host_.now() < time(clock)) {
      const bool is_tick = host_.now() % kBetweenTrades == std::chrono::seconds(0);
      if (trading != Trading::kNo && is_tick) {
        feed_.trade(host_, "005930", 82'500 + 100 * (++trades_ % 7));
        if (trading == Trading::kYes) {
          feed_.trade(host_, "000660", 239'000 + 500 * (trades_ % 5));
          feed_.move_index(host_, 2'610.55 + static_cast<double>(trades_ % 10));
        }
      }
      host_.advance(std::chrono::seconds(1));
      note_told();
    }
  }
  void cut() {
    feed_.cut(host_);
    note_told();
  }
  void back() {
    feed_.connect(host_);
    back_ = host_.now();
  }

  /// What `status:price` said, and when: "09:00:04 ok: serving kiwoom_ws".
  [[nodiscard]] const std::vector<std::string>& told() const { return told_; }

  void check_status() const {
    std::vector<std::pair<std::int32_t, std::string>> told;
    for (const auto& report : host_.reports())
      told.emplace_back(report.state, without_since(report.detail));
    const std::vector<std::pair<std::int32_t, std::string>> expected = {
        {BC_STATUS_OK, "serving " + second_},  // what has not been traded yet
        {BC_STATUS_OK, "serving kiwoom_ws"},   // 09:00:03
        {BC_STATUS_DEGRADED, "kiwoom_ws does not answer, serving " + second_},
        {BC_STATUS_OK, "serving kiwoom_ws"},
    };
    EXPECT_EQ(told, expected);
  }

  void check_sources(const std::string& topic) const {
    // Ten seconds of data, from the first trade on.
    const auto trade = (back_ + kBetweenTrades - std::chrono::nanoseconds(1)) / kBetweenTrades;
    const Clock recovered = clock(trade * kBetweenTrades + std::chrono::seconds(10));
    check_sources(topic, {{kBegin, "09:00:00", second_, std::chrono::seconds(5)},
                          {"09:00:00", "10:00:00", "kiwoom_ws", kBetweenTrades},
                          {"10:00:00", recovered, second_, std::chrono::seconds(5)},
                          {recovered, "15:30:00", "kiwoom_ws", kBetweenTrades}});
  }

  /// Every message of `topic`: whose it is, and that nobody else's stands between.
  void check_sources(const std::string& topic, const std::vector<Part>& parts) const {
    const auto messages = host_.published(topic);
    std::size_t at = 0;
    for (const Part& part : parts) {
      std::size_t count = 0;
      for (; at < messages.size() && messages[at].at <= time(part.to); ++at, ++count) {
        const bool is_his = messages[at].json()["source"] == part.source;
        if (!is_his && messages[at].at == time(part.to)) break;  // the next one begins
        ASSERT_TRUE(is_his) << topic << ", " << clock(messages[at].at) << ": "
                            << messages[at].payload;
      }
      const auto expected = (time(part.to) - time(part.from)) / part.between;
      EXPECT_NEAR(static_cast<double>(count), static_cast<double>(expected), 2) << part.source;
    }
    EXPECT_EQ(at, messages.size()) << "nothing comes afterwards";
  }

 private:
  void note_told() {
    static constexpr std::array<const char*, 4> kStates = {"ok", "degraded", "stale", "down"};
    while (told_.size() < host_.reports().size()) {
      const auto& report = host_.reports()[told_.size()];
      told_.push_back(clock(host_.now()) + " " +
                      kStates.at(static_cast<std::size_t>(report.state)) + ": " +
                      without_since(report.detail));
    }
  }
  [[nodiscard]] std::chrono::nanoseconds time(const Clock& clock) const {
    return std::chrono::nanoseconds(seoul(kDate + clock) - seoul(kDate + begin_));
  }
  [[nodiscard]] Clock clock(std::chrono::nanoseconds at) const {
    const std::chrono::nanoseconds begin(seoul(kDate + begin_) -
                                         seoul(std::string(kDate) + "00:00:00"));
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(begin + at));
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%02d:%02d:%02d",
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    return text.data();
  }

  FakeHost& host_;
  Feed& feed_;
  const std::string second_;
  const Clock begin_;
  std::chrono::nanoseconds back_{};
  int trades_ = 0;
  std::vector<std::string> told_;
};

}  // namespace broadcast
