#include "plugins/price/database_source.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <utility>

#include "plugins/database/column.hpp"

namespace broadcast {

namespace {

using Rows = DatabaseSource::Rows;

/// A row of daily_prices.
struct DailyRow {
  std::string ticker;
  Column date;
  Column close;
  Column volume;
};

/// Why it is no price, if it is none.
std::optional<Refusal> refusal_of(const Column& price) {
  if (price.is_empty()) return Refusal::kEmptyRow;
  const auto number = price.number();
  return number ? refusal_of_price(*number) : Refusal::kNotANumber;
}

std::optional<Refusal> refusal_of(const Column& date, const Column& price) {
  if (!date.day()) return Refusal::kMalformed;
  return refusal_of(price);
}

void leave_out(Rows& rows, Refusal why, const std::string& what) {
  rows.refused.add(why);
  if (rows.left_out.empty()) rows.left_out = what;
}

/// Those that stand beside the newest row of everything, and would not be seen.
void leave_out_undated(Rows& rows, const Column& count, const std::string& of) {
  const double undated = count.number().value_or(0);
  if (undated < 1) return;
  rows.refused.add(Refusal::kMalformed, static_cast<std::size_t>(undated));
  if (rows.left_out.empty()) rows.left_out = of + ": no date";
}

std::string dated(const std::string& what, const Column& date) {
  return what + " of " + (date.is_empty() ? "no date" : date.text);
}

std::int64_t volume_of(const DailyRow& row, Rows& rows) {
  constexpr double kMost = 1e15;
  const auto volume = row.volume.number();
  if (volume && *volume >= 0 && *volume <= kMost) return std::llround(*volume);
  if (!row.volume.is_empty()) {
    leave_out(rows, Refusal::kField, "the volume of " + dated(row.ticker, row.date));
  }
  return 0;
}

/// What the database does not know: best bid and ask are the close. Without a row before, nothing
/// has changed.
TickerQuote quote_of(const DailyRow& row, std::optional<double> before, Rows& rows) {
  const double close = *row.close.number();
  const double base = before.value_or(close);
  const auto price = std::llround(close);
  return {.ticker = row.ticker,
          .quote = {.price = price,
                    .change = std::llround(close - base),
                    .change_rate = round2(100 * (close - base) / base),
                    .volume = volume_of(row, rows),
                    .bid_price = price,
                    .ask_price = price},
          .as_of = {.day = row.date.day()}};
}

/// Look-ups by the primary key (ticker, date) a ticker, in one statement. REQUIRES: tickers of
/// digits and capital letters, as the manifest's pattern has them.
std::string newest_query(const std::vector<std::string>& tickers) {
  std::string values;
  for (const std::string& ticker : tickers)
    values += (values.empty() ? "('" : ",('") + ticker + "')";
  const std::string from = " FROM daily_prices d WHERE d.ticker = w.ticker AND d.date IS ";
  const std::string newest = from + "NOT NULL ORDER BY d.date DESC LIMIT 1";
  return "WITH w(ticker) AS (VALUES " + values + ") SELECT w.ticker, (SELECT CAST(d.date AS text)" +
         newest + "), (SELECT d.close_price" + newest + "), (SELECT d.volume" + newest +
         "), (SELECT d.close_price" + newest + " OFFSET 1), (SELECT count(*)" + from +
         "NULL) FROM w";
}

/// The newest rows of each ticker. (An unqualified `date` after ORDER BY would be the text, for
/// which there is no index.)
std::string look_back_query(const std::vector<std::string>& tickers) {
  std::string query;
  for (const std::string& ticker : tickers) {
    query += std::string(query.empty() ? "" : " UNION ALL ") +
             "SELECT * FROM (SELECT d.ticker, CAST(d.date AS text), d.close_price, d.volume FROM "
             "daily_prices d WHERE d.ticker = '" +
             ticker + "' AND d.date IS NOT NULL ORDER BY d.date DESC LIMIT " +
             std::to_string(DatabaseSource::kLookBack) + ") AS newest";
  }
  return query;
}

/// Out of the rows of one ticker, which are sorted.
void take_newest_usable(const std::vector<DailyRow>& newest_first, Rows& rows) {
  const DailyRow* found = nullptr;
  std::optional<double> before;
  for (const DailyRow& row : newest_first) {
    if (const auto why = refusal_of(row.date, row.close)) {
      leave_out(rows, *why, dated(row.ticker, row.date));
    } else if (found == nullptr) {
      found = &row;
    } else {
      before = row.close.number();
      break;
    }
  }
  if (found != nullptr) rows.quotes.tickers.push_back(quote_of(*found, before, rows));
}

void look_back(soci::session& session, const std::vector<std::string>& tickers, Rows& rows) {
  std::map<std::string, std::vector<DailyRow>> by_ticker;
  DailyRow row;
  soci::statement statement = (session.prepare << look_back_query(tickers), soci::into(row.ticker),
                               soci::into(row.date.text, row.date.indicator),
                               soci::into(row.close.text, row.close.indicator),
                               soci::into(row.volume.text, row.volume.indicator));
  statement.execute();
  while (statement.fetch()) by_ticker[row.ticker].push_back(row);
  for (auto& [ticker, newest_first] : by_ticker) {
    std::ranges::stable_sort(newest_first, [](const DailyRow& one, const DailyRow& other) {
      const auto day = one.date.day();
      const auto other_day = other.date.day();
      return day && other_day ? *day > *other_day : !day && other_day;  // they are counted first
    });
    take_newest_usable(newest_first, rows);
  }
}

void read_prices(soci::session& session, const std::vector<std::string>& tickers, Rows& rows) {
  constexpr std::size_t kAtOnce = 100;  // of the parts that a statement may have
  std::vector<std::string> odd;
  DailyRow row;
  Column before;
  Column undated;
  soci::statement statement =
      (session.prepare << newest_query(tickers), soci::into(row.ticker),
       soci::into(row.date.text, row.date.indicator),
       soci::into(row.close.text, row.close.indicator),
       soci::into(row.volume.text, row.volume.indicator), soci::into(before.text, before.indicator),
       soci::into(undated.text, undated.indicator));
  statement.execute();
  while (statement.fetch()) {
    leave_out_undated(rows, undated, row.ticker);
    if (row.date.is_empty()) {
      rows.refused.add(Refusal::kEmptyRow);  // it has none
    } else if (refusal_of(row.date, row.close) || refusal_of(before)) {
      odd.push_back(row.ticker);
    } else {
      rows.quotes.tickers.push_back(quote_of(row, before.number(), rows));
    }
  }
  for (std::size_t at = 0; at < odd.size(); at += kAtOnce) {
    const auto end = std::min(at + kAtOnce, odd.size());
    look_back(session,
              {odd.begin() + static_cast<std::ptrdiff_t>(at),
               odd.begin() + static_cast<std::ptrdiff_t>(end)},
              rows);
  }
}

void read_index(soci::session& session, const IndexName& index, Rows& rows) {
  const std::string column(index.key);
  Column date;
  Column points;
  Column percent;
  Column undated;
  soci::statement statement =
      (session.prepare << "SELECT CAST(d.date AS text), d." + column + ", d." + column +
                              "_change_pct, (SELECT count(*) FROM market_status WHERE date IS "
                              "NULL) FROM market_status d WHERE d.date IS NOT NULL ORDER BY d.date "
                              "DESC LIMIT " +
                              std::to_string(DatabaseSource::kLookBack),
       soci::into(date.text, date.indicator), soci::into(points.text, points.indicator),
       soci::into(percent.text, percent.indicator), soci::into(undated.text, undated.indicator));
  statement.execute();
  for (bool is_first = true; statement.fetch(); is_first = false) {
    if (is_first) leave_out_undated(rows, undated, "market_status");
    if (const auto why = refusal_of(date, points)) {
      leave_out(rows, *why, dated(std::string(index.name), date));
      continue;
    }
    const double now = *points.number();
    auto change = percent.number();
    if (change && *change <= -100) change.reset();
    if (!change && !percent.is_empty()) {
      leave_out(rows, Refusal::kField, "the change of " + dated(std::string(index.name), date));
    }
    const double rate = change.value_or(0);
    rows.quotes.indices.push_back({.index = index,
                                   .quote = {.index = round2(now),
                                             .change = round2(now - now / (1 + rate / 100)),
                                             .change_rate = round2(rate),
                                             .volume = std::nullopt},
                                   .as_of = {.day = date.day()}});
    return;
  }
}

void add(Rows& rows, Rows&& more) {
  std::ranges::move(more.quotes.tickers, std::back_inserter(rows.quotes.tickers));
  std::ranges::move(more.quotes.indices, std::back_inserter(rows.quotes.indices));
  rows.refused.add(more.refused);
  if (rows.left_out.empty()) rows.left_out = more.left_out;
}

/// What can be read: a table or column that is not there costs what stands in it. Throws where that
/// is everything, or the connection is gone.
Rows read_rows(soci::session& session, const Wanted& wanted) {
  Rows rows;
  const auto take = [&](const std::string& what, const auto& read) {
    std::string& fault = rows.faults[what];
    try {
      Rows more;
      read(more);
      add(rows, std::move(more));
    } catch (const std::exception& error) {
      fault = error.what();
      if (!answers(session)) throw;
    }
  };
  if (!wanted.tickers.empty()) {
    take("prices", [&](Rows& more) { read_prices(session, wanted.tickers, more); });
  }
  for (const IndexName& index : wanted.indices) {
    take(std::string(index.name), [&](Rows& more) { read_index(session, index, more); });
  }
  const bool is_there_any =
      std::ranges::any_of(rows.faults, [](const auto& fault) { return fault.second.empty(); });
  if (!is_there_any) throw std::runtime_error(rows.faults.begin()->second);
  return rows;
}

}  // namespace

void DatabaseSource::ask(const Wanted& wanted) {
  next_tickers_.insert(wanted.tickers.begin(), wanted.tickers.end());
  for (const IndexName& index : wanted.indices) {
    const auto is_there = std::ranges::find(next_indices_, index.key, &IndexName::key);
    if (is_there == next_indices_.end()) next_indices_.push_back(index);
  }
  if (!deadline_) ask_next();
}

void DatabaseSource::ask_next() {
  const Wanted wanted{.tickers = {next_tickers_.begin(), next_tickers_.end()},
                      .indices = next_indices_};
  const std::uint64_t turn = ++turn_;
  const bool is_taken = database_.try_run(
      [this, wanted, turn](soci::session& session) {
        return [this, turn, rows = read_rows(session, wanted)] { on_answer(turn, rows); };
      },
      [this, turn](const std::string& why) { on_failure(turn, why); });
  // The one before was given up, and is still not answered.
  if (!is_taken) return ask_again_within(kRetry);
  next_tickers_.clear();
  next_indices_.clear();
  deadline_ = calls().after(kPatience, [this, turn] {
    on_failure(turn, "no answer for " + std::to_string(kPatience.count()) + " s");
  });
}

void DatabaseSource::on_answer(std::uint64_t turn, const Rows& rows) {
  if (turn != turn_ || !deadline_) return;  // it was given up
  end_turn();
  events().on_link("");
  tell_lacks(rows.faults);
  tell_left_out(rows);
  rows.refused.tell(events().on_refused);
  events().on_quotes(rows.quotes);
  if (!deadline_ && !(next_tickers_.empty() && next_indices_.empty())) ask_next();
}

/// What was not asked for this time is as it was.
void DatabaseSource::tell_lacks(const std::map<std::string, std::string>& faults) {
  for (const auto& [what, why] : faults) faults_[what] = why;
  std::string lacks;
  std::string reason;
  for (const auto& [what, why] : faults_) {
    if (why.empty()) continue;
    lacks += (lacks.empty() ? "" : " and ") + what;
    reason = why;
  }
  events().on_lack(lacks, reason);
}

void DatabaseSource::tell_left_out(const Rows& rows) {
  if (rows.left_out.empty() || rows.left_out == logged_left_out_) return;
  const std::int64_t now = calls().mono_ns();
  if (logged_ns_ && now - *logged_ns_ < std::chrono::nanoseconds(kCalm).count()) return;
  logged_left_out_ = rows.left_out;
  logged_ns_ = now;
  calls().log(LogLevel::kWarn, "source database: what cannot be used is left out, such as " +
                                   rows.left_out +
                                   "; of rows, the newest that can be used is served");
}

void DatabaseSource::on_failure(std::uint64_t turn, const std::string& why) {
  if (turn != turn_) return;  // it was given up, and the next one is under way
  end_turn();
  events().on_link(why);
  ask_again_within(kRetry);
}

void DatabaseSource::end_turn() {
  if (deadline_) calls().cancel(*std::exchange(deadline_, std::nullopt));
}

}  // namespace broadcast
