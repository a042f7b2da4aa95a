#pragma once
// Writes JSON strings by hand where a whole document would be too much. Pure; [any].

#include <cstddef>
#include <string>
#include <string_view>

namespace broadcast {

/// Appends `text` as a JSON string, quotes included. REQUIRES: UTF-8.
void append_quoted(std::string& out, std::string_view text);

/// Writers of JSON recurse: what owners of topics get must not be deep enough to end their stack.
inline constexpr std::size_t kMaxNesting = 64;

/// Valid JSON to its last byte: a NUL, which ends a text for the parser, is none.
[[nodiscard]] bool is_json(std::string_view text);

/// How deep objects and lists stand in each other. REQUIRES: valid JSON.
[[nodiscard]] std::size_t nesting_of(std::string_view json);

/// `text`, cut at a character boundary to at most `max_bytes`. REQUIRES: UTF-8.
[[nodiscard]] std::string_view cut_utf8(std::string_view text, std::size_t max_bytes);

}  // namespace broadcast
