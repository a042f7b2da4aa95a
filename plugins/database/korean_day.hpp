#pragma once
// Days of the Korea Exchange: those of the dashboard's daily rows, and those that instants lie on.
// What broadcasters that read its database share. Pure.

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace broadcast {

using KoreanDay = std::chrono::sys_days;
inline constexpr std::chrono::hours kSeoul{9};  ///< ahead of UTC, all year round

/// The one that it is in Seoul.
[[nodiscard]] inline KoreanDay korean_day(std::int64_t wall_ns) {
  const std::chrono::sys_time<std::chrono::nanoseconds> in_seoul(std::chrono::nanoseconds(wall_ns) +
                                                                 kSeoul);
  return std::chrono::floor<std::chrono::days>(in_seoul);
}

/// "2026-02-05" or "20260205", as databases and Kiwoom write them; nothing if there is no such day,
/// or not from 1970 to 2200: nanoseconds since 1970 in 64 bits end in 2262.
[[nodiscard]] inline std::optional<KoreanDay> parse_day(std::string_view text) {
  const bool has_dashes = text.size() == 10 && text[4] == '-' && text[7] == '-';
  if (!has_dashes && text.size() != 8) return std::nullopt;
  const auto number = [text](std::size_t at, std::size_t digits) -> std::optional<unsigned> {
    unsigned value = 0;
    const char* const end = text.data() + at + digits;
    const auto [read, error] = std::from_chars(text.data() + at, end, value);
    return error == std::errc{} && read == end ? std::optional(value) : std::nullopt;
  };
  const auto year = number(0, 4);
  const auto month = number(has_dashes ? 5 : 4, 2);
  const auto day = number(has_dashes ? 8 : 6, 2);
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day));
  const bool is_day = date.ok() && *year >= 1970 && *year <= 2200;
  return is_day ? std::optional(KoreanDay(date)) : std::nullopt;
}

/// "2026-02-05"
[[nodiscard]] inline std::string day_text(KoreanDay day) {
  const std::chrono::year_month_day date(day);
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text;
}

/// A daily row of a later day is a mistake. One of tomorrow may be there: the clock of whoever
/// writes it may be ahead of ours.
[[nodiscard]] inline KoreanDay latest_row_day(std::int64_t wall_ns) {
  return korean_day(wall_ns) + std::chrono::days(1);
}

/// A weekday that is none of `holidays`.
[[nodiscard]] inline bool is_trading_day(KoreanDay day, const std::set<KoreanDay>& holidays = {}) {
  return std::chrono::weekday(day).iso_encoding() <= 5 && !holidays.contains(day);
}
/// The last one before `day`.
[[nodiscard]] inline KoreanDay trading_day_before(KoreanDay day,
                                                  const std::set<KoreanDay>& holidays = {}) {
  do day -= std::chrono::days(1);
  while (!is_trading_day(day, holidays));
  return day;
}

}  // namespace broadcast
