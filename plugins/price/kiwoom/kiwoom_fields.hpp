#pragma once
// The texts in Kiwoom's answers: numbers with a sign for the direction, Korean times, words of the
// server that are logged. Pure; any thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "plugins/price/refusal.hpp"
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
/// When it last was `time` o'clock in Korea on a weekday, seen from `wall_ns`: a REAL message names
/// no date. The server's clock may be ten minutes ahead of ours.
[[nodiscard]] std::int64_t last_time_of_day(std::chrono::seconds time, std::int64_t wall_ns);
/// When a row was true: at `time` on `day`, as far as it says so. Without a day, a time that is yet
/// to come today is yesterday's, or that of a clock ahead of ours: it says nothing.
[[nodiscard]] AsOf as_of_row(std::optional<KoreanDay> day, std::optional<std::chrono::seconds> time,
                             std::int64_t wall_ns);

/// The sector that an index is at Kiwoom. Its code on our wire is another one: Kiwoom's 201 is
/// KOSPI 200.
[[nodiscard]] std::string_view sector_item(const IndexName& index);

/// The server's words as they may be logged: on one line, of bounded length, without `secrets`.
[[nodiscard]] std::string loggable(std::string text, std::span<const std::string> secrets);

/// Reads the fields of one JSON object, all of them texts. A field that is not there, or empty, is
/// nothing. One that cannot be read is a refusal of the whole, or where a quote can do without it,
/// nothing as well, and counted.
class KiwoomFields {
 public:
  /// `object` outlives this.
  explicit KiwoomFields(const nlohmann::json& object);

  [[nodiscard]] std::string_view text(const char* key);
  [[nodiscard]] std::optional<std::int64_t> whole(const char* key);
  [[nodiscard]] std::optional<double> decimal(const char* key);
  // What a quote can do without.
  [[nodiscard]] std::optional<std::int64_t> spare_whole(const char* key);
  [[nodiscard]] std::optional<std::chrono::seconds> time(const char* key);
  [[nodiscard]] std::optional<KoreanDay> day(const char* key);

  void refuse(Refusal why);
  /// The first thing that was wrong.
  [[nodiscard]] std::optional<Refusal> refusal() const { return refusal_; }
  /// How many could not be read without it mattering.
  [[nodiscard]] std::size_t left_out() const { return left_out_; }

 private:
  template <class T>
  std::optional<T> read(const char* key, std::optional<T> (*parse)(std::string_view));
  template <class T>
  std::optional<T> read_spare(const char* key, std::optional<T> (*parse)(std::string_view));

  const nlohmann::json& object_;
  std::optional<Refusal> refusal_;
  std::size_t left_out_ = 0;
};

}  // namespace broadcast
