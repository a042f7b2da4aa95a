#include "plugins/price/kiwoom/kiwoom_fields.hpp"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

namespace broadcast {

namespace {

using std::chrono::days;
using std::chrono::nanoseconds;
using KoreanTime = std::chrono::sys_time<nanoseconds>;  // nine hours ahead, all year

constexpr nanoseconds kClockSkew = std::chrono::minutes(10);
constexpr std::size_t kMostDigits = 15;  // a double holds them all
constexpr std::size_t kMostDecimals = 6;
constexpr std::size_t kLoggedBytes = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool are_digits(std::string_view text) { return std::ranges::all_of(text, is_digit); }

int two_digits(std::string_view text, std::size_t at) {
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

/// Without the sign; true: it was a minus.
bool take_sign(std::string_view& text) {
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return false;
  const bool is_minus = text.front() == '-';
  text.remove_prefix(1);
  return is_minus;
}

KoreanTime in_korea(std::int64_t wall_ns) { return KoreanTime(nanoseconds(wall_ns) + kSeoul); }

}  // namespace

std::optional<std::int64_t> parse_whole(std::string_view text) {
  const bool is_minus = take_sign(text);
  if (text.empty() || text.size() > kMostDigits || !are_digits(text)) return std::nullopt;
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return is_minus ? -value : value;
}

std::optional<double> parse_decimal(std::string_view text) {
  const bool is_minus = take_sign(text);
  const std::string_view whole = text.substr(0, text.find('.'));
  const std::string_view decimals = text.substr(std::min(whole.size() + 1, text.size()));
  const bool ends_in_point = whole.size() + 1 == text.size();
  if (whole.empty() || ends_in_point || whole.size() > kMostDigits ||
      decimals.size() > kMostDecimals || !are_digits(whole) || !are_digits(decimals)) {
    return std::nullopt;
  }
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  return is_minus && value != 0 ? -value : value;
}

std::optional<std::chrono::seconds> parse_time_of_day(std::string_view text) {
  if (text.size() != 6 || !are_digits(text)) return std::nullopt;
  const int hour = two_digits(text, 0);
  const int minute = two_digits(text, 2);
  const int second = two_digits(text, 4);
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
}

std::optional<std::int64_t> parse_korean_time(std::string_view text) {
  if (text.size() != 14 || !are_digits(text)) return std::nullopt;
  const auto day = parse_day(text.substr(0, 8));
  const auto time = parse_time_of_day(text.substr(8));
  if (!day || !time) return std::nullopt;
  return (KoreanTime(*day + *time).time_since_epoch() - kSeoul).count();
}

std::int64_t last_time_of_day(std::chrono::seconds time, std::int64_t wall_ns) {
  const KoreanTime latest = in_korea(wall_ns) + kClockSkew;
  auto day = std::chrono::floor<days>(latest);
  if (day + time > latest) day -= days(1);
  while (std::chrono::weekday(day).iso_encoding() > 5) day -= days(1);
  return (KoreanTime(day + time).time_since_epoch() - kSeoul).count();
}

AsOf as_of_row(std::optional<KoreanDay> day, std::optional<std::chrono::seconds> time,
               std::int64_t wall_ns) {
  if (day && time) {
    const KoreanTime at(*day + *time);
    const bool is_past = at <= in_korea(wall_ns) + kClockSkew;
    return is_past ? AsOf{.ns = (at.time_since_epoch() - kSeoul).count()} : AsOf{};
  }
  if (time) {
    const std::int64_t at = last_time_of_day(*time, wall_ns);
    return at <= wall_ns ? AsOf{.ns = at} : AsOf{};
  }
  return day && *day < korean_day(wall_ns) ? AsOf{.day = day} : AsOf{};
}

std::string_view sector_item(const IndexName& index) {
  return index.key == "kosdaq" ? "101" : "001";
}

std::string loggable(std::string text, std::span<const std::string> secrets) {
  for (const std::string& secret : secrets) {
    if (secret.empty()) continue;
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3) {
      text.replace(at, secret.size(), "***");
    }
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (text.size() > kLoggedBytes) {
    std::size_t end = kLoggedBytes;
    while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // whole characters
    text.resize(end);
    text += "…";
  }
  return text;
}

KiwoomFields::KiwoomFields(const nlohmann::json& object) : object_(object) {
  if (!object.is_object()) refuse(Refusal::kMalformed);
}

std::string_view KiwoomFields::text(const char* key) {
  if (!object_.is_object()) return {};
  const auto found = object_.find(key);
  if (found == object_.end()) return {};
  if (!found->is_string()) {
    refuse(Refusal::kMalformed);
    return {};
  }
  return found->get_ref<const std::string&>();
}

std::optional<std::int64_t> KiwoomFields::whole(const char* key) { return read(key, &parse_whole); }
std::optional<double> KiwoomFields::decimal(const char* key) { return read(key, &parse_decimal); }
std::optional<std::int64_t> KiwoomFields::spare_whole(const char* key) {
  return read_spare(key, &parse_whole);
}
std::optional<std::chrono::seconds> KiwoomFields::time(const char* key) {
  return read_spare(key, &parse_time_of_day);
}
std::optional<KoreanDay> KiwoomFields::day(const char* key) { return read_spare(key, &parse_day); }

void KiwoomFields::refuse(Refusal why) {
  if (!refusal_) refusal_ = why;
}

template <class T>
std::optional<T> KiwoomFields::read(const char* key, std::optional<T> (*parse)(std::string_view)) {
  const std::string_view value = text(key);
  if (value.empty()) return std::nullopt;
  const std::optional<T> parsed = parse(value);
  if (!parsed) refuse(Refusal::kNotANumber);
  return parsed;
}

template <class T>
std::optional<T> KiwoomFields::read_spare(const char* key,
                                          std::optional<T> (*parse)(std::string_view)) {
  const auto found = object_.is_object() ? object_.find(key) : object_.end();
  if (found == object_.end()) return std::nullopt;
  const auto* const text = found->get_ptr<const std::string*>();
  if (text != nullptr && text->empty()) return std::nullopt;
  const std::optional<T> parsed = text == nullptr ? std::nullopt : parse(*text);
  if (!parsed) ++left_out_;
  return parsed;
}

}  // namespace broadcast
