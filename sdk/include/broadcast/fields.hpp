#pragma once
// What producers send, read with care: parsed within bounds, and refused with the place that is
// wrong. Needs nlohmann/json.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>

namespace broadcast {

/// JSON whose objects keep the order of their keys.
using Json = nlohmann::ordered_json;

/// Lists and objects within each other, at most. Writing JSON recurses: without a limit, a message
/// of brackets would overflow the stack and take the whole host with it.
inline constexpr int kMaxDepth = 64;

/// Throws Refused: not JSON, or nested too deep.
inline Json parse_json(std::string_view payload) {
  using Event = Json::parse_event_t;
  const auto shallow = [](int around, Event event, const Json&) {
    const bool opens = event == Event::array_start || event == Event::object_start;
    if (!opens || around < kMaxDepth) return true;
    throw Refused("nested deeper than " + std::to_string(kMaxDepth) + " levels");
  };
  Json sent = Json::parse(payload, shallow, /*allow_exceptions=*/false);
  if (sent.is_discarded()) throw Refused("not valid JSON");
  return sent;
}

/// A value of what was sent, and where it stands: what a Refused names.
class Field {
 public:
  /// `value` outlives the field and what it hands out.
  Field(const Json& value, std::string path) : value_(value), path_(std::move(path)) {}
  Field(const Json&& value, std::string path) = delete;

  [[nodiscard]] const Json& value() const { return value_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Throws Refused: "signals[2].ticker: expected text, got 7".
  [[noreturn]] void refuse(std::string_view expected) const {
    throw Refused(path_ + ": expected " + std::string(expected) + ", got " + shown());
  }
  /// The member `key`; refused when it is missing.
  [[nodiscard]] Field at(std::string_view key) const {
    if (!value_.is_object()) refuse("an object");
    const auto found = value_.find(key);
    const std::string path = (path_.empty() ? "" : path_ + ".") + std::string(key);
    if (found == value_.end()) throw Refused(path + ": missing");
    return {*found, path};
  }
  /// The member `key`; nothing where it is absent, or null, which says the same.
  [[nodiscard]] std::optional<Field> find(std::string_view key) const {
    if (!value_.is_object()) return std::nullopt;
    const auto found = value_.find(key);
    if (found == value_.end() || found->is_null()) return std::nullopt;
    return at(key);
  }
  /// REQUIRES: a list that is longer than `index`.
  [[nodiscard]] Field at(std::size_t index) const {
    return {value_.at(index), path_ + "[" + std::to_string(index) + "]"};
  }

 private:
  [[nodiscard]] std::string shown() const {
    std::string text = value_.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > 64) text = std::string(value_.type_name());
    return text;
  }

  const Json& value_;
  std::string path_;
};

/// Text that is not empty.
inline void require_string(const Field& field) {
  if (!field.value().is_string() || field.value().get_ref<const std::string&>().empty()) {
    field.refuse("text");
  }
}
/// The text itself, once it is known to be one.
inline const std::string& string_of(const Field& field) {
  require_string(field);
  return field.value().get_ref<const std::string&>();
}
/// Text that is not empty, of at most `max_bytes` bytes of UTF-8.
inline void require_string(const Field& field, std::size_t max_bytes) {
  const std::size_t size = string_of(field).size();
  if (size <= max_bytes) return;
  throw Refused(field.path() + ": expected at most " + std::to_string(max_bytes) + " bytes, got " +
                std::to_string(size));
}
/// What may name an instrument, on whichever exchange: nothing that means something in HTML, in a
/// topic's name or in a URL.
inline void require_ticker(const Field& field) {
  constexpr std::size_t kMaxBytes = 32;
  require_string(field, kMaxBytes);
  const bool is_plain = std::ranges::all_of(string_of(field), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '-' || c == '_' || c == ':';
  });
  if (!is_plain) field.refuse("letters, digits and . - _ :");
}
inline void require_number(const Field& field) {
  if (!field.value().is_number()) field.refuse("a number");
}
inline double number_of(const Field& field) {
  require_number(field);
  return field.value().get<double>();
}
inline void require_array(const Field& field) {
  if (!field.value().is_array()) field.refuse("a list");
}
/// A list of at most `max_items`.
inline void require_array(const Field& field, std::size_t max_items) {
  require_array(field);
  const std::size_t count = field.value().size();
  if (count <= max_items) return;
  throw Refused(field.path() + ": expected at most " + std::to_string(max_items) + " items, got " +
                std::to_string(count));
}
/// Exactly this text.
inline void require_text(const Field& field, std::string_view text) {
  if (field.value() != text) field.refuse('"' + std::string(text) + '"');
}
inline void require_string(const Field& of, std::string_view key) { require_string(of.at(key)); }
inline void require_ticker(const Field& of, std::string_view key) { require_ticker(of.at(key)); }
inline void require_number(const Field& of, std::string_view key) { require_number(of.at(key)); }
inline void require_array(const Field& of, std::string_view key) { require_array(of.at(key)); }

}  // namespace broadcast
