#pragma once
// Source `database`: what the dashboard's collectors have written to `daily_prices` and
// `market_status`: of each ticker and index the newest row that is usable. One question at a time;
// what is asked for meanwhile is asked next. [plugin]

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/database/database.hpp"
#include "plugins/price/polled_source.hpp"
#include "plugins/price/refusal.hpp"

namespace broadcast {

class DatabaseSource final : public PolledSource {
 public:
  /// How long an answer is waited for; one that comes later is none.
  static constexpr std::chrono::seconds kPatience{3};
  /// After a failure, unless the interval is shorter. (The connection has a back-off of its own.)
  static constexpr std::chrono::seconds kRetry{1};
  /// So many rows are looked at for one that is usable.
  static constexpr int kLookBack = 10;
  /// Between two lines about rows that are left out.
  static constexpr std::chrono::seconds kCalm{60};

  /// What the tables held.
  struct Rows {
    KoreanDay latest;  ///< rows of a later day are not believed
    Quotes quotes;
    /// By ticker or name of an index, of each that could be asked for: rows, and fields of rows,
    /// that are newer than what is served.
    std::map<std::string, Refusals> refused;
    std::string left_out;  ///< the first of those rows, for the log
    /// By what was asked for ("prices", "KOSPI"): why there is none of it; empty: there is.
    std::map<std::string, std::string> faults;
  };

  /// Throws std::invalid_argument for a URL that is none.
  DatabaseSource(const std::string& url, std::chrono::nanoseconds interval, SourceCalls calls)
      : PolledSource(interval, std::move(calls)),
        database_(DatabaseUrl::parse(url), this->calls().post) {}

  [[nodiscard]] std::string_view name() const override { return "database"; }

 private:
  void ask(const Wanted& wanted) override;
  void ask_next();
  void on_answer(std::uint64_t turn, const Rows& rows);
  void on_failure(std::uint64_t turn, const std::string& why);
  void end_turn();
  [[nodiscard]] bool is_wanted(std::string_view what) const;
  void tell_lacks(const std::map<std::string, std::string>& faults);
  void tell_refused(const std::map<std::string, Refusals>& refused);
  void tell_left_out(const Rows& rows);

  std::set<std::string> next_tickers_;
  std::vector<IndexName> next_indices_;
  std::uint64_t turn_ = 0;                 // of the question whose answer is waited for
  std::optional<std::uint64_t> deadline_;  // while it is
  // Of what is wanted, as in Rows, when each was asked for last.
  std::map<std::string, std::string> faults_;
  std::map<std::string, Refusals> refused_;
  std::string logged_left_out_;
  std::optional<std::int64_t> logged_ns_;
  Database database_;  // last: its thread ends first
};

}  // namespace broadcast
