#pragma once
// What on_config() is given, by type. The host has checked it against the manifest's schema and has
// filled the defaults in; this reads it, and where schema and reading disagree, the error names the
// key. Needs nlohmann/json.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>
#include <broadcast/units.hpp>

namespace broadcast {

class Config {
 public:
  /// `json`: what on_config() was given.
  explicit Config(std::string_view json) : values_(nlohmann::json::parse(json)) {}

  [[nodiscard]] bool has(std::string_view key) const { return values_.contains(key); }
  /// `get<bool>("enabled")`, `get<std::vector<std::string>>("tickers")`. Throws Error: missing, or
  /// of another type.
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
  [[nodiscard]] std::string text(std::string_view key) const { return get<std::string>(key); }
  /// Of "250ms", "30s", "5m" or "24h": a text of the schema's format `duration`.
  [[nodiscard]] std::chrono::nanoseconds duration(std::string_view key) const {
    return read(key, parse_duration, "a duration such as 30s");
  }
  /// In bytes, of "512", "64KiB", "1MiB" or "1GiB": a text of the schema's format `size`.
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
