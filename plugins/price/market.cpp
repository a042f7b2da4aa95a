#include "plugins/price/market.hpp"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include <broadcast/units.hpp>

namespace broadcast {

namespace {

using Update = nlohmann::ordered_json;

/// `update` with what every one ends in.
std::string written(Update update, const AsOf& as_of, std::int64_t wall_ns,
                    std::string_view source) {
  update["timestamp"] = iso_timestamp(wall_ns);
  if (std::string text = as_of.text(); !text.empty()) update["as_of"] = std::move(text);
  update["source"] = source;
  return update.dump();
}

}  // namespace

std::int64_t tick_size(std::int64_t price) {
  if (price < 2'000) return 1;
  if (price < 5'000) return 5;
  if (price < 20'000) return 10;
  if (price < 50'000) return 50;
  if (price < 200'000) return 100;
  if (price < 500'000) return 500;
  return 1'000;
}

double round2(double value) { return std::round(value * 100) / 100; }

std::string AsOf::text() const {
  if (day) return day_text(*day);
  return ns == 0 ? std::string() : iso_timestamp(ns);
}

std::string price_update(std::string_view ticker, const Quote& quote, const AsOf& as_of,
                         std::int64_t wall_ns, std::string_view source) {
  return written({{"type", "price_update"},
                  {"ticker", ticker},
                  {"data",
                   {{"price", quote.price},
                    {"change", quote.change},
                    {"change_rate", quote.change_rate},
                    {"volume", quote.volume},
                    {"bid_price", quote.bid_price},
                    {"ask_price", quote.ask_price}}}},
                 as_of, wall_ns, source);
}

std::string index_update(const IndexName& index, const IndexQuote& quote, const AsOf& as_of,
                         std::int64_t wall_ns, std::string_view source) {
  return written({{"type", "index_update"},
                  {"code", index.code},
                  {"name", index.name},
                  {"data",
                   {{"index", quote.index},
                    {"change", quote.change},
                    {"change_rate", quote.change_rate},
                    {"volume", quote.volume ? Update(*quote.volume) : Update(nullptr)}}}},
                 as_of, wall_ns, source);
}

}  // namespace broadcast
