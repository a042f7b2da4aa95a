#pragma once
// Words for whoever wrote a file that is wrong: what is known there, what was probably meant, where
// it stands. Pure; [any].

#include <string>
#include <string_view>
#include <vector>

namespace broadcast {

/// "red, green, blue"
[[nodiscard]] std::string listed(const std::vector<std::string>& words);

/// The one of `known` that `word` most likely stands for; empty if none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& known);

/// The JSON pointer of `key` in what `pointer` points at: "/a" and "b/c" -> "/a/b~1c"
[[nodiscard]] std::string pointer_below(const std::string& pointer, std::string_view key);

}  // namespace broadcast
