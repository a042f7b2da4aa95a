#pragma once
// Which tickers are wanted: those of the YAML always, and of those that are subscribed to as many
// as sources can carry; the others wait until one is given up. Pure.

#include <cstddef>
#include <set>
#include <string>
#include <utility>

namespace broadcast {

class TickerDemand {
 public:
  /// What sources can carry (KRX lists about 2,800).
  static constexpr std::size_t kMost = 2'500;

  /// What follows from a change; empty: nothing.
  struct Change {
    std::string wanted;
    std::string given_up;
  };

  /// At most `most` beside the configured ones.
  explicit TickerDemand(std::size_t most = kMost) : most_(most) {}

  void configure(std::set<std::string> tickers) { configured_ = std::move(tickers); }
  [[nodiscard]] const std::set<std::string>& configured() const { return configured_; }

  [[nodiscard]] Change on_demand(const std::string& ticker, bool is_wanted) {
    if (configured_.contains(ticker)) return {};
    if (is_wanted) {
      if (demanded_.contains(ticker)) return {};
      if (demanded_.size() < most_) return {.wanted = *demanded_.insert(ticker).first};
      waiting_.insert(ticker);
      return {};
    }
    waiting_.erase(ticker);
    if (demanded_.erase(ticker) == 0) return {};
    Change change{.given_up = ticker};
    if (!waiting_.empty()) {
      change.wanted = *demanded_.insert(waiting_.extract(waiting_.begin())).position;
    }
    return change;
  }
  /// Some are not served.
  [[nodiscard]] bool is_over() const { return !waiting_.empty(); }
  [[nodiscard]] std::size_t most() const { return most_; }

 private:
  const std::size_t most_;
  std::set<std::string> configured_;
  std::set<std::string> demanded_;  // and not configured
  std::set<std::string> waiting_;
};

}  // namespace broadcast
