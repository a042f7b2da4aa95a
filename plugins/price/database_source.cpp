#include "plugins/price/database_source.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "plugins/price/refusal.hpp"

namespace broadcast {

namespace {

bool is_there(soci::indicator indicator) { return indicator == soci::i_ok; }

/// A price of a row; nothing, and counted, where it is none.
bool is_price(double price, soci::indicator indicator, DatabaseSource::Refusals& refused) {
  if (!is_there(indicator)) {
    ++refused.empty;
    return false;
  }
  const auto refusal = refusal_of_price(price);
  if (refusal == Refusal::kNotANumber) ++refused.not_a_number;
  if (refusal == Refusal::kNoPrice) ++refused.no_price;
  return !refusal;
}

/// Three look-ups by the primary key (ticker, date) a ticker, in one statement. REQUIRES: tickers
/// of digits and capital letters, as the manifest's pattern has them.
std::string prices_query(const std::vector<std::string>& tickers) {
  std::string values;
  for (const std::string& ticker : tickers)
    values += (values.empty() ? "('" : ",('") + ticker + "')";
  const std::string newest =
      " FROM daily_prices d WHERE d.ticker = w.ticker ORDER BY d.date DESC LIMIT 1";
  return "WITH w(ticker) AS (VALUES " + values + ") SELECT w.ticker, (SELECT d.close_price" +
         newest + "), (SELECT d.close_price" + newest + " OFFSET 1), (SELECT d.volume" + newest +
         ") FROM w";
}

/// What the database does not know: best bid and ask are the close.
Quote quote_of(double close, double before, long long volume) {
  const auto price = std::llround(close);
  const auto change = std::llround(close - before);
  return {.price = price,
          .change = change,
          .change_rate = round2(100 * (close - before) / before),
          .volume = volume,
          .bid_price = price,
          .ask_price = price};
}

void read_prices(soci::session& session, const std::vector<std::string>& tickers, Quotes& quotes,
                 DatabaseSource::Refusals& refused) {
  std::string ticker;
  double close = 0;
  double before = 0;
  long long volume = 0;
  soci::indicator has_close{};
  soci::indicator has_before{};
  soci::indicator has_volume{};
  soci::statement rows =
      (session.prepare << prices_query(tickers), soci::into(ticker), soci::into(close, has_close),
       soci::into(before, has_before), soci::into(volume, has_volume));
  rows.execute();
  while (rows.fetch()) {
    if (!is_price(close, has_close, refused)) continue;
    const bool has_change = is_there(has_before) && !refusal_of_price(before);
    quotes.tickers.push_back(
        {.ticker = ticker,
         .quote = quote_of(close, has_change ? before : close, is_there(has_volume) ? volume : 0)});
  }
}

void read_indices(soci::session& session, const std::vector<IndexName>& indices, Quotes& quotes,
                  DatabaseSource::Refusals& refused) {
  for (const IndexName& index : indices) {
    double points = 0;
    double percent = 0;
    soci::indicator has_points{};
    soci::indicator has_percent{};
    const std::string column(index.key);
    session << "SELECT " + column + ", " + column +
                   "_change_pct FROM market_status ORDER BY date DESC LIMIT 1",
        soci::into(points, has_points), soci::into(percent, has_percent);
    if (!session.got_data() || !is_price(points, has_points, refused)) continue;
    if (!is_there(has_percent) || !std::isfinite(percent) || percent <= -100) percent = 0;
    quotes.indices.push_back({.index = index,
                              .quote = {.index = round2(points),
                                        .change = round2(points - points / (1 + percent / 100)),
                                        .change_rate = round2(percent),
                                        .volume = std::nullopt}});
  }
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
        Quotes quotes;
        Refusals refused;
        if (!wanted.tickers.empty()) read_prices(session, wanted.tickers, quotes, refused);
        read_indices(session, wanted.indices, quotes, refused);
        return
            [this, turn, quotes = std::move(quotes), refused] { on_answer(turn, quotes, refused); };
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

void DatabaseSource::on_answer(std::uint64_t turn, const Quotes& quotes, const Refusals& refused) {
  if (turn != turn_ || !deadline_) return;  // it was given up
  end_turn();
  events().on_link("");
  if (refused.empty > 0) events().on_refused(Refusal::kEmptyRow, refused.empty);
  if (refused.not_a_number > 0) events().on_refused(Refusal::kNotANumber, refused.not_a_number);
  if (refused.no_price > 0) events().on_refused(Refusal::kNoPrice, refused.no_price);
  events().on_quotes(quotes);
  if (!deadline_ && !(next_tickers_.empty() && next_indices_.empty())) ask_next();
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
