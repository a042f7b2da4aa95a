#include "host/app/setting.hpp"

#include <array>
#include <charconv>
#include <optional>

#include <broadcast/units.hpp>

#include "host/app/yaml_json.hpp"

namespace broadcast {

namespace {

// What parse_size() and parse_duration() take.
constexpr const char* kSizePattern = "^[0-9]+(B|KiB|MiB|GiB)?$";
constexpr const char* kDurationPattern = "^[0-9]+(ms|s|m|h)$";

std::string bounds_of(const SizeIn& size) {
  return size_text(size.least) + " to " + size_text(size.most);
}
std::string bounds_of(const DurationIn& duration) {
  return duration_text(duration.least) + " to " + duration_text(duration.most);
}

template <class Value, class Kind>
bool is_within(const std::optional<Value>& value, const Kind& kind) {
  return value && *value >= kind.least && *value <= kind.most;
}

}  // namespace

nlohmann::json any_scalar() { return {{"type", {"string", "number", "boolean", "null"}}}; }

std::string Flag::take(const std::string& text, bool& value) {
  if (text != "true" && text != "false") return "true or false";
  value = text == "true";
  return {};
}

nlohmann::json Flag::schema() { return {{"enum", {true, false, "true", "false"}}}; }

std::string AnyText::take(const std::string& text, std::string& value) {
  value = text;
  return {};
}

std::string SizeIn::take(const std::string& text, std::size_t& value) const {
  const std::optional<std::size_t> size = parse_size(text);
  if (!is_within(size, *this)) return "a size from " + bounds_of(*this);
  value = *size;
  return {};
}

nlohmann::json SizeIn::schema() const {
  return {{"type", {"string", "integer"}},
          {"pattern", kSizePattern},
          {"description", bounds_of(*this)}};
}

nlohmann::json SizeIn::shown(std::size_t value) { return plain_value(size_text(value)); }

std::string DurationIn::take(const std::string& text, std::chrono::nanoseconds& value) const {
  const std::optional<std::chrono::nanoseconds> duration = parse_duration(text);
  if (!is_within(duration, *this)) return "a duration from " + bounds_of(*this);
  value = *duration;
  return {};
}

nlohmann::json DurationIn::schema() const {
  return {{"type", "string"}, {"pattern", kDurationPattern}, {"description", bounds_of(*this)}};
}

nlohmann::json DurationIn::shown(std::chrono::nanoseconds value) { return duration_text(value); }

std::string CountIn::take_number(const std::string& text, std::uint64_t& number) const {
  std::uint64_t read = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, read);
  if (error != std::errc{} || stopped != end || read < least || read > most) {
    return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  }
  number = read;
  return {};
}

nlohmann::json CountIn::schema() const {
  return {{"type", {"integer", "string"}},
          {"minimum", least},
          {"maximum", most},
          {"pattern", "^[0-9]+$"}};
}

std::string size_text(std::size_t bytes) {
  struct Unit {
    std::size_t bytes;
    const char* name;
  };
  constexpr std::array<Unit, 3> kUnits = {{{std::size_t{1} << 30, "GiB"},
                                           {std::size_t{1} << 20, "MiB"},
                                           {std::size_t{1} << 10, "KiB"}}};
  for (const Unit& unit : kUnits) {
    if (bytes > 0 && bytes % unit.bytes == 0) return std::to_string(bytes / unit.bytes) + unit.name;
  }
  return std::to_string(bytes);
}

std::string duration_text(std::chrono::nanoseconds duration) {
  using std::chrono::milliseconds;
  const auto ms = std::chrono::duration_cast<milliseconds>(duration).count();
  if (ms == 0 || ms % 1'000 != 0) return std::to_string(ms) + (ms == 0 ? "s" : "ms");
  if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  return std::to_string(ms / 1'000) + "s";
}

}  // namespace broadcast
