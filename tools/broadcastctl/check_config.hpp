#pragma once
// The config that `plugin check`, `run` and `dev` start a plugin with. [main]

#include <string>

#include <nlohmann/json.hpp>

namespace broadcast {

/// From a YAML file (the plugin's config itself or below `config:`, or a host's file, where it is
/// looked up under broadcasters: by the library's name), or from JSON, or {} if both are empty.
/// Throws CannotRun or ConfigError.
[[nodiscard]] nlohmann::json check_config(const std::string& library, const std::string& yaml_file,
                                          const std::string& json_text);

}  // namespace broadcast
