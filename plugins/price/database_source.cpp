#include "plugins/price/database_source.hpp"

#include <cmath>
#include <memory>
#include <utility>

namespace broadcast {

namespace {

/// No share of this world costs more; and it fits where won are counted.
constexpr double kHighestPrice = 1e12;

/// False for NaN too.
bool is_price(double value) { return value > 0 && value < kHighestPrice; }
bool is_there(soci::indicator indicator) { return indicator == soci::i_ok; }

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

void read_prices(soci::session& session, const std::vector<std::string>& tickers, Quotes& quotes) {
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
    if (!is_there(has_close) || !is_price(close)) continue;
    const bool has_change = is_there(has_before) && is_price(before);
    quotes.tickers.emplace_back(
        ticker, quote_of(close, has_change ? before : close, is_there(has_volume) ? volume : 0));
  }
}

void read_indices(soci::session& session, const std::vector<IndexName>& indices, Quotes& quotes) {
  for (const IndexName& index : indices) {
    double points = 0;
    double percent = 0;
    soci::indicator has_points{};
    soci::indicator has_percent{};
    const std::string column(index.key);
    session << "SELECT " + column + ", " + column +
                   "_change_pct FROM market_status ORDER BY date DESC LIMIT 1",
        soci::into(points, has_points), soci::into(percent, has_percent);
    if (!session.got_data() || !is_there(has_points) || !is_price(points)) continue;
    if (!is_there(has_percent) || !std::isfinite(percent) || percent <= -100) percent = 0;
    quotes.indices.emplace_back(index,
                                IndexQuote{.index = round2(points),
                                           .change = round2(points - points / (1 + percent / 100)),
                                           .change_rate = round2(percent),
                                           .volume = std::nullopt});
  }
}

}  // namespace

bool DatabaseSource::try_poll(const Wanted& wanted, Done done) {
  return database_.try_run(
      [wanted, done](soci::session& session) {
        Answer answer;
        if (!wanted.tickers.empty()) read_prices(session, wanted.tickers, answer.quotes);
        read_indices(session, wanted.indices, answer.quotes);
        return [done, answer = std::move(answer)] { done(answer); };
      },
      [done](const std::string& why) { done({.quotes = {}, .error = why}); });
}

}  // namespace broadcast
