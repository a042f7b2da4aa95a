#pragma once
// JSON as text: strings written by hand where a whole document would be too much, and what a text
// that came in must be. Pure; [any].

#include <cstddef>
#include <string>
#include <string_view>

namespace broadcast {

/// Appends `text` as a JSON string, quotes included. REQUIRES: UTF-8.
void append_quoted(std::string& out, std::string_view text);

/// Writers of JSON recurse, and nested lists are what costs most to read: neither clients' commands
/// nor what owners of topics get is deeper.
inline constexpr std::size_t kMaxNesting = 64;

/// `text` behind the byte order mark that some editors and libraries put in front. What comes in
/// by any door goes through this first; what goes out has none.
[[nodiscard]] std::string_view without_bom(std::string_view text);

/// It has what the parser would pass over in silence: a NUL, which ends a text for it, or a byte
/// order mark.
[[nodiscard]] bool has_unread_bytes(std::string_view text);

/// Valid JSON from its first byte to its last.
[[nodiscard]] bool is_json(std::string_view text);

/// Where `text` stops being JSON, for who sent it: "line 2, column 7, near {"price":8 2500". One
/// line of bounded length without control characters. REQUIRES: is_json() is false.
[[nodiscard]] std::string where_not_json(std::string_view text);

/// Objects and lists stand in each other deeper than `most`. Looks no further than that, so it may
/// be asked before a text is parsed; of what is not JSON it counts the brackets.
[[nodiscard]] bool is_nested_deeper(std::string_view text, std::size_t most);

}  // namespace broadcast
