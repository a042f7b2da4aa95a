#include "host/base/siphash.hpp"

#include <string>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(SipHashTest, IsWhatItsAuthorsSay) {
  const SipKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string text;
  EXPECT_EQ(siphash(key, text), 0x726fdb47dd0e0e31U);
  for (char c = 0; c < 8; ++c) text += c;
  EXPECT_EQ(siphash(key, text), 0x93f5f5799a932462U);
  for (char c = 8; c < 15; ++c) text += c;
  EXPECT_EQ(siphash(key, text), 0xa129ca6149be45e5U);
}

}  // namespace
}  // namespace broadcast
