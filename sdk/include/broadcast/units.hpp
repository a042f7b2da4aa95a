#pragma once
// Durations, sizes and points in time as texts: "250ms", "64KiB",
// "2026-02-05T01:02:03.456789+00:00". Host and plugins share these functions, so that both read the
// values of a YAML alike. Pure; [any]. Needs nothing but the standard library.

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace broadcast {

namespace units_detail {
/// Splits "250ms" into 250 and "ms"; nothing if the number is missing, negative or not whole.
inline std::optional<std::pair<std::int64_t, std::string_view>> split(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0) return std::nullopt;
  return std::pair{number, text.substr(static_cast<std::size_t>(end - text.data()))};
}
inline std::optional<std::int64_t> scaled(std::int64_t number, std::int64_t unit) {
  if (number > std::numeric_limits<std::int64_t>::max() / unit) return std::nullopt;
  return number * unit;
}
}  // namespace units_detail

/// The duration that `text` is: a whole number from 0 and, without a space, one of ms, s, m
/// (minutes) and h. Nothing: it is none, or longer than 64 bits of nanoseconds (292 years).
[[nodiscard]] inline std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const auto parts = units_detail::split(text);
  if (!parts) return std::nullopt;
  const auto [number, unit] = *parts;
  std::int64_t nanoseconds = 0;
  if (unit == "ms") {
    nanoseconds = 1'000'000;
  } else if (unit == "s") {
    nanoseconds = 1'000'000'000;
  } else if (unit == "m") {
    nanoseconds = 60'000'000'000;
  } else if (unit == "h") {
    nanoseconds = 3'600'000'000'000;
  } else {
    return std::nullopt;
  }
  const auto value = units_detail::scaled(number, nanoseconds);
  if (!value) return std::nullopt;
  return std::chrono::nanoseconds(*value);
}

/// The bytes that `text` stands for: a whole number from 0 and, without a space, B, KiB, MiB, GiB
/// or nothing. Nothing: it is no size, or larger than 63 bits.
[[nodiscard]] inline std::optional<std::size_t> parse_size(std::string_view text) {
  const auto parts = units_detail::split(text);
  if (!parts) return std::nullopt;
  const auto [number, unit] = *parts;
  std::int64_t bytes = 0;
  if (unit.empty() || unit == "B") {
    bytes = 1;
  } else if (unit == "KiB") {
    bytes = std::int64_t{1} << 10;
  } else if (unit == "MiB") {
    bytes = std::int64_t{1} << 20;
  } else if (unit == "GiB") {
    bytes = std::int64_t{1} << 30;
  } else {
    return std::nullopt;
  }
  const auto value = units_detail::scaled(number, bytes);
  if (!value) return std::nullopt;
  return static_cast<std::size_t>(*value);
}

/// A point in time as clients read it, "2026-02-05T01:02:03.456789+00:00": always UTC, to the
/// microsecond, rounded down. `wall_ns` is nanoseconds since 1970 UTC, as Broadcaster::wall_ns().
[[nodiscard]] inline std::string iso_timestamp(std::int64_t wall_ns) {
  const std::chrono::nanoseconds since_1970(wall_ns);
  const auto whole = std::chrono::floor<std::chrono::seconds>(since_1970);  // also before 1970
  const auto seconds = static_cast<std::time_t>(whole.count());
  const auto micros = static_cast<long>((since_1970 - whole).count() / 1'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06ld+00:00",
                                   utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                                   utc.tm_min, utc.tm_sec, micros);
  return {text, static_cast<std::size_t>(length)};
}

}  // namespace broadcast
