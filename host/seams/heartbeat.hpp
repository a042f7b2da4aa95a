#pragma once
// How often clients are pinged, and how long they may be silent. A broadcaster sets it
// (bc.heartbeat/1), shards send the pings, and `connected` tells clients. [any]

#include <chrono>

namespace broadcast {

struct Heartbeat {
  std::chrono::nanoseconds interval{};
  std::chrono::nanoseconds timeout{};
  bool operator==(const Heartbeat&) const = default;
};

}  // namespace broadcast
