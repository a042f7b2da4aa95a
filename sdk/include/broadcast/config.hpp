#pragma once
// The configuration that on_config() is given, read by type. The host has checked it against the
// manifest's schema and has filled the defaults in, so keys are read without fallbacks; where
// schema and reading disagree, the error names the key. Pure; [any]. Needs nlohmann/json.
//
//   void on_config(std::string_view json) override {
//     const broadcast::Config config(json);
//     interval_ = config.duration("interval");
//   }

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>
#include <broadcast/units.hpp>

namespace broadcast {

/// A configuration: a map of keys at its top level. It has a copy of everything, and may outlive
/// on_config().
class Config {
 public:
  /// `json` is what on_config() was given. Throws nlohmann::json::parse_error: not JSON.
  explicit Config(std::string_view json) : values_(nlohmann::json::parse(json)) {}

  /// Is `key` there? A key with a default in the schema always is.
  [[nodiscard]] bool has(std::string_view key) const { return values_.contains(key); }
  /// The value of `key`: `get<bool>("enabled")`, `get<std::vector<std::string>>("tickers")`, or
  /// get<nlohmann::json> for what is nested. Throws Error: missing, or of another type.
  template <class T>
  [[nodiscard]] T get(std::string_view key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) throw Error(BC_E_INVALID, std::string(key) + ": missing");
    try {
      return found->template get<T>();
    } catch (const nlohmann::json::exception& error) {
      throw Error(BC_E_INVALID, std::string(key) + ": " + error.what());
    }
  }
  /// A text. Throws Error: missing, or no text.
  [[nodiscard]] std::string text(std::string_view key) const { return get<std::string>(key); }
  /// A duration, from a text such as "250ms", "30s", "5m" or "24h": the schema's format `duration`.
  /// Throws Error: missing, or no such text.
  [[nodiscard]] std::chrono::nanoseconds duration(std::string_view key) const {
    return read(key, parse_duration, "a duration such as 30s");
  }
  /// Bytes, from a text such as "512", "512B", "64KiB", "1MiB" or "1GiB": the schema's format
  /// `size`. Throws Error: missing, or no such text.
  [[nodiscard]] std::size_t size(std::string_view key) const {
    return read(key, parse_size, "a size such as 64KiB");
  }

 private:
  /// `parse`: text -> std::optional<Value>.
  template <class Value>
  [[nodiscard]] Value read(std::string_view key, std::optional<Value> (*parse)(std::string_view),
                           const char* expected) const {
    const std::string written = text(key);
    const std::optional<Value> value = parse(written);
    if (value) return *value;
    throw Error(BC_E_INVALID,
                std::string(key) + ": expected " + expected + ", got \"" + written + '"');
  }

  nlohmann::json values_;
};

}  // namespace broadcast
