#pragma once
// How much memory there is for clients, and giving back to the system what a crowd of them has
// left.

#include <cstddef>
#include <string>

namespace broadcast {

/// What this process may use: the least of the machine's and of its cgroups' (v2 or v1). `root` is
/// where /proc and /sys are.
[[nodiscard]] std::size_t memory_of_process(const std::string& root = "");

/// What of this process is in memory now.
[[nodiscard]] std::size_t resident_bytes();

/// The allocator keeps what was freed, in the arena of each thread. [main]
class MemoryKeeper {
 public:
  /// About once a second: whether now is the time to give back. It is when nothing grows or leaves,
  /// and an eighth more is `resident` than there was with what clients have `held`.
  [[nodiscard]] bool is_time(std::size_t resident, std::size_t held);
  /// At the start, and after that: what is resident is used.
  void gave_back(std::size_t resident, std::size_t held);

 private:
  std::size_t used_ = 0;  // without what clients hold
  std::size_t last_resident_ = 0;
  std::size_t last_held_ = 0;
};

/// At the start. What is free at the end of a thread's arena is out of reach for
/// give_back_memory(), and by default up to 64 MiB stay there.
void give_back_ends();
/// Other threads that allocate meanwhile may wait for it: 0.1 ms for each MiB that is free.
void give_back_memory();

}  // namespace broadcast
