#include "plugins/price/market.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

#include <broadcast/units.hpp>

namespace broadcast {

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

std::string price_update(std::string_view ticker, const Quote& quote, std::int64_t wall_ns,
                         std::string_view source) {
  return nlohmann::ordered_json{{"type", "price_update"},
                                {"ticker", ticker},
                                {"data",
                                 {{"price", quote.price},
                                  {"change", quote.change},
                                  {"change_rate", quote.change_rate},
                                  {"volume", quote.volume},
                                  {"bid_price", quote.bid_price},
                                  {"ask_price", quote.ask_price}}},
                                {"timestamp", iso_timestamp(wall_ns)},
                                {"source", source}}
      .dump();
}

std::string index_update(const IndexName& index, const IndexQuote& quote, std::int64_t wall_ns,
                         std::string_view source) {
  const nlohmann::ordered_json volume =
      quote.volume ? nlohmann::ordered_json(*quote.volume) : nlohmann::ordered_json(nullptr);
  return nlohmann::ordered_json{{"type", "index_update"},
                                {"code", index.code},
                                {"name", index.name},
                                {"data",
                                 {{"index", quote.index},
                                  {"change", quote.change},
                                  {"change_rate", quote.change_rate},
                                  {"volume", volume}}},
                                {"timestamp", iso_timestamp(wall_ns)},
                                {"source", source}}
      .dump();
}

}  // namespace broadcast
