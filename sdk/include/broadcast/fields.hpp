#pragma once
// What producers send, read with care: parsed within bounds, and refused with the place that is
// wrong. Needs nlohmann/json.

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
  Field(const Json& value, std::string path) : value_(value), path_(std::move(path)) {}

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
inline void require_number(const Field& field) {
  if (!field.value().is_number()) field.refuse("a number");
}
inline void require_array(const Field& field) {
  if (!field.value().is_array()) field.refuse("a list");
}
/// Exactly this text.
inline void require_text(const Field& field, std::string_view text) {
  if (field.value() != text) field.refuse('"' + std::string(text) + '"');
}
inline void require_string(const Field& of, std::string_view key) { require_string(of.at(key)); }
inline void require_number(const Field& of, std::string_view key) { require_number(of.at(key)); }
inline void require_array(const Field& of, std::string_view key) { require_array(of.at(key)); }

}  // namespace broadcast
