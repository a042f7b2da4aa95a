#pragma once
// When the Korea Exchange trades: 09:00 to 15:30 in Seoul, on weekdays that are no holidays. Pure.

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

namespace broadcast {

class TradingHours {
 public:
  TradingHours() = default;
  explicit TradingHours(std::set<std::chrono::sys_days> holidays)
      : holidays_(std::move(holidays)) {}

  /// "2026-01-01"; nothing if there is no such day.
  [[nodiscard]] static std::optional<std::chrono::sys_days> parse_date(std::string_view text);
  /// How long the exchange has been open; nothing while it is closed.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> open_for(std::int64_t wall_ns) const;

 private:
  std::set<std::chrono::sys_days> holidays_;
};

}  // namespace broadcast
