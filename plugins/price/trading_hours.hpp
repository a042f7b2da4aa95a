#pragma once
// When the Korea Exchange trades: 09:00 to 15:30 in Seoul, on weekdays that are no holidays. Pure.

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "plugins/database/korean_day.hpp"

namespace broadcast {

class TradingHours {
 public:
  TradingHours() = default;
  explicit TradingHours(std::set<KoreanDay> holidays) : holidays_(std::move(holidays)) {}

  /// How long the exchange has been open; nothing while it is closed.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> open_for(std::int64_t wall_ns) const;
  /// It has been open today, or is.
  [[nodiscard]] bool has_opened(std::int64_t wall_ns) const;
  [[nodiscard]] bool trades_on(KoreanDay day) const;
  /// The last trading day before today: the collectors have written its rows, and today's may come
  /// as late as midnight.
  [[nodiscard]] KoreanDay last_full_day(std::int64_t wall_ns) const;

 private:
  std::set<KoreanDay> holidays_;
};

}  // namespace broadcast
