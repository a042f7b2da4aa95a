#include "tests/support/kiwoom/stand_in_market.hpp"

#include <cstdio>
#include <ctime>
#include <map>

namespace broadcast::test {

namespace {

using nlohmann::json;

constexpr const char* kRowFields[] = {"stk_cd",   "stk_nm",  "cur_prc",  "base_pric",
                                      "pred_pre", "flu_rt",  "trde_qty", "sel_bid",
                                      "buy_bid",  "cntr_tm", "dt"};

/// Yesterday's close.
long base_of(const std::string& code) {
  unsigned long hash = 7;
  for (const char c : code) hash = hash * 31 + static_cast<unsigned char>(c);
  return 10'000 + static_cast<long>(hash % 900) * 100;
}

/// The points of each sector; nowhere near those of another.
const std::map<std::string, long> kSectors = {{"001", 2600}, {"101", 850}, {"201", 350}};

std::string directed(long value, long direction) {
  return (direction < 0 ? "-" : "+") + std::to_string(value);
}

std::string rate(long change, long base) {
  char text[32];
  std::snprintf(text, sizeof text, "%+.2f",
                100 * static_cast<double>(change) / static_cast<double>(base));
  return text;
}

}  // namespace

std::string korean_time(std::int64_t wall_ns) {
  const std::time_t seconds = wall_ns / 1'000'000'000 + 9L * 3600;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d%H%M%S", &parts);
  return text;
}

json row_of(const std::string& code, std::int64_t wall_ns) {
  const long base = base_of(code);
  const long price = base - 500;
  return {{"stk_cd", code},
          {"stk_nm", "종목 " + code},
          {"cur_prc", directed(price, -1)},
          {"base_pric", std::to_string(base)},
          {"pred_pre", "-500"},
          {"flu_rt", rate(-500, base)},
          {"trde_qty", std::to_string(base * 100)},
          {"sel_bid", directed(price + 100, -1)},
          {"buy_bid", directed(price, -1)},
          {"cntr_tm", korean_time(wall_ns).substr(8)},
          {"dt", korean_time(wall_ns).substr(0, 8)}};
}

json empty_row() {
  json row;
  for (const char* field : kRowFields) row[field] = "";
  return row;
}

bool is_sector(const std::string& item) { return kSectors.contains(item); }

std::string trade_of(const std::string& item, std::uint64_t number, std::int64_t wall_ns) {
  const std::string time = korean_time(wall_ns).substr(8);
  if (is_sector(item)) {
    const std::string points =
        std::to_string(kSectors.at(item) + static_cast<long>(number % 20)) + ".55";
    return json{{"trnm", "REAL"},
                {"data", json::array({{{"type", "0J"},
                                       {"name", "업종지수"},
                                       {"item", item},
                                       {"values",
                                        {{"20", time},
                                         {"10", "-" + points},
                                         {"11", "-12.34"},
                                         {"12", "-0.47"},
                                         {"13", std::to_string(400'000 + number)}}}}})}}
        .dump();
  }
  const long base = base_of(item);
  const long change = 100 * (1 + static_cast<long>(number % 9)) * (number % 2 == 0 ? 1 : -1);
  const long price = base + change;
  // As many fields as the real ones have; most of them mean nothing to us.
  return json{{"trnm", "REAL"},
              {"data", json::array({{{"type", "0B"},
                                     {"name", "주식체결"},
                                     {"item", item},
                                     {"values",
                                      {{"20", time},
                                       {"10", directed(price, change)},
                                       {"11", directed(change < 0 ? -change : change, change)},
                                       {"12", rate(change, base)},
                                       {"27", directed(price + 100, change)},
                                       {"28", directed(price, change)},
                                       {"15", "+17"},
                                       {"13", std::to_string(1'000'000 + number)},
                                       {"14", "93147"},
                                       {"16", directed(base, 1)},
                                       {"17", directed(base + 900, 1)},
                                       {"18", directed(base - 900, -1)},
                                       {"25", "2"},
                                       {"26", "-10921441"},
                                       {"29", "-754910"},
                                       {"30", "-61.23"},
                                       {"31", "0.21"},
                                       {"32", "46"},
                                       {"228", "98.92"},
                                       {"311", "4231"},
                                       {"290", "2"},
                                       {"691", "0"},
                                       {"567", "090123"},
                                       {"568", "101501"}}}}})}}
      .dump();
}

}  // namespace broadcast::test
