#pragma once
// `plugin inspect`: a manifest as people and programs read it. Pure; [any].

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "host/loader/manifest.hpp"

namespace broadcast {

[[nodiscard]] nlohmann::json inspection_json(std::string_view file, const Manifest& manifest);
[[nodiscard]] std::string inspection_text(std::string_view file, const Manifest& manifest);

}  // namespace broadcast
