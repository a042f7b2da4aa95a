#pragma once
// Texts as they cross the border to a plugin. Pure; [any].

#include <string_view>

#include <broadcast/abi.h>

namespace broadcast {

/// False for a text that claims bytes without pointing anywhere.
[[nodiscard]] inline bool is_usable(bc_str text) { return text.ptr != nullptr || text.len == 0; }
[[nodiscard]] inline std::string_view text_of(bc_str text) {
  return text.ptr == nullptr ? std::string_view() : std::string_view(text.ptr, text.len);
}
[[nodiscard]] inline bc_str lend(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace broadcast
