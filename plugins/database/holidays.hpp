#pragma once
// The key `holidays` of broadcasters that judge how old rows are. Pure.

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <broadcast/broadcaster.hpp>

#include "plugins/database/korean_day.hpp"

namespace broadcast {

/// "2026-01-01"; nothing if there is no such day.
[[nodiscard]] inline std::optional<KoreanDay> parse_holiday(std::string_view text) {
  return text.size() == 10 ? parse_day(text) : std::nullopt;
}

/// Throws Error, which names the entry that is no day.
[[nodiscard]] inline std::set<KoreanDay> parse_holidays(const std::vector<std::string>& texts) {
  std::set<KoreanDay> days;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto day = parse_holiday(texts[i]);
    if (!day) {
      throw Error(BC_E_INVALID, "holidays[" + std::to_string(i) + "]: there is no day \"" +
                                    texts[i] + "\"; write it as 2026-01-01");
    }
    days.insert(*day);
  }
  return days;
}

}  // namespace broadcast
