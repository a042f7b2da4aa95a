#pragma once
// The checks that only read the plugin's file. Pure; [any].

#include <functional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "tools/broadcastctl/check.hpp"

namespace broadcast {

/// elf, stack, exports, unique, manifest, members, requires, schema, config, each as soon as it is
/// known; those that cannot be made because of an earlier one are skipped.
void check_file(std::string_view file_name, std::string_view bytes, const nlohmann::json& config,
                const std::function<void(const CheckResult&)>& tell);

}  // namespace broadcast
