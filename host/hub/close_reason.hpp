#pragma once
// Why a connection ends: the code the peer sees, the words, and the row it is counted in. [any]

#include <cstdint>
#include <string_view>

#include <broadcast/host_rules.hpp>

#include "host/base/counters.hpp"

namespace broadcast {

struct CloseReason {
  std::uint16_t code = 1000;
  std::string_view text;
  Counter counter = Counter::kClosedNormal;
};

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
