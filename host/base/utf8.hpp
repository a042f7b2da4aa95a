#pragma once
// Is it UTF-8 (RFC 3629)? Asked byte by byte, so that text which arrives in pieces is refused at
// its first bad byte: no overlong forms, no surrogates, nothing above U+10FFFF. And where a
// character ends, so that text is cut between two of them. Pure; [any].

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace broadcast {

class Utf8Check {
 public:
  /// False at the first byte that cannot stand there; the check is used up then.
  [[nodiscard]] bool feed(std::string_view bytes);
  /// Not in the middle of a character. A complete check is like a new one.
  [[nodiscard]] bool complete() const { return missing_ == 0; }

 private:
  [[nodiscard]] bool begin(unsigned char lead);

  std::uint8_t missing_ = 0;  // bytes of the character still to come,
  std::uint8_t low_ = 0x80;   // and what the next one may be
  std::uint8_t high_ = 0xBF;
};

[[nodiscard]] bool is_utf8(std::string_view text);

/// `byte` is no character's first.
[[nodiscard]] inline bool continues_a_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

/// `text`, cut between two characters to at most `max_bytes`. Of what is not UTF-8 it takes away up
/// to three bytes more, and what is left is none either.
[[nodiscard]] std::string_view cut_utf8(std::string_view text, std::size_t max_bytes);

}  // namespace broadcast
