#include "host/base/printable.hpp"

#include <algorithm>
#include <utility>

#include "host/base/utf8.hpp"

namespace broadcast {

namespace {

/// Those beyond ASCII that end a line, or steer a terminal: U+0080 to U+009F, U+2028 and U+2029.
std::string without_wide_controls(std::string text) {
  const auto control_at = [&text](std::size_t at) -> std::size_t {
    const std::string_view rest = std::string_view(text).substr(at);
    if (rest.size() >= 2 && rest[0] == '\xc2' && static_cast<unsigned char>(rest[1]) < 0xa0)
      return 2;
    return rest.starts_with("\xe2\x80\xa8") || rest.starts_with("\xe2\x80\xa9") ? 3 : 0;
  };
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = control_at(at);
    text[end++] = bytes > 0 ? ' ' : text[at];
    at += std::max<std::size_t>(bytes, 1);
  }
  text.resize(end);
  return text;
}

}  // namespace

std::string printable(std::string_view text, std::size_t max_bytes) {
  // Between characters, or the cut itself would look like bad UTF-8.
  std::string result(cut_utf8(text, max_bytes));
  if (!is_utf8(result)) {
    std::ranges::replace_if(
        result, [](char c) { return (c & 0x80) != 0; }, '?');
  }
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return without_wide_controls(std::move(result));
}

}  // namespace broadcast
