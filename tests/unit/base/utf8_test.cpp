#include "host/base/utf8.hpp"

#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

/// The definition, straight from the table in RFC 3629.
std::string encoded(std::uint32_t point) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  const auto tail = [&](unsigned shift) { return byte(0x80U | (point >> shift & 0x3FU)); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xC0U | point >> 6U), tail(0)};
  if (point < 0x10000) return {byte(0xE0U | point >> 12U), tail(6), tail(0)};
  return {byte(0xF0U | point >> 18U), tail(12), tail(6), tail(0)};
}

std::uint32_t after(std::uint32_t point) { return point == 0xD7FF ? 0xE000 : point + 1; }

/// Tries every byte after `begun`, in order, and returns how many characters were accepted: they
/// must be `next`, and the one after that, and so on. (UTF-8 sorts like the code points.)
std::size_t walk(const Utf8Check& so_far, const std::string& begun, std::uint32_t& next) {
  std::size_t found = 0;
  for (unsigned value = 0; value < 256; ++value) {
    const char byte = static_cast<char>(value);
    Utf8Check check = so_far;
    if (!check.feed({&byte, 1})) continue;
    const std::string bytes = begun + byte;
    if (check.complete()) {
      EXPECT_EQ(bytes, encoded(next)) << "instead of U+" << std::hex << next;
      next = after(next);
      ++found;
    } else {
      const std::size_t below = bytes.size() < 4 ? walk(check, bytes, next) : 0;
      EXPECT_GT(below, 0U) << "the last byte should have been refused: no character goes on so";
      found += below;
    }
    if (::testing::Test::HasFailure()) break;
  }
  return found;
}

TEST(Utf8Test, AcceptsTheCharactersOfUnicodeAndNothingElse) {
  std::uint32_t next = 0;
  EXPECT_EQ(walk(Utf8Check(), "", next), 0x110000U - 0x800U);
  EXPECT_EQ(next, 0x110000U);
}

TEST(Utf8Test, RefusesABadByteAnywhereInAscii) {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\x80';
      Utf8Check check;
      EXPECT_TRUE(check.feed(std::string_view(text).substr(0, at)));
      EXPECT_FALSE(check.feed(std::string_view(text).substr(at)));
      EXPECT_FALSE(is_utf8(text));
    }
  }
}

TEST(Utf8Test, CarriesACharacterFromOneChunkToTheNext) {
  const std::string text = "종목: 삼성전자, up 3% 🚀, é and plain text for a while";
  EXPECT_TRUE(is_utf8(text));
  for (std::size_t first = 0; first <= text.size(); ++first) {
    Utf8Check check;
    EXPECT_TRUE(check.feed(std::string_view(text).substr(0, first)));
    EXPECT_EQ(check.complete(), is_utf8(std::string_view(text).substr(0, first)));
    EXPECT_TRUE(check.feed(std::string_view(text).substr(first)));
    EXPECT_TRUE(check.complete());
  }
}

TEST(Utf8Test, CountsACutCharacterAsIncomplete) {
  EXPECT_FALSE(is_utf8("abc\xEC\x82"));
  EXPECT_FALSE(is_utf8("\xF0\x9F\x9A"));
  EXPECT_TRUE(is_utf8(""));
}

TEST(CutUtf8Test, CutsBetweenCharacters) {
  EXPECT_EQ(cut_utf8("abc", 3), "abc");
  EXPECT_EQ(cut_utf8("abc", 2), "ab");
  EXPECT_EQ(cut_utf8("aé", 3), "aé");
  EXPECT_EQ(cut_utf8("aé", 2), "a");
  EXPECT_EQ(cut_utf8("😀", 3), "");
  EXPECT_EQ(cut_utf8("", 0), "");
}

TEST(CutUtf8Test, TakesNoMoreThanACharacterFromWhatIsNone) {
  EXPECT_EQ(cut_utf8(std::string(20, '\x80'), 10), std::string(7, '\x80'));
}

}  // namespace
}  // namespace broadcast
