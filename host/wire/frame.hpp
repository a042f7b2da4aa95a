#pragma once
// What RFC 6455 says about frames, as values: opcodes, limits, close codes, the header in front of
// what a server sends, and the frame a client sends. All inline, so that host/hub needs no more of
// host/wire than this header. Pure; [any].

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace broadcast {

/// RFC 6455 opcodes.
enum class Opcode : std::uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA
};

/// How a connection takes its frames.
enum class FrameForm : std::uint8_t {
  kPlain,
  kDeflated,  ///< permessage-deflate was negotiated; what is not worth it comes plain
};

/// [any] Deflates one message's text as RFC 7692 wants it in a frame. False: not worth it.
using Compressor = std::function<bool(std::string_view text, std::string& deflated)>;

inline constexpr std::size_t kMaxControlPayloadBytes = 125;

/// Whether a peer may put `code` into a close frame.
[[nodiscard]] constexpr bool is_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) ||
         (code >= 3000 && code <= 4999);
}

/// RFC 6455: stands for a close frame without a code.
inline constexpr std::uint16_t kCloseNoCode = 1005;

/// Bytes of the header in front of what a server sends.
[[nodiscard]] constexpr std::size_t server_header_bytes(std::size_t payload_bytes) {
  if (payload_bytes < 126) return 2;
  return payload_bytes <= 0xFFFF ? 4 : 10;
}

/// Writes that header, of a whole message in one frame; a server never masks. `to` has room for
/// server_header_bytes(payload_bytes). `form` is that of the payload.
inline void write_server_header(char* to, Opcode opcode, FrameForm form,
                                std::size_t payload_bytes) {
  constexpr unsigned kFin = 0x80;
  constexpr unsigned kRsv1 = 0x40;  // deflated (RFC 7692)
  const std::size_t header_bytes = server_header_bytes(payload_bytes);
  to[0] = static_cast<char>(kFin | (form == FrameForm::kDeflated ? kRsv1 : 0U) |
                            static_cast<unsigned>(opcode));
  if (header_bytes == 2) {
    to[1] = static_cast<char>(payload_bytes);
    return;
  }
  to[1] = static_cast<char>(header_bytes == 4 ? 126 : 127);
  for (std::size_t i = header_bytes; i-- > 2; payload_bytes >>= 8U) {
    to[i] = static_cast<char>(payload_bytes & 0xFFU);
  }
}

/// What a close frame carries: `text` has at most kMaxControlPayloadBytes - 2 bytes.
[[nodiscard]] inline std::string close_payload(std::uint16_t code, std::string_view text) {
  if (code == kCloseNoCode) return {};
  std::string payload;
  payload += static_cast<char>(code >> 8U);
  payload += static_cast<char>(code & 0xFFU);
  payload += text;
  return payload;
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
