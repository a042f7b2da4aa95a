#pragma once
// A day at the exchange as one script on virtual time: before the opening, open, Kiwoom cut at
// 10:00, back at 10:05, close, a silent evening. Who plays Kiwoom is behind Feed: an object in the
// test, or a server that speaks its protocol.

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

#include "tests/unit/plugins/seoul.hpp"

namespace broadcast {

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

  static FakeHost::Options host_options() {
    return {.wall_start_ns = seoul(std::string(kDate) + kBegin)};
  }

  TradingDay(FakeHost& host, Feed& feed, std::string second)
      : host_(host), feed_(feed), second_(std::move(second)) {}

  void play() {
    host_.start();
    feed_.connect(host_);
    until("09:00:00", Trading::kNo);
    until("10:00:00", Trading::kYes);
    feed_.cut(host_);
    until("10:05:00", Trading::kNo);
    feed_.connect(host_);
    back_ = host_.now();
    until("15:30:00", Trading::kYes);
    until("20:00:00", Trading::kNo);
  }

  void check_status() const {
    std::vector<std::pair<std::int32_t, std::string>> told;
    for (const auto& report : host_.reports()) told.emplace_back(report.state, report.detail);
    const std::vector<std::pair<std::int32_t, std::string>> expected = {
        {BC_STATUS_OK, "serving " + second_},  // what has not been traded yet
        {BC_STATUS_OK, "serving kiwoom_ws"},   // 09:00:03
        {BC_STATUS_DEGRADED, "kiwoom_ws does not answer, serving " + second_},
        {BC_STATUS_OK, "serving kiwoom_ws"},
    };
    EXPECT_EQ(told, expected);
  }

  /// Every message of `topic`: whose it is, and that nobody else's stands between.
  void check_sources(const std::string& topic) const {
    struct Part {
      std::chrono::nanoseconds from;
      std::chrono::nanoseconds to;
      std::string source;
      std::chrono::seconds between;
    };
    // Ten seconds of data, from the first trade on.
    const auto trade = (back_ + kBetweenTrades - std::chrono::nanoseconds(1)) / kBetweenTrades;
    const std::chrono::nanoseconds recovered = trade * kBetweenTrades + std::chrono::seconds(10);
    const std::vector<Part> parts = {
        {time("08:30:00"), time("09:00:00"), second_, std::chrono::seconds(5)},
        {time("09:00:00"), time("10:00:00"), "kiwoom_ws", kBetweenTrades},
        {time("10:00:00"), recovered, second_, std::chrono::seconds(5)},
        {recovered, time("15:30:00"), "kiwoom_ws", kBetweenTrades},
    };
    const auto messages = host_.published(topic);
    std::size_t at = 0;
    for (const Part& part : parts) {
      std::size_t count = 0;
      for (; at < messages.size() && messages[at].at <= part.to; ++at, ++count) {
        const bool is_his = messages[at].json()["source"] == part.source;
        if (!is_his && messages[at].at == part.to) break;  // the next one begins
        ASSERT_TRUE(is_his) << topic << ", after " << messages[at].at / std::chrono::seconds(1)
                            << " s: " << messages[at].payload;
      }
      const auto expected = (part.to - part.from) / part.between;
      EXPECT_NEAR(static_cast<double>(count), static_cast<double>(expected), 2) << part.source;
    }
    EXPECT_EQ(at, messages.size()) << "the evening is silent";
  }

 private:
  enum class Trading { kNo, kYes };

  [[nodiscard]] static std::chrono::nanoseconds time(const Clock& clock) {
    return std::chrono::nanoseconds(seoul(kDate + clock) - seoul(std::string(kDate) + kBegin));
  }
  void until(const Clock& clock, Trading trading) {
    while (host_.now() < time(clock)) {
      if (trading == Trading::kYes && host_.now() % kBetweenTrades == std::chrono::seconds(0)) {
        feed_.trade(host_, "005930", 82'500 + 100 * (++trades_ % 7));
        feed_.trade(host_, "000660", 239'000 + 500 * (trades_ % 5));
        feed_.move_index(host_, 2'610.55 + static_cast<double>(trades_ % 10));
      }
      host_.advance(std::chrono::seconds(1));
    }
  }

  FakeHost& host_;
  Feed& feed_;
  const std::string second_;
  std::chrono::nanoseconds back_{};
  int trades_ = 0;
};

}  // namespace broadcast
