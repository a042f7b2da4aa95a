#include "plugins/price/database_source.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>

#include "plugins/database/column.hpp"
#include "plugins/io/duration_text.hpp"

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

constexpr const char* kPrices = "prices";  // among the faults, beside the names of indices

double whole(double price) { return std::round(price); }

/// Why it is no price, if it is none. `rounded`: as it would be published.
std::optional<Refusal> refusal_of(const Column& price, double (*rounded)(double)) {
  if (price.is_empty()) return Refusal::kEmptyRow;
  const auto number = price.number();
  return number ? refusal_of_price(rounded(*number)) : Refusal::kNotANumber;
}

/// Of the day of a row, if it can be that.
std::optional<KoreanDay> day_of(const Column& date, KoreanDay latest) {
  const auto day = date.day();
  return day && *day <= latest ? day : std::nullopt;
}

std::optional<Refusal> refusal_of(const DailyRow& row, KoreanDay latest) {
  if (!day_of(row.date, latest)) return Refusal::kMalformed;
  return refusal_of(row.close, &whole);
}

/// `of`: a ticker, or the name of an index.
void leave_out(Rows& rows, const std::string& of, Refusal why, const std::string& what) {
  rows.refused[of].add(why);
  if (rows.left_out.empty()) rows.left_out = what;
}

