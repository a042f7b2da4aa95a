#include "plugins/price/trading_hours.hpp"

#include <charconv>

namespace broadcast {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;

constexpr hours kSeoul{9};  // ahead of UTC, all year round
constexpr nanoseconds kOpen = hours(9);
constexpr nanoseconds kClose = hours(15) + minutes(30);

std::optional<unsigned> number(std::string_view digits) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::chrono::sys_days> TradingHours::parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = number(text.substr(0, 4));
  const auto month = number(text.substr(5, 2));
  const auto day = number(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day));
  return date.ok() ? std::optional(std::chrono::sys_days(date)) : std::nullopt;
}

std::optional<nanoseconds> TradingHours::open_for(std::int64_t wall_ns) const {
  const nanoseconds in_seoul = nanoseconds(wall_ns) + kSeoul;
  const std::chrono::sys_days today(std::chrono::floor<days>(in_seoul));
  const std::chrono::weekday weekday(today);
  const bool is_weekend = weekday == std::chrono::Saturday || weekday == std::chrono::Sunday;
  if (is_weekend || holidays_.contains(today)) return std::nullopt;
  const nanoseconds time = in_seoul - today.time_since_epoch();
  if (time < kOpen || time >= kClose) return std::nullopt;
  return time - kOpen;
}

}  // namespace broadcast
