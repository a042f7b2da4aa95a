#pragma once
// Source `database`: what the dashboard's collectors have written to `daily_prices` and
// `market_status`. One question at a time; what is asked for meanwhile is asked next. [plugin]

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/database/database.hpp"
#include "plugins/price/polled_source.hpp"

namespace broadcast {

class DatabaseSource final : public PolledSource {
 public:
  /// How long an answer is waited for; one that comes later is none.
  static constexpr std::chrono::seconds kPatience{3};
  /// After a failure, unless the interval is shorter. (The connection has a back-off of its own.)
  static constexpr std::chrono::seconds kRetry{1};

  struct Refusals {
    std::size_t empty = 0;
    std::size_t not_a_number = 0;
    std::size_t no_price = 0;
  };

  /// Throws std::invalid_argument for a URL that is none.
  DatabaseSource(const std::string& url, std::chrono::nanoseconds interval, SourceCalls calls)
      : PolledSource(interval, std::move(calls)),
        database_(DatabaseUrl::parse(url), this->calls().post) {}

  [[nodiscard]] std::string_view name() const override { return "database"; }

 private:
  void ask(const Wanted& wanted) override;
  void ask_next();
  void on_answer(std::uint64_t turn, const Quotes& quotes, const Refusals& refused);
  void on_failure(std::uint64_t turn, const std::string& why);
  void end_turn();

  std::set<std::string> next_tickers_;
  std::vector<IndexName> next_indices_;
  std::uint64_t turn_ = 0;                 // of the question whose answer is waited for
  std::optional<std::uint64_t> deadline_;  // while it is
  Database database_;                      // last: its thread ends first
};

}  // namespace broadcast