/// Those that stand beside the newest row of everything, and would not be seen.
void leave_out_undated(Rows& rows, const std::string& of, const Column& count) {
  const double undated = count.number().value_or(0);
  if (undated < 1) return;
  rows.refused[of].add(Refusal::kMalformed, static_cast<std::size_t>(undated));
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
    leave_out(rows, row.ticker, Refusal::kField, "the volume of " + dated(row.ticker, row.date));
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
    if (const auto why = refusal_of(row, rows.latest)) {
      leave_out(rows, row.ticker, *why, dated(row.ticker, row.date));
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

/// Of the whole table: ticker after ticker by the primary key, however long the history is.
std::string newest_day_query(const std::string& condition) {
  return "WITH RECURSIVE t(ticker) AS (SELECT min(ticker) FROM daily_prices UNION ALL SELECT "
         "(SELECT min(d.ticker) FROM daily_prices d WHERE d.ticker > t.ticker) FROM t WHERE "
         "t.ticker IS NOT NULL) SELECT CAST(max((SELECT max(d.date) FROM daily_prices d WHERE "
         "d.ticker = t.ticker" +
         condition + ")) AS text) FROM t";
}

std::optional<KoreanDay> newest_day(soci::session& session, KoreanDay latest) {
  Column date;
  session << newest_day_query(""), soci::into(date.text, date.indicator);
  for (int looks = 1; looks < DatabaseSource::kLookBack && !date.is_empty(); ++looks) {
    if (const auto day = day_of(date, latest)) return day;
    const std::string odd = date.text;
    session << newest_day_query(" AND d.date < :odd"), soci::use(odd, "odd"),
        soci::into(date.text, date.indicator);
  }
  return day_of(date, latest);
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
    rows.refused.try_emplace(row.ticker);
    leave_out_undated(rows, row.ticker, undated);
    if (row.date.is_empty()) {
      rows.refused[row.ticker].add(Refusal::kEmptyRow);  // it has none
    } else if (refusal_of(row, rows.latest) || refusal_of(before, &whole)) {
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
  rows.quotes.newest.prices = newest_day(session, rows.latest);
}

void read_index(soci::session& session, const IndexName& index, Rows& rows) {
  const std::string column(index.key);
  const std::string name(index.name);
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
  rows.refused.try_emplace(name);
  for (bool is_first = true; statement.fetch(); is_first = false) {
    if (is_first) leave_out_undated(rows, name, undated);
    const auto day = day_of(date, rows.latest);
    if (!rows.quotes.newest.indices) rows.quotes.newest.indices = day;
    const auto why = day ? refusal_of(points, &round2) : Refusal::kMalformed;
    if (why) {
      leave_out(rows, name, *why, dated(name, date));
      continue;
    }
    const double now = *points.number();
    auto change = percent.number();
    if (change && *change <= -100) change.reset();
    if (!change && !percent.is_empty()) {
      leave_out(rows, name, Refusal::kField, "the change of " + dated(name, date));
    }
    const double rate = change.value_or(0);
    rows.quotes.indices.push_back({.index = index,
                                   .quote = {.index = round2(now),
                                             .change = round2(now - now / (1 + rate / 100)),
                                             .change_rate = round2(rate),
                                             .volume = std::nullopt},
                                   .as_of = {.day = day}});
    return;
  }
}

void add(Rows& rows, Rows&& more) {
  std::ranges::move(more.quotes.tickers, std::back_inserter(rows.quotes.tickers));
  std::ranges::move(more.quotes.indices, std::back_inserter(rows.quotes.indices));
  if (more.quotes.newest.prices) rows.quotes.newest.prices = more.quotes.newest.prices;
  if (more.quotes.newest.indices) rows.quotes.newest.indices = more.quotes.newest.indices;
  rows.refused.merge(more.refused);
  if (rows.left_out.empty()) rows.left_out = more.left_out;
}

/// What can be read: a table or column that is not there costs what stands in it. Throws where the
/// connection is gone.
Rows read_rows(soci::session& session, const Wanted& wanted, KoreanDay latest) {
  Rows rows;
  const auto take = [&](const std::string& what, const auto& read) {
    std::string& fault = rows.faults[what];
    try {
      Rows more;
      more.latest = latest;
      read(more);
      add(rows, std::move(more));
    } catch (const std::exception& error) {
      fault = error.what();
      if (!answers(session)) throw;
    }
  };
  if (!wanted.tickers.empty()) {
    take(kPrices, [&](Rows& more) { read_prices(session, wanted.tickers, more); });
  }
  for (const IndexName& index : wanted.indices) {
    take(std::string(index.name), [&](Rows& more) { read_index(session, index, more); });
  }
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
      [this, wanted, turn, latest = latest_row_day(calls().wall_ns())](soci::session& session) {
        return [this, turn, rows = read_rows(session, wanted, latest)] { on_answer(turn, rows); };
      },
      [this, turn](const std::string& why) { on_failure(turn, why); });
  // The one before was given up, and is still not answered.
  if (!is_taken) return ask_again_within(kRetry);
  next_tickers_.clear();
  next_indices_.clear();
  deadline_ = calls().after(
      kPatience, [this, turn] { on_failure(turn, "no answer for " + in_seconds(kPatience)); });
}

void DatabaseSource::on_answer(std::uint64_t turn, const Rows& rows) {
  if (turn != turn_ || !deadline_) return;  // it was given up
  end_turn();
  events().on_link("");
  tell_lacks(rows.faults);
  tell_left_out(rows);
  tell_refused(rows.refused);
  events().on_quotes(rows.quotes);
  if (!deadline_ && !(next_tickers_.empty() && next_indices_.empty())) ask_next();
}

/// `what`: kPrices, a ticker, or the name of an index.
bool DatabaseSource::is_wanted(std::string_view what) const {
  const auto& [tickers, indices] = wanted();
  if (what == kPrices) return !tickers.empty();
  return std::ranges::binary_search(tickers, what) ||
         std::ranges::find(indices, what, &IndexName::name) != indices.end();
}

/// What was not asked for this time is as it was.
void DatabaseSource::tell_lacks(const std::map<std::string, std::string>& faults) {
  for (const auto& [what, why] : faults) faults_[what] = why;
  std::erase_if(faults_, [this](const auto& one) { return !is_wanted(one.first); });
  std::string lacks;
  std::string reason;
  for (const auto& [what, why] : faults_) {
    if (why.empty()) continue;
    lacks += (lacks.empty() ? "" : " and ") + what;
    reason = why;
  }
  events().on_lack(lacks, reason);
}

/// Each once, until it is another: the same rows are read again and again.
void DatabaseSource::tell_refused(const std::map<std::string, Refusals>& refused) {
  for (const auto& [of, counts] : refused) {
    if (std::exchange(refused_[of], counts) != counts) counts.tell(events().on_refused);
  }
  std::erase_if(refused_, [this](const auto& one) {
    return one.second.total() == 0 || !is_wanted(one.first);
  });
}

void DatabaseSource::tell_left_out(const Rows& rows) {
  if (rows.left_out.empty() || rows.left_out == logged_left_out_) return;
  const std::int64_t now = calls().mono_ns();
  if (logged_ns_ && now - *logged_ns_ < std::chrono::nanoseconds(kCalm).count()) return;
  logged_left_out_ = rows.left_out;
  logged_ns_ = now;
  calls().log(LogLevel::kWarn, "source database: unusable rows and fields are left out, such as " +
                                   rows.left_out + "; the newest usable row is served");
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
