#include "plugins/price/trading_hours.hpp"

namespace broadcast {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;

constexpr nanoseconds kOpen = hours(9);
constexpr nanoseconds kClose = hours(15) + minutes(30);

nanoseconds time_of_day(std::int64_t wall_ns) {
  return nanoseconds(wall_ns) + kSeoul - korean_day(wall_ns).time_since_epoch();
}

}  // namespace

std::optional<nanoseconds> TradingHours::open_for(std::int64_t wall_ns) const {
  const nanoseconds time = time_of_day(wall_ns);
  if (!has_opened(wall_ns) || time >= kClose) return std::nullopt;
  return time - kOpen;
}

bool TradingHours::has_opened(std::int64_t wall_ns) const {
  return trades_on(korean_day(wall_ns)) && time_of_day(wall_ns) >= kOpen;
}

bool TradingHours::trades_on(KoreanDay day) const { return is_trading_day(day, holidays_); }

KoreanDay TradingHours::last_full_day(std::int64_t wall_ns) const {
  return trading_day_before(korean_day(wall_ns), holidays_);
}

}  // namespace broadcast
