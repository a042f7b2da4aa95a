#pragma once
// What RFC 6455 says about frames, as values: limits, close codes, and the frame a client sends.
// The frames that we send are made by hub/message. Pure; [any].

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "host/hub/message.hpp"

namespace broadcast {

inline constexpr std::size_t kMaxControlPayloadBytes = 125;

/// Whether a peer may put `code` into a close frame.
[[nodiscard]] constexpr bool is_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) ||
         (code >= 3000 && code <= 4999);
}

enum class Fragment : std::uint8_t { kMore, kLast };

using MaskKey = std::array<unsigned char, 4>;

/// One masked frame as a client sends it: for tests, tools and benches.
[[nodiscard]] inline std::string client_frame(Opcode opcode, std::string_view payload,
                                              Fragment fragment = Fragment::kLast,
                                              MaskKey key = {0x37, 0xFA, 0x21, 0x3D}) {
  const std::size_t length_bytes = payload.size() < 126 ? 0 : payload.size() <= 0xFFFF ? 2 : 8;
  const std::size_t short_length = length_bytes == 0   ? payload.size()
                                   : length_bytes == 2 ? 126U
                                                       : 127U;
  std::string frame;
  frame.reserve(2 + length_bytes + key.size() + payload.size());
  frame +=
      static_cast<char>((fragment == Fragment::kLast ? 0x80U : 0U) | static_cast<unsigned>(opcode));
  frame += static_cast<char>(0x80U | short_length);
  for (std::size_t i = length_bytes; i-- > 0;) {
    frame += static_cast<char>(payload.size() >> (8 * i) & 0xFFU);
  }
  for (const unsigned char byte : key) frame += static_cast<char>(byte);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ key[i % key.size()]);
  }
  return frame;
}

}  // namespace broadcast
