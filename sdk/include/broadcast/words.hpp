#pragma once
// Words for errors in a file that somebody wrote: which words are known there, which one was
// probably meant, where it stands. Host and FakeHost share them. Pure; [any]. Needs nothing but the
// standard library.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace broadcast {

namespace words_detail {
inline constexpr std::size_t kMaxComparedBytes = 64;

inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row[b.size()];
}
}  // namespace words_detail

/// The words in one text: "red, green, blue"; empty if there are none.
[[nodiscard]] inline std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// The one of `known` that `word` was probably meant to be, by the number of letters that differ;
/// the first of several. Empty: none is near, or `word` is longer than 64 bytes.
[[nodiscard]] inline std::string nearest(std::string_view word,
                                         const std::vector<std::string>& known) {
  if (word.size() > words_detail::kMaxComparedBytes) return {};
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = words_detail::edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

/// The JSON pointer (RFC 6901) of member `key` in what `pointer` points at: "/a" and "b/c" make
/// "/a/b~1c". The empty pointer is the whole value.
[[nodiscard]] inline std::string pointer_below(const std::string& pointer, std::string_view key) {
  std::string result = pointer + '/';
  for (const char c : key) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace broadcast
