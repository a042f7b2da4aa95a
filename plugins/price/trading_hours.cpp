#include "plugins/price/trading_hours.hpp"

namespace broadcast {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;

constexpr nanoseconds kOpen = hours(9);
constexpr nanoseconds kClose = hours(15) + minutes(30);

}  // namespace

std::optional<KoreanDay> TradingHours::parse_date(std::string_view text) {
  return text.size() == 10 ? parse_day(text) : std::nullopt;
}

std::optional<nanoseconds> TradingHours::open_for(std::int64_t wall_ns) const {
  const KoreanDay today = korean_day(wall_ns);
  if (!is_trading_day(today, holidays_)) return std::nullopt;
  const nanoseconds time = nanoseconds(wall_ns) + kSeoul - today.time_since_epoch();
  if (time < kOpen || time >= kClose) return std::nullopt;
  return time - kOpen;
}

KoreanDay TradingHours::last_full_day(std::int64_t wall_ns) const {
  return trading_day_before(korean_day(wall_ns), holidays_);
}

}  // namespace broadcast
