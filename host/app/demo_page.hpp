#pragma once
// The demo page: one HTML file without build step or CDN, compiled in. [any]

#include <string>
#include <string_view>

namespace broadcast {

/// The page, connecting to `websocket_path` of the host it came from.
[[nodiscard]] std::string demo_page(std::string_view websocket_path);

}  // namespace broadcast
