#pragma once
// The messages of producers, read with care: parsed within bounds, checked field by field, and
// refused with the place that is wrong, "signals[2].ticker: expected text, got 7". All of it throws
// Refused, which on_message() lets through: the producer reads it. Pure; [any]. Needs
// nlohmann/json.
//
//   void on_message(const broadcast::Message& message) override {
//     const broadcast::Json sent = broadcast::parse_json(message.payload);
//     const broadcast::Field quote(sent, "");
//     require_ticker(quote, "ticker");
//     const double price = number_of(quote.at("price"));
//   }

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

/// How deep lists and objects may stand within each other. Writing JSON recurses: without a limit,
/// a message of brackets would overflow the stack and take the whole host with it.
inline constexpr int kMaxDepth = 64;

/// `payload` as a value. Throws Refused: not JSON, or nested deeper than kMaxDepth.
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

/// One value of a message, and where it stands in it, which a Refused names. It is a view: it and
/// all that it hands out are valid as long as the message.
class Field {
 public:
  /// `value` stands at `path` in the message, "" for the whole of it, and outlives this.
  Field(const Json& value, std::string path) : value_(value), path_(std::move(path)) {}
  Field(const Json&& value, std::string path) = delete;

  /// The value itself, of whatever type.
  [[nodiscard]] const Json& value() const { return value_; }
  /// Where it stands: "signals[2].ticker".
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Throws Refused, "signals[2].ticker: expected text, got 7", where `expected` is "text". A value
  /// of more than 64 bytes is told by its type.
  [[noreturn]] void refuse(std::string_view expected) const {
    throw Refused(path_ + ": expected " + std::string(expected) + ", got " + shown());
  }
  /// The member `key`. Throws Refused: this is no object, or the member is missing.
  [[nodiscard]] Field at(std::string_view key) const {
    if (!value_.is_object()) refuse("an object");
    const auto found = value_.find(key);
    const std::string path = (path_.empty() ? "" : path_ + ".") + std::string(key);
    if (found == value_.end()) throw Refused(path + ": missing");
    return {*found, path};
  }
  /// The member `key`, which may be missing. Nothing: it is absent, or null, which says the same,
  /// or this is no object.
  [[nodiscard]] std::optional<Field> find(std::string_view key) const {
    if (!value_.is_object()) return std::nullopt;
    const auto found = value_.find(key);
    if (found == value_.end() || found->is_null()) return std::nullopt;
    return at(key);
  }
  /// The item at `index`, from 0. Throws Refused: this is no list, or the item is missing.
  [[nodiscard]] Field at(std::size_t index) const {
    if (!value_.is_array()) refuse("a list");
    const std::string path = path_ + "[" + std::to_string(index) + "]";
    if (index >= value_.size()) throw Refused(path + ": missing");
    return {value_[index], path};
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

// What follows throws Refused where the field is not what its name says, and names the place.

/// A text that is not empty.
inline void require_string(const Field& field) {
  if (!field.value().is_string() || field.value().get_ref<const std::string&>().empty()) {
    field.refuse("text");
  }
}
/// The text, which is not empty. It is a part of the message, and lives as long.
inline const std::string& string_of(const Field& field) {
  require_string(field);
  return field.value().get_ref<const std::string&>();
}
/// A text that is not empty, of at most `max_bytes` bytes of UTF-8.
inline void require_string(const Field& field, std::size_t max_bytes) {
  const std::size_t size = string_of(field).size();
  if (size <= max_bytes) return;
  throw Refused(field.path() + ": expected at most " + std::to_string(max_bytes) + " bytes, got " +
                std::to_string(size));
}
/// The name of an instrument, on whichever exchange: 1 to 32 letters, digits and . - _ : and so
/// nothing that means something in HTML, in a topic's name or in a URL.
inline void require_ticker(const Field& field) {
  constexpr std::size_t kMaxBytes = 32;
  require_string(field, kMaxBytes);
  const bool is_plain = std::ranges::all_of(string_of(field), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '-' || c == '_' || c == ':';
  });
  if (!is_plain) field.refuse("letters, digits and . - _ :");
}
/// A number, whole or not.
inline void require_number(const Field& field) {
  if (!field.value().is_number()) field.refuse("a number");
}
/// The number; an integer beyond 2^53 is rounded.
inline double number_of(const Field& field) {
  require_number(field);
  return field.value().get<double>();
}
/// A list of any length.
inline void require_array(const Field& field) {
  if (!field.value().is_array()) field.refuse("a list");
}
/// A list of at most `max_items` items.
inline void require_array(const Field& field, std::size_t max_items) {
  require_array(field);
  const std::size_t count = field.value().size();
  if (count <= max_items) return;
  throw Refused(field.path() + ": expected at most " + std::to_string(max_items) + " items, got " +
                std::to_string(count));
}
/// Exactly `text`.
inline void require_text(const Field& field, std::string_view text) {
  if (field.value() != text) field.refuse('"' + std::string(text) + '"');
}
// The same of the member `key` of an object, which has to be there.

inline void require_string(const Field& of, std::string_view key) { require_string(of.at(key)); }
inline void require_ticker(const Field& of, std::string_view key) { require_ticker(of.at(key)); }
inline void require_number(const Field& of, std::string_view key) { require_number(of.at(key)); }
inline void require_array(const Field& of, std::string_view key) { require_array(of.at(key)); }

}  // namespace broadcast
