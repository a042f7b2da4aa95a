#include "plugins/price/sim_source.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

/// A `sim` that is asked whenever the test likes.
class Sim {
 public:
  explicit Sim(std::uint64_t seed) : source_(seed, std::chrono::seconds(5), calls()) {
    source_.start({.on_quotes = [this](const Quotes& quotes) { quotes_ = quotes; },
                   .on_link = [](const std::string& error) { EXPECT_EQ(error, ""); },
                   .on_refused = [](Refusal, std::size_t) { FAIL(); }});
  }
  Quotes poll(const Wanted& wanted) {
    if (is_asked_) {
      const auto run = timer_;  // it arms the next one
      run();
    } else {
      source_.want(wanted);
    }
    is_asked_ = true;
    return quotes_;
  }

 private:
  SourceCalls calls() {
    SourceCalls calls;
    calls.after = [this](std::chrono::nanoseconds, std::function<void()> run) {
      timer_ = std::move(run);
      return std::uint64_t{1};
    };
    calls.cancel = [](std::uint64_t) {};
    return calls;
  }

  SimSource source_;
  std::function<void()> timer_;
  bool is_asked_ = false;
  Quotes quotes_;
};

std::vector<std::int64_t> walk(Sim& source, const Wanted& wanted, const std::string& ticker,
                               int steps) {
  std::vector<std::int64_t> prices;
  for (int i = 0; i < steps; ++i) {
    const Quotes quotes = source.poll(wanted);
    const auto found = std::ranges::find(quotes.tickers, ticker, &TickerQuote::ticker);
    prices.push_back(found->quote.price);
  }
  return prices;
}

TEST(SimSourceTest, TheSameSeedWalksTheSameWayWhoeverElseIsAskedFor) {
  Sim alone(7);
  Sim among_others(7);
  const auto prices = walk(alone, {.tickers = {"005930"}}, "005930", 500);
  EXPECT_EQ(walk(among_others, {.tickers = {"000660", "005930", "ABC123"}}, "005930", 500), prices);
  Sim other_seed(8);
  EXPECT_NE(walk(other_seed, {.tickers = {"005930"}}, "005930", 500), prices);
}

TEST(SimSourceTest, PricesStayOnTheTickGridAndWithinTheDailyLimit) {
  Sim source(3);
  const Wanted wanted{.tickers = {"000020", "005930", "035420", "1A2B3C"}};
  for (int i = 0; i < 20'000; ++i) {
    for (const auto& [ticker, quote, as_of] : source.poll(wanted).tickers) {
      const std::int64_t base = quote.price - quote.change;
      ASSERT_EQ(quote.price % tick_size(quote.price), 0) << ticker << ' ' << quote.price;
      ASSERT_GE(quote.price * 10, base * 7) << ticker;
      ASSERT_LE(quote.price * 10, base * 13) << ticker;
      ASSERT_LT(quote.bid_price, quote.price);
      ASSERT_GT(quote.ask_price, quote.price);
    }
  }
}

TEST(SimSourceTest, VolumeOnlyGrows) {
  Sim source(3);
  std::int64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const std::int64_t volume = source.poll({.tickers = {"005930"}}).tickers.front().quote.volume;
    EXPECT_GT(volume, last);
    last = volume;
  }
}

TEST(SimSourceTest, IndicesMove) {
  Sim source(3);
  const Wanted wanted{.indices = {kIndices.begin(), kIndices.end()}};
  const double first = source.poll(wanted).indices.front().quote.index;
  double second = first;
  for (int i = 0; i < 100 && second == first; ++i) {
    second = source.poll(wanted).indices.front().quote.index;
  }
  EXPECT_NE(second, first);
}

TEST(MarketTest, TickSizesAreThoseOfTheExchange) {
  const std::pair<std::int64_t, std::int64_t> rows[] = {
      {1'999, 1},     {2'000, 5},     {4'995, 5},     {5'000, 10},
      {19'990, 10},   {20'000, 50},   {49'950, 50},   {50'000, 100},
      {199'900, 100}, {200'000, 500}, {499'500, 500}, {500'000, 1'000}};
  for (const auto& [price, tick] : rows) EXPECT_EQ(tick_size(price), tick) << price;
}

}  // namespace
}  // namespace broadcast
