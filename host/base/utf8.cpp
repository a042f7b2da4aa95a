#include "host/base/utf8.hpp"

#include <cstring>

namespace broadcast {

namespace {

const char* skip_ascii(const char* at, const char* end) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  for (std::uint64_t eight = 0; end - at >= 8; at += 8) {
    std::memcpy(&eight, at, sizeof eight);
    if ((eight & kHighBits) != 0) break;
  }
  while (at != end && static_cast<unsigned char>(*at) < 0x80) ++at;
  return at;
}

}  // namespace

bool Utf8Check::feed(std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at != end) {
    if (missing_ == 0) {
      at = skip_ascii(at, end);
      if (at == end) break;
      if (!begin(static_cast<unsigned char>(*at++))) return false;
      continue;
    }
    const auto byte = static_cast<unsigned char>(*at++);
    if (byte < low_ || byte > high_) return false;
    low_ = 0x80;
    high_ = 0xBF;
    --missing_;
  }
  return true;
}

bool Utf8Check::begin(unsigned char lead) {
  if (lead < 0xC2 || lead > 0xF4) return false;  // C0 and C1 only begin overlong forms
  missing_ = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  if (lead == 0xE0) low_ = 0xA0;   // below: overlong
  if (lead == 0xED) high_ = 0x9F;  // above: surrogates
  if (lead == 0xF0) low_ = 0x90;   // below: overlong
  if (lead == 0xF4) high_ = 0x8F;  // above: beyond U+10FFFF
  return true;
}

bool is_utf8(std::string_view text) {
  Utf8Check check;
  return check.feed(text) && check.complete();
}

std::string_view cut_utf8(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  constexpr std::size_t kMostContinuations = 3;
  std::size_t end = max_bytes;
  while (end > 0 && end + kMostContinuations > max_bytes && continues_a_character(text[end])) --end;
  return text.substr(0, end);
}

}  // namespace broadcast
