#pragma once
// Reads a configuration named f.yaml with an environment of the test's own.

#include <optional>
#include <string>
#include <string_view>

#include "host/app/config.hpp"

namespace broadcast {

inline std::optional<std::string> test_variable(const std::string& name) {
  if (name == "SCANNER_TOKEN") return "s3cret-of-the-scanner";
  if (name == "LEVEL") return "debug";
  return std::nullopt;
}

inline Config configured(std::string_view text) {
  return parse_config(text, "f.yaml", test_variable);
}

/// Everything that is wrong with `text`, one a line.
inline std::string problems(std::string_view text) {
  try {
    static_cast<void>(configured(text));
    return "no problem";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

}  // namespace broadcast
