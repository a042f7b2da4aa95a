#pragma once
// Why a connection ends: the code the peer sees, the words, and the row it is counted in. [any]

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "host/base/counters.hpp"

namespace broadcast {

struct CloseReason {
  std::uint16_t code = 1000;
  std::string_view text;
  Counter counter = Counter::kClosedNormal;
};

/// A control frame holds 125 bytes, two of them the code.
inline constexpr std::size_t kMaxCloseTextBytes = 123;

/// The codes that a broadcaster may close clients with: what a server has to say by RFC 6455, or
/// what only those who agreed on it understand.
[[nodiscard]] constexpr bool is_sendable_close_code(std::uint16_t code) {
  return code == 1000 || code == 1001 || code == 1008 || code == 1011 ||
         (code >= 3000 && code <= 4999);
}

/// RFC 6455: stands for a close frame without a code.
inline constexpr std::uint16_t kCloseNoCode = 1005;

/// Never sent: the peer went away without a close frame.
inline constexpr CloseReason kCloseAbnormal{1006, "", Counter::kClosedAbnormal};
inline constexpr CloseReason kCloseShutdown{1001, "server shutdown", Counter::kClosedShutdown};
inline constexpr CloseReason kCloseInternal{1011, "internal error", Counter::kClosedInternal};
inline constexpr CloseReason kCloseSlow{4413, "reader too slow", Counter::kClosedSlow};
inline constexpr CloseReason kCloseFlood{4429, "too many errors", Counter::kClosedFlood};
inline constexpr CloseReason kCloseControlFlood{4429, "too many control frames",
                                                Counter::kClosedFlood};
/// limits.memory: of all clients it holds most.
inline constexpr CloseReason kCloseMemory{4413, "holds too much memory", Counter::kClosedMemory};

}  // namespace broadcast
