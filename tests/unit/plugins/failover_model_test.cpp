// Random histories of connections, data and silence, held against what must always be so.
// BROADCAST_HISTORIES=100000 for a long run.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "plugins/price/failover.hpp"
#include "tests/unit/plugins/seoul.hpp"

namespace broadcast {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using Verdict = Failover::Verdict;

constexpr std::size_t kSources = 3;
constexpr std::array<const char*, 4> kTickers = {"005930", "000660", "035420", "0015N0"};

class History {
 public:
  explicit History(unsigned seed) : random_(seed) {
    now_.wall_ns = seoul("2026-02-05 08:59:30") +
                   static_cast<std::int64_t>(pick(7 * 3600)) * nanoseconds(seconds(1)).count();
    for (const char* ticker : kTickers) want(ticker);
  }

  void step() {
    const std::size_t at = pick(kSources);
    const std::string ticker = kTickers[pick(kTickers.size())];
    const std::size_t dice = pick(24);
    if (dice == 0) return link(at, /*is_up=*/false);
    if (dice <= 2) return link(at, /*is_up=*/true);
    if (dice == 3) return wanted_.contains(ticker) ? forget(ticker) : want(ticker);
    if (dice == 4) return pass(seconds(1 + pick(40)));
    if (dice <= 6) return pass(milliseconds(100 + pick(3'000)));
    if (is_up_[at]) quote(at, ticker);
  }

  /// Everybody is up and delivers everything, for long enough: the best serves, and nobody else.
  void end_well() {
    for (std::size_t at = 0; at < kSources; ++at) link(at, /*is_up=*/true);
    for (const char* ticker : kTickers) want(ticker);
    for (int second = 0; second < 60; ++second) {
      for (std::size_t at = 0; at < kSources; ++at) {
        for (const char* ticker : kTickers) quote(at, ticker);
      }
      pass(seconds(1));
    }
    for (const auto& [ticker, last] : served_) EXPECT_EQ(last.by, 0U) << ticker;
    EXPECT_EQ(served_.size(), kTickers.size());
    EXPECT_EQ(failover_.detail(failover_.standing()), "serving a");
    EXPECT_EQ(failover_.standing().health, Health::kOk);
  }

 private:
  using Truth = std::pair<KoreanDay, bool>;  // and whether it is live
  struct Served {
    std::size_t by;
    std::int64_t ns;
    bool was_proven;
  };

  std::size_t pick(std::size_t below) { return random_() % below; }

  void want(const std::string& ticker) {
    failover_.want(ticker);
    wanted_.insert(ticker);
    look();
  }
  void forget(const std::string& ticker) {
    failover_.forget(ticker);
    wanted_.erase(ticker);
    served_.erase(ticker);
    look();
  }
  void link(std::size_t at, bool is_up) {
    is_up_[at] = is_up;
    failover_.on_link(at, is_up, now_);
    if (!is_up) {
      cut_ns_[at] = fault_ns_[at] = now_.mono_ns;
      was_idle_[at] = false;
    }
    look();
  }
  void pass(nanoseconds duration) {
    for (; duration > nanoseconds(0); duration -= seconds(1)) {
      const std::int64_t step = std::min(duration, nanoseconds(seconds(1))).count();
      now_.mono_ns += step;
      now_.wall_ns += step;
      look();
    }
  }
  void look() {
    failover_.on_time(now_);
    for (std::size_t at = 0; at < kSources; ++at) {
      if (now_.mono_ns - quoted_ns_[at] >= nanoseconds(seconds(30)).count()) {
        fault_ns_[at] = now_.mono_ns;
      }
    }
    std::erase_if(kept_, [this](const auto& one) {
      const Verdict verdict = failover_.on_kept(one.first, one.second);
      if (verdict == Verdict::kServes) on_served(one.first, one.second);
      return verdict != Verdict::kLater;
    });
    for (std::size_t at = 0; at < kSources; ++at) {
      asked_[at] = failover_.take_wanted(at, now_).tickers;
      if (asked_[at].empty()) was_idle_[at] = true;
    }
    EXPECT_TRUE(std::ranges::equal(asked_[0], wanted_)) << "the best is asked for everything";
    const Failover::Standing standing = failover_.standing();
    EXPECT_TRUE(standing.health <= Health::kDegraded || standing.serving.empty());
    EXPECT_FALSE(standing.asking && !standing.serving.empty());
    EXPECT_EQ(standing.health == Health::kOk, standing.missing.empty() && standing.behind.empty());
  }
  /// The last source has rows of today or one of the days before; what the others have is of now.
  AsOf as_of(std::size_t at) {
    if (at + 1 < kSources) return {};
    return {.day = korean_day(now_.wall_ns) - std::chrono::days(pick(3))};
  }
  void quote(std::size_t at, const std::string& ticker) {
    const AsOf as_of = this->as_of(at);
    const Verdict verdict = failover_.on_quote(at, ticker, as_of, now_);
    const AsOf told = failover_.as_of(at, as_of, now_);
    delivered_[{at, ticker}] = {told.day.value_or(korean_day(now_.wall_ns)), !told.day};
    if (verdict == Verdict::kStands) {
      EXPECT_LT(delivered_.at({at, ticker}), published_.at(ticker).first);
    }
    EXPECT_EQ(verdict == Verdict::kUnwanted, !wanted_.contains(ticker));
    if (verdict != Verdict::kUnwanted) quoted_ns_[at] = now_.mono_ns;
    if (verdict == Verdict::kLater) kept_.emplace(at, ticker);
    if (verdict == Verdict::kServes) on_served(at, ticker);
    look();
    if (verdict != Verdict::kServes || !served_.at(ticker).was_proven) return;
    for (std::size_t worse = at + 1; worse < kSources; ++worse) {
      EXPECT_EQ(std::ranges::count(asked_[worse], ticker), 0) << "it is served already";
    }
  }
  void on_served(std::size_t at, const std::string& ticker) {
    const Truth truth = delivered_.at({at, ticker});
    auto& [published, by] = published_.try_emplace(ticker, truth, at).first->second;
    const bool is_withdrawn = by == at && truth.second == published.second;
    EXPECT_TRUE(truth >= published || is_withdrawn) << "nothing newer is replaced";
    published = truth;
    by = at;
    const auto missing = failover_.standing().missing;
    const bool is_proven = std::ranges::find(missing, at) == missing.end();
    const auto last = served_.find(ticker);
    if (last != served_.end() && last->second.by < at && last->second.was_proven) {
      EXPECT_GE(fault_ns_[last->second.by], last->second.ns)
          << "a worse source takes over only after a fault of the better one";
    }
    if (is_proven && cut_ns_[at]) {
      const bool is_in_time = now_.mono_ns - *cut_ns_[at] >= nanoseconds(seconds(10)).count();
      EXPECT_TRUE(is_in_time || was_idle_[at]) << "it serves too soon after its fault";
    }
    for (std::size_t other = 0; other < kSources && !is_proven; ++other) {
      EXPECT_FALSE(is_surely_healthy(other)) << "who is not proven serves only where nobody is";
    }
    served_[ticker] = {at, now_.mono_ns, is_proven};
  }
  /// Up for so long that it has proved itself, if it was asked; and never silent in between.
  bool is_surely_healthy(std::size_t at) const {
    const std::int64_t long_ago = now_.mono_ns - nanoseconds(seconds(41)).count();
    return is_up_[at] && quoted_ns_[at] != 0 && fault_ns_[at] < long_ago;
  }

  std::mt19937 random_;
  Failover::Now now_{.mono_ns = nanoseconds(std::chrono::hours(1)).count(), .wall_ns = 0};
  Failover failover_{{{"a", true}, {"b", true}, {"c", true}}, {}};
  std::set<std::string> wanted_;
  std::map<std::string, Served> served_;
  std::set<std::pair<std::size_t, std::string>> kept_;
  std::map<std::pair<std::size_t, std::string>, Truth> delivered_;  // last
  std::map<std::string, std::pair<Truth, std::size_t>>
      published_;  // and by whom; also what was forgotten
  std::array<bool, kSources> is_up_{};
  std::array<bool, kSources> was_idle_{};                       // since it was cut
  std::array<std::optional<std::int64_t>, kSources> cut_ns_{};  // last
  std::array<std::int64_t, kSources> fault_ns_{};               // last cut, or time of silence
  std::array<std::int64_t, kSources> quoted_ns_{};
  std::array<std::vector<std::string>, kSources> asked_;
};

TEST(FailoverModelTest, WhateverHappensTheRulesHold) {
  const char* const wanted = std::getenv("BROADCAST_HISTORIES");
  const int histories = wanted == nullptr ? 150 : std::atoi(wanted);
  for (int seed = 0; seed < histories; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(static_cast<unsigned>(seed));
    for (int i = 0; i < 300; ++i) history.step();
    history.end_well();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace broadcast
