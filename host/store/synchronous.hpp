#pragma once
// What a commit of the store waits for; `state.synchronous` in the YAML.

#include <cstdint>

namespace broadcast {

enum class Synchronous : std::uint8_t {
  kFull,    ///< the disk, at every commit: a power failure loses nothing that was committed
  kNormal,  ///< the disk, at every checkpoint: a power failure loses the commits since
  kOff      ///< nothing: a power failure may spoil the file. A crash of the host loses nothing.
};

}  // namespace broadcast
