#pragma once
// The host's version, as CMakeLists.txt has it.

namespace broadcast {

inline constexpr const char* kHostVersion = BROADCAST_HOST_VERSION;

}  // namespace broadcast
