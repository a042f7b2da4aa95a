#pragma once
// What the stand-in quotes: a price for every code, as texts. Pure.

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace broadcast::test {

/// Korean time: "YYYYMMDDHHMMSS".
[[nodiscard]] std::string korean_time(std::int64_t wall_ns);
/// A row of ka10095.
[[nodiscard]] nlohmann::json row_of(const std::string& code, std::int64_t wall_ns);
[[nodiscard]] nlohmann::json empty_row();
/// Whether it is the item of a sector index: 001 KOSPI, 101 KOSDAQ, 201 KOSPI 200.
[[nodiscard]] bool is_sector(const std::string& item);
/// A REAL message of trade number `number`.
[[nodiscard]] std::string trade_of(const std::string& item, std::uint64_t number,
                                   std::int64_t wall_ns);

}  // namespace broadcast::test
