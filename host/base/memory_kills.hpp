#pragma once
// Whom the kernel's out-of-memory killer ends, is sent SIGKILL like by any operator, and can write
// nothing down. But the kernel counts its kills: what was noted while the process ran, compared
// with what the next one finds, tells the two apart.

#include <cstdint>

namespace broadcast {

struct MemoryKills {
  std::uint64_t cgroup = 0;     ///< which one this process is in; 0: not known
  std::uint64_t in_cgroup = 0;  ///< kills in it, ever
  std::uint64_t in_all = 0;     ///< on the machine since it was booted; 0: none, or not known
  std::int64_t at_ns = 0;       ///< since the machine was booted
};

/// [any] As it is now. Reads three small files of the kernel's.
[[nodiscard]] MemoryKills look_for_memory_kills();

/// Of a process that ended in no order, not long after it had `noted`, in the same boot: was it for
/// want of memory? Its cgroup says so, where that is still the same. A supervisor that makes one
/// for each start takes that number away; then it is a kill anywhere, if that was within a minute.
[[nodiscard]] bool was_killed_for_memory(const MemoryKills& noted, const MemoryKills& now);

}  // namespace broadcast
