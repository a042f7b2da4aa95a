#include "plugins/market_gate/gate.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

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
  if (const auto ticker = sector.find("ticker")) require_ticker(*ticker);
  require_number_or_null(sector.at("change_pct"));
  require_one_of(sector.at("signal"), {"bullish", "bearish", "neutral"},
                 "bullish, bearish or neutral");
}

void check_status(const Field& status) {
  require_one_of(status, {"RED", "YELLOW", "GREEN"}, "RED, YELLOW or GREEN");
}

void check_level(const Field& level) {
  require_number(level);
  if (level.value() < 0 || level.value() > 100) level.refuse("0 to 100");
}

void check(const Field& data) {
  check_status(data.at("status"));
  check_level(data.at("level"));
  for (const char* key : kNumbers) require_number_or_null(data.at(key));
  const Field sectors = data.at("sectors");
  require_array(sectors);
  for (std::size_t i = 0; i < sectors.value().size(); ++i) check_sector(sectors.at(i));
}

/// A level of an index; unlike its change it is never 0.
void check_points(const Field& points) {
  require_number_or_null(points);
  if (points.value().is_number() && points.value() <= 0) points.refuse("a number above 0");
}

template <class Check>
bool is_usable(const Field& field, Check check_it, std::vector<std::string>& left_out) {
  try {
    check_it(field);
    return true;
  } catch (const Refused& error) {
    left_out.emplace_back(error.what());
    return false;
  }
}

void leave_out_sectors(Json& sectors, std::vector<std::string>& left_out) {
  const auto is_list = [](const Field& field) { require_array(field); };
  Json usable = Json::array();
  if (is_usable(Field(sectors, "sectors"), is_list, left_out)) {
    const Field all(sectors, "sectors");
    for (std::size_t i = 0; i < sectors.size(); ++i) {
      if (is_usable(all.at(i), check_sector, left_out)) usable.push_back(sectors[i]);
    }
  }
  sectors = std::move(usable);
}

/// `middle`: what stands between type and data.
std::string written(const Json& middle, Json data) {
  Json update{{"type", "market_gate_update"}};
  update.update(middle);
  update["data"] = std::move(data);
  return update.dump(-1, ' ', false, Json::error_handler_t::replace);
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
  return written({{"timestamp", timestamp}}, std::move(data));
}

std::string gate_of_row(Json row, KoreanDay day, std::string_view now,
                        std::vector<std::string>& left_out) {
  check_status(Field(row, "").at("status"));
  if (row.contains("sectors") && row["sectors"].is_null()) row.erase("sectors");
  complete(row);
  const Field fields(row, "");
  if (!is_usable(fields.at("level"), check_level, left_out)) row["level"] = nullptr;
  for (const char* key : {"kospi", "kosdaq"}) {
    if (!is_usable(fields.at(key), check_points, left_out)) row[key] = nullptr;
  }
  for (const char* key : {"kospi_change_pct", "kosdaq_change_pct"}) {
    if (!is_usable(fields.at(key), require_number_or_null, left_out)) row[key] = nullptr;
  }
  leave_out_sectors(row["sectors"], left_out);
  return written({{"timestamp", now}, {"as_of", day_text(day)}}, std::move(row));
}

}  // namespace broadcast
