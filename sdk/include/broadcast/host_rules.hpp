#pragma once
// What a host lets a broadcaster do: limits and forms that host and FakeHost judge by, so that a
// test refuses what production would. Pure; [any]. Needs nothing but the standard library.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace broadcast {

/// How deep objects and lists may stand in each other in what goes to clients; an empty one at the
/// bottom does not count.
inline constexpr std::size_t kMaxMessageNesting = 1024;
/// The most that one text for every client may have (bc.clients/1).
inline constexpr std::size_t kMaxSendAllBytes = std::size_t{64} * 1024;
/// Timers of a generation that may be armed at once.
inline constexpr std::size_t kMaxArmedTimers = 4096;
/// Posts of a generation that may wait at once.
inline constexpr std::size_t kMaxWaitingPosts = 4096;
/// Metrics that a generation may define.
inline constexpr std::size_t kMaxDefinedMetrics = 64;

/// What a close frame may say: a control frame holds 125 bytes, two of them the code.
inline constexpr std::size_t kMaxCloseTextBytes = 123;
/// The codes that a broadcaster may close clients with: what a server has to say by RFC 6455, or
/// what only those who agreed on it understand.
[[nodiscard]] constexpr bool is_sendable_close_code(std::uint16_t code) {
  return code == 1000 || code == 1001 || code == 1008 || code == 1011 ||
         (code >= 3000 && code <= 4999);
}

/// May clients be pinged so (bc.heartbeat/1)? Silence is looked for every 100 ms, not more often.
[[nodiscard]] constexpr bool is_heartbeat(std::chrono::nanoseconds interval,
                                          std::chrono::nanoseconds timeout) {
  return interval >= std::chrono::milliseconds(100) && timeout > interval;
}

/// A glob of Redis that names some keys (bc.cache/1): at most 256 bytes, with text before the first
/// of * ? [ \, so that it can never mean all of a database that others use, too.
[[nodiscard]] constexpr bool is_cache_pattern(std::string_view pattern) {
  constexpr std::size_t kMaxBytes = 256;
  return !pattern.empty() && pattern.size() <= kMaxBytes &&
         std::string_view("*?[\\").find(pattern.front()) == std::string_view::npos;
}

/// The name of a metric (bc.metrics/1): 1 to 64 of a-z, 0-9 and _, a letter first.
[[nodiscard]] constexpr bool is_metric_name(std::string_view name) {
  constexpr std::size_t kMaxBytes = 64;
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && name.size() <= kMaxBytes && is_letter(name.front()) &&
         std::ranges::all_of(
             name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}
/// Does it end as the samples of counters and histograms do? Only a counter's name may: another one
/// would be taken for such a sample.
[[nodiscard]] constexpr bool ends_as_a_sample(std::string_view name) {
  return std::ranges::any_of(std::array<std::string_view, 4>{"_total", "_bucket", "_count", "_sum"},
                             [&](std::string_view end) { return name.ends_with(end); });
}

/// std::regex makes a copy for each time, and a number beyond its own overflows: "a{99999}".
[[nodiscard]] inline bool has_large_repeat(std::string_view pattern) {
  std::size_t digits = 0;
  bool is_count = false;  // behind a brace
  for (const char c : pattern) {
    const bool is_digit = c >= '0' && c <= '9';
    is_count = c == '{' || (is_count && (is_digit || c == ','));
    digits = is_count && is_digit ? digits + 1 : 0;
    if (digits > 3) return true;
  }
  return false;
}

}  // namespace broadcast
