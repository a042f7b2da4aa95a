#include "host/base/printable.hpp"

#include <algorithm>

#include "host/base/utf8.hpp"

namespace broadcast {

std::string printable(std::string_view text, std::size_t max_bytes) {
  const bool is_cut = text.size() > max_bytes;
  std::string result(text.substr(0, max_bytes));
  // Cut at a character's boundary first, or the cut itself would look like bad UTF-8.
  if (is_cut) {
    std::size_t end = result.size();
    while (end > 0 && end + 3 > result.size() && (text[end] & 0xC0) == 0x80) --end;
    result.resize(end);
  }
  if (!is_utf8(result)) {
    std::ranges::replace_if(
        result, [](char c) { return (c & 0x80) != 0; }, '?');
  }
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return result;
}

}  // namespace broadcast
