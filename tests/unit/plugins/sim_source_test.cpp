#include "plugins/price/sim_source.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

Quotes poll(SimSource& source, const Wanted& wanted) {
  Quotes quotes;
  EXPECT_TRUE(source.try_poll(wanted, [&](PriceSource::Answer answer) {
    EXPECT_EQ(answer.error, "");
    quotes = std::move(answer.quotes);
  }));
  return quotes;
}

std::vector<std::int64_t> walk(SimSource& source, const Wanted& wanted, int steps) {
  std::vector<std::int64_t> prices;
  for (int i = 0; i < steps; ++i)
    prices.push_back(poll(source, wanted).tickers.front().second.price);
  return prices;
}

TEST(SimSourceTest, TheSameSeedWalksTheSameWayWhoeverElseIsAskedFor) {
  SimSource alone(7);
  SimSource among_others(7);
  const auto prices = walk(alone, {.tickers = {"005930"}}, 500);
  EXPECT_EQ(walk(among_others, {.tickers = {"005930", "000660", "ABC123"}}, 500), prices);
  SimSource other_seed(8);
  EXPECT_NE(walk(other_seed, {.tickers = {"005930"}}, 500), prices);
}

TEST(SimSourceTest, PricesStayOnTheTickGridAndWithinTheDailyLimit) {
  SimSource source(3);
  const Wanted wanted{.tickers = {"005930", "000020", "035420", "1A2B3C"}};
  for (int i = 0; i < 20'000; ++i) {
    for (const auto& [ticker, quote] : poll(source, wanted).tickers) {
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
  SimSource source(3);
  std::int64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const std::int64_t volume = poll(source, {.tickers = {"005930"}}).tickers.front().second.volume;
    EXPECT_GT(volume, last);
    last = volume;
  }
}

TEST(SimSourceTest, IndicesMove) {
  SimSource source(3);
  const Wanted wanted{.indices = {kIndices.begin(), kIndices.end()}};
  const double first = poll(source, wanted).indices.front().second.index;
  double second = first;
  for (int i = 0; i < 100 && second == first; ++i) {
    second = poll(source, wanted).indices.front().second.index;
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
