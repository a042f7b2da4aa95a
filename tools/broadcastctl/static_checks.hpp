#pragma once
// The checks that only read the plugin's file. Pure; [any].

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/broadcastctl/check.hpp"

namespace broadcast {

/// elf, exports, unique, manifest, requires, schema, config; those that cannot be made because of
/// an earlier one are skipped.
[[nodiscard]] std::vector<CheckResult> check_file(std::string_view file_name,
                                                  std::string_view bytes,
                                                  const nlohmann::json& config);

}  // namespace broadcast
