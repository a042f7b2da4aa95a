#pragma once
// Texts as they cross the border to a plugin. Pure; [any].

#include <cstddef>
#include <string_view>

#include <broadcast/abi.h>

namespace broadcast {

/// No text of a plugin's is longer: no limits.publish is. One that claims more has a length that
/// was never set, and is not read.
inline constexpr std::size_t kMaxTextBytes = std::size_t{64} * 1024 * 1024;

/// False for a text that claims bytes without pointing anywhere, or more than any has.
[[nodiscard]] inline bool is_usable(bc_str text) {
  return text.len <= kMaxTextBytes && (text.ptr != nullptr || text.len == 0);
}
/// Empty where it is not usable.
[[nodiscard]] inline std::string_view text_of(bc_str text) {
  return text.ptr == nullptr || !is_usable(text) ? std::string_view()
                                                 : std::string_view(text.ptr, text.len);
}
[[nodiscard]] inline bc_str lend(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace broadcast
