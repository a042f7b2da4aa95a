#pragma once
// For threads whose work can wait.

#include <sys/resource.h>
#include <unistd.h>

namespace broadcast {

/// The calling thread and those that it starts give way to all others, for good: only the
/// privileged may go back. Where it is not to be had, nothing changes. While one of two
/// broadcasters was replaced every 20 ms, host on one core, the p99 of the other's messages was
/// 0.96 times that of without replacing (0.74 to 1.08), 1.46 without this (1.08 to 1.77; three
/// rounds, Linux 6.18, 2026-11). With nice 10 it was no better than without.
inline void move_to_background() {
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19));
}

}  // namespace broadcast
