#include "plugins/price/sim_source.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace broadcast {

namespace {

/// FNV-1a: the same on every machine, which std::hash does not promise.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return hash;
}

/// Yesterday's close: plausible for the known tickers, made up from its name for any other.
std::int64_t base_price(std::string_view ticker) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kKnown = {{
      {"005930", 82'000},
      {"000660", 195'000},
      {"035420", 214'000},
      {"005380", 238'000},
      {"028260", 141'000},
      {"000020", 7'600},
  }};
  const auto* known = std::ranges::find(kKnown, ticker, &decltype(kKnown)::value_type::first);
  if (known != kKnown.end()) return known->second;
  const auto price = static_cast<std::int64_t>(1'000 + hash_of(ticker) % 300'000);
  return price / tick_size(price) * tick_size(price);
}

/// splitmix64 (Steele, Lea, Flood 2014): eight bytes of state, where std::mt19937_64 has 2,500.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = state += 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

std::int64_t pick(std::uint64_t& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(next_random(random) %
                                         static_cast<std::uint64_t>(high - low + 1));
}

double percent(std::int64_t change, std::int64_t base) {
  return round2(100.0 * static_cast<double>(change) / static_cast<double>(base));
}

}  // namespace

SimSource::Walk& SimSource::walk_of(const std::string& name, std::int64_t base) {
  const auto [entry, is_new] = walks_.try_emplace(name);
  if (is_new) {
    entry->second = {.random = seed_ ^ hash_of(name), .base = base, .value = base};
  }
  return entry->second;
}

Quote SimSource::next_quote(const std::string& ticker) {
  Walk& walk = walk_of(ticker, base_price(ticker));
  // The limits are on the grid of the tick sizes around them.
  const std::int64_t raw_low = walk.base * 7 / 10;
  const std::int64_t low = raw_low + (tick_size(raw_low) - raw_low % tick_size(raw_low));
  const std::int64_t raw_high = walk.base * 13 / 10;
  const std::int64_t high = raw_high - raw_high % tick_size(raw_high);
  for (std::int64_t step = pick(walk.random, -3, 3); step != 0; step += step > 0 ? -1 : 1) {
    // Downwards the smaller tick counts: from 50,000 it goes to 49,950.
    walk.value += step > 0 ? tick_size(walk.value) : -tick_size(walk.value - 1);
  }
  walk.value = std::clamp(walk.value, low, high);
  walk.volume += pick(walk.random, 100, 20'000);
  const std::int64_t change = walk.value - walk.base;
  return {.price = walk.value,
          .change = change,
          .change_rate = percent(change, walk.base),
          .volume = walk.volume,
          .bid_price = walk.value - tick_size(walk.value - 1),
          .ask_price = walk.value + tick_size(walk.value)};
}

IndexQuote SimSource::next_index(const IndexName& index) {
  Walk& walk = walk_of(std::string(index.topic), index.key == "kospi" ? 261'055 : 85'010);
  const std::int64_t reach = walk.base / 2'000;
  walk.value = std::clamp(walk.value + pick(walk.random, -reach, reach), walk.base * 7 / 10,
                          walk.base * 13 / 10);
  walk.volume += pick(walk.random, 1'000, 50'000);
  const std::int64_t change = walk.value - walk.base;
  return {.index = static_cast<double>(walk.value) / 100,
          .change = static_cast<double>(change) / 100,
          .change_rate = percent(change, walk.base),
          .volume = walk.volume};
}

void SimSource::start(Events events) {
  PolledSource::start(std::move(events));
  this->events().on_link("");
}

void SimSource::ask(const Wanted& wanted) {
  Quotes quotes;
  for (const std::string& ticker : wanted.tickers) {
    quotes.tickers.push_back({.ticker = ticker, .quote = next_quote(ticker)});
  }
  for (const IndexName& index : wanted.indices) {
    quotes.indices.push_back({.index = index, .quote = next_index(index)});
  }
  events().on_quotes(quotes);
}

}  // namespace broadcast
