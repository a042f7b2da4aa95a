#pragma once
// What may be sent to clients, as FakeHost judges it: JSON that every reader can read, without the
// members that the host writes. A host judges by the same rules, with a faster parser and in the
// same words. Used by FakeHost. Pure.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/host_rules.hpp>

namespace broadcast::fake {

/// Reads a text whole and keeps the first thing that is wrong with it.
class JsonRules final : public nlohmann::json_sax<nlohmann::json> {
 public:
  /// The first thing that is wrong with `text`; empty: nothing. To be called once.
  [[nodiscard]] std::string_view fault_of(std::string_view text) {
    // The parser takes a NUL for the end, and passes over a byte order mark.
    const bool is_read_whole =
        text.find('\0') == std::string_view::npos && !text.starts_with("\xEF\xBB\xBF");
    const bool is_json = nlohmann::json::sax_parse(text, this) && is_read_whole;
    if (!is_json && fault_.empty()) fault_ = kNotJson;
    return fault_;
  }
  /// Of a text without a fault: at its top level.
  [[nodiscard]] bool is_object() const { return is_object_; }
  [[nodiscard]] bool has_type() const { return has_type_; }

  bool null() override { return takes_value(); }
  bool boolean(bool) override { return takes_value(); }
  bool number_integer(number_integer_t) override { return takes_value(); }
  bool number_unsigned(number_unsigned_t) override { return takes_value(); }
  bool number_float(number_float_t, const string_t& text) override {
    // An integer that no 64 bits hold comes as the nearest double.
    if (text.find_first_of(".eE") == string_t::npos) return is(kNumber);
    return takes_value();
  }
  bool string(string_t&) override { return takes_value(); }
  bool binary(binary_t&) override { return is(kNotJson); }
  bool start_object(std::size_t) override {
    if (depth_ == 0) is_object_ = true;
    return begins();
  }
  bool key(string_t& name) override {
    if (depth_ == 1 && is_object_) {
      if (name == "topic" || name == "seq") return is(kHostsMember);
      has_type_ |= name == "type";
    }
    return takes_value();
  }
  bool end_object() override { return ends(); }
  bool start_array(std::size_t) override { return begins(); }
  bool end_array() override { return ends(); }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    constexpr int kOutOfRange = 406;
    return is(error.id == kOutOfRange ? kNumber : kNotJson);
  }

 private:
  static constexpr std::string_view kNotJson = "it is not JSON";
  static constexpr std::string_view kTooDeep = "it is nested deeper than 1024";
  static constexpr std::string_view kNumber =
      "it has a number that is malformed, or beyond 64 bits or double";
  static constexpr std::string_view kHostsMember =
      "it has \"topic\" or \"seq\" at its top level, which only the host writes";

  bool takes_value() { return depth_ <= kMaxMessageNesting || is(kTooDeep); }
  bool begins() {
    const bool goes_on = takes_value();
    ++depth_;
    return goes_on;
  }
  bool ends() {
    --depth_;
    return true;
  }
  bool is(std::string_view fault) {
    if (fault_.empty()) fault_ = fault;
    return false;
  }

  std::string_view fault_;
  std::size_t depth_ = 0;
  bool is_object_ = false;
  bool has_type_ = false;
};

}  // namespace broadcast::fake
