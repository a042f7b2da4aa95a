#pragma once
// What a plugin says, made fit for a log line, a JSON reply or a status: bounded, one line, UTF-8.
// Pure; [any].

#include <cstddef>
#include <string>
#include <string_view>

#include <broadcast/abi.h>

namespace broadcast {

inline constexpr std::size_t kMaxPluginText = 4096;

/// At most kMaxPluginText bytes; control characters become spaces, bytes that are not UTF-8
/// question marks.
[[nodiscard]] std::string printable(std::string_view text);

/// False for a text that claims bytes without pointing anywhere.
[[nodiscard]] inline bool is_usable(bc_str text) { return text.ptr != nullptr || text.len == 0; }
[[nodiscard]] inline std::string_view text_of(bc_str text) {
  return text.ptr == nullptr ? std::string_view() : std::string_view(text.ptr, text.len);
}
[[nodiscard]] inline bc_str lend(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace broadcast
