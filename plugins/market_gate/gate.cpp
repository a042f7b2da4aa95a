#include "plugins/market_gate/gate.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

namespace broadcast {

namespace {

constexpr std::array<const char*, 4> kNumbers = {"kospi", "kospi_change_pct", "kosdaq",
                                                 "kosdaq_change_pct"};

void require_one_of(const Field& field, std::initializer_list<std::string_view> allowed,
                    std::string_view expected) {
  const auto is_it = [&field](std::string_view one) { return field.value() == one; };
  if (std::ranges::none_of(allowed, is_it)) field.refuse(expected);
}

void require_number_or_null(const Field& field) {
  if (!field.value().is_null() && !field.value().is_number()) field.refuse("a number or null");
}

std::string_view signal_of(const Json& change_pct) {
  if (!change_pct.is_number()) return "neutral";
  const auto percent = change_pct.get<double>();
  if (percent > 1) return "bullish";
  return percent < -1 ? "bearish" : "neutral";
}

void complete(Json& data) {
  if (!data.is_object()) return;  // which the check refuses
  for (const char* key : kNumbers) data.emplace(key, nullptr);
  Json& sectors = data["sectors"];
  if (sectors.is_null()) sectors = Json::array();
  for (Json& sector : sectors) {
    if (!sector.is_object()) continue;
    const Json& change = *sector.emplace("change_pct", nullptr).first;
    const std::string_view signal = signal_of(change);
    if (Json& given = sector["signal"]; given.is_null()) given = signal;
    if (!Field(sector, "").find("ticker")) sector.erase("ticker");
  }
}

void check_sector(const Field& sector) {
  require_string(sector, "name");
  if (const auto ticker = sector.find("ticker")) require_string(*ticker);
  require_number_or_null(sector.at("change_pct"));
  require_one_of(sector.at("signal"), {"bullish", "bearish", "neutral"},
                 "bullish, bearish or neutral");
}

void check(const Field& data) {
  require_one_of(data.at("status"), {"RED", "YELLOW", "GREEN"}, "RED, YELLOW or GREEN");
  const Field level = data.at("level");
  require_number(level);
  if (level.value() < 0 || level.value() > 100) level.refuse("0 to 100");
  for (const char* key : kNumbers) require_number_or_null(data.at(key));
  const Field sectors = data.at("sectors");
  require_array(sectors);
  for (std::size_t i = 0; i < sectors.value().size(); ++i) check_sector(sectors.at(i));
}

}  // namespace

std::string market_gate_update(Json sent, std::string_view now) {
  if (!sent.is_object()) throw Refused("expected the gate's data or a market_gate_update");
  const Field update(sent, "");
  const auto type = update.find("type");
  const bool is_whole = type.has_value();
  if (is_whole) {
    require_text(*type, "market_gate_update");
    if (const auto topic = update.find("topic")) require_text(*topic, kGateTopic);
    static_cast<void>(update.at("data"));
  } else {
    sent.erase("type");
  }
  const auto stamp = sent.find("timestamp");
  const bool is_dated = stamp != sent.end() && stamp->is_string();
  const Json timestamp = is_dated ? *stamp : Json(now);
  Json data = is_whole ? std::move(sent["data"]) : std::move(sent);
  complete(data);
  check(Field(data, is_whole ? "data" : ""));
  return Json{{"type", "market_gate_update"}, {"timestamp", timestamp}, {"data", std::move(data)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace broadcast
