#pragma once
// `server.flush` in the YAML. A value; [any].

#include <cstdint>

namespace broadcast {

enum class FlushMode : std::uint8_t {
  kAuto,     ///< the ring where the kernel allows it
  kSendmsg,  ///< one gathered call a connection
  kIoUring,  ///< as kAuto, but a ring that is not to be had is worth a warning
};

}  // namespace broadcast
