// kiwoom_bench: what one REAL message of Kiwoom's costs, from its text to the text that is
// published, in nanoseconds and in allocations; and what of that is parsing.

#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include "plugins/price/kiwoom/kiwoom_quotes.hpp"
#include "plugins/price/market.hpp"
#include "tests/support/kiwoom/stand_in_market.hpp"
#include "tests/unit/hub/allocations.hpp"

namespace broadcast {
namespace {

constexpr std::int64_t kTenOClock = 1'795'482'000'000'000'000;
constexpr std::size_t kTickers = 1000;

struct Feed {
  Feed() {
    for (std::size_t i = 0; i < kTickers; ++i) {
      wanted.tickers.push_back(std::to_string(100'000 + i));
      texts.push_back(test::trade_of(wanted.tickers.back(), i, kTenOClock));
    }
  }
  Wanted wanted;
  std::vector<std::string> texts;
};

void count_allocations(benchmark::State& state, std::size_t made) {
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(made), benchmark::Counter::kAvgIterations);
}

void parse(benchmark::State& state) {
  const Feed feed;
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(nlohmann::json::parse(feed.texts[at++ % kTickers]));
  }
}

void parse_and_write(benchmark::State& state) {
  const Feed feed;
  KiwoomReal real;
  real.want(feed.wanted);
  Refusals refused;
  std::size_t at = 0;
  const std::size_t before = allocations();
  for (auto _ : state) {
    Quotes quotes;
    real.apply(nlohmann::json::parse(feed.texts[at++ % kTickers]), kTenOClock, quotes, refused);
    for (const TickerQuote& one : quotes.tickers) {
      benchmark::DoNotOptimize(
          price_update(one.ticker, one.quote, one.as_of, kTenOClock, "kiwoom_ws"));
    }
  }
  count_allocations(state, allocations() - before);
  if (refused.total() > 0) state.SkipWithError("messages were refused");
}

BENCHMARK(parse);
BENCHMARK(parse_and_write);

}  // namespace
}  // namespace broadcast

BENCHMARK_MAIN();
