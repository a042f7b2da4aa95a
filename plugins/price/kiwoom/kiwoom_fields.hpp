#pragma once
// The texts in Kiwoom's answers: numbers with a sign for the direction, Korean times, words of the
// server that are logged. Pure; any thread.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "plugins/price/source.hpp"

namespace broadcast {

/// "+71000" "-500" "0": a sign, then up to 15 digits; nothing if `text` is anything else.
[[nodiscard]] std::optional<std::int64_t> parse_whole(std::string_view text);
/// The same with up to 6 decimals: "-1.25". Never NaN, infinite or -0.
[[nodiscard]] std::optional<double> parse_decimal(std::string_view text);
/// "HHMMSS".
[[nodiscard]] std::optional<std::chrono::seconds> parse_time_of_day(std::string_view text);
/// "YYYYMMDDHHMMSS", Korean time -> wall clock in nanoseconds.
[[nodiscard]] std::optional<std::int64_t> parse_korean_time(std::string_view text);
/// When it last was `time` o'clock in Korea on a weekday, seen from `wall_ns`: the server names no
/// date. Its clock may be ten minutes ahead of ours.
[[nodiscard]] std::int64_t last_time_of_day(std::chrono::seconds time, std::int64_t wall_ns);
/// Days since 1970 in Korea.
[[nodiscard]] std::int64_t korean_day(std::int64_t wall_ns);

/// The sector that an index is at Kiwoom. Its code on our wire is another one: Kiwoom's 201 is
/// KOSPI 200.
[[nodiscard]] std::string_view sector_item(const IndexName& index);

/// The server's words as they may be logged: on one line, of bounded length, without `secrets`.
[[nodiscard]] std::string loggable(std::string text, std::span<const std::string> secrets);

/// How many quotes were refused, by reason.
class Refusals {
 public:
  void add(Refusal why, std::size_t count = 1) { counts_[static_cast<std::size_t>(why)] += count; }
  void add(const Refusals& more);
  [[nodiscard]] std::size_t of(Refusal why) const { return counts_[static_cast<std::size_t>(why)]; }
  [[nodiscard]] std::size_t total() const;
  /// Each reason that there was.
  void tell(const std::function<void(Refusal, std::size_t)>& on_refused) const;

 private:
  std::array<std::size_t, 5> counts_{};
};

/// Reads the fields of one JSON object, all of them texts. A field that is not there, or empty, is
/// nothing; one that cannot be read is a refusal of the whole.
class KiwoomFields {
 public:
  /// `object` outlives this.
  explicit KiwoomFields(const nlohmann::json& object);

  [[nodiscard]] std::string_view text(const char* key);
  [[nodiscard]] std::optional<std::int64_t> whole(const char* key);
  [[nodiscard]] std::optional<double> decimal(const char* key);
  [[nodiscard]] std::optional<std::chrono::seconds> time(const char* key);

  void refuse(Refusal why);
  /// The first thing that was wrong.
  [[nodiscard]] std::optional<Refusal> refusal() const { return refusal_; }

 private:
  template <class T>
  std::optional<T> read(const char* key, std::optional<T> (*parse)(std::string_view));

  const nlohmann::json& object_;
  std::optional<Refusal> refusal_;
};

}  // namespace broadcast
