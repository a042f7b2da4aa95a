#pragma once
// Writes JSON strings by hand where a whole document would be too much. Pure; [any].

#include <string>
#include <string_view>

namespace broadcast {

/// Appends `text` as a JSON string, quotes included. REQUIRES: UTF-8.
void append_quoted(std::string& out, std::string_view text);

/// `text`, cut at a character boundary to at most `max_bytes`. REQUIRES: UTF-8.
[[nodiscard]] std::string_view cut_utf8(std::string_view text, std::size_t max_bytes);

}  // namespace broadcast
