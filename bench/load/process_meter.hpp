#pragma once
// CPU time and memory of another process, read from /proc. Throws std::runtime_error once it is
// gone.

#include <cstdint>
#include <string>

#include <sys/types.h>

namespace broadcast {

struct CpuTime {
  double user_s = 0;
  double sys_s = 0;
};

/// KiB; of /proc/PID/smaps_rollup.
struct MemoryUse {
  std::int64_t rss = 0;
  std::int64_t pss = 0;
  std::int64_t private_dirty = 0;
  std::int64_t anonymous = 0;  ///< what the process itself asked for: heap, stacks
};

class ProcessMeter {
 public:
  explicit ProcessMeter(pid_t pid);

  /// Since the last call, or since construction.
  [[nodiscard]] CpuTime cpu_since_last();
  [[nodiscard]] MemoryUse memory() const;
  /// KiB, cheaper to ask for than memory(), and right to a few hundred.
  [[nodiscard]] std::int64_t anonymous_now() const;

 private:
  struct Reading {
    double total_s = 0;  // exact, of all threads
    double user_ticks = 0;
    double sys_ticks = 0;
  };
  [[nodiscard]] Reading read() const;
  [[nodiscard]] double scheduled_s() const;
  [[nodiscard]] std::string text_of(const std::string& file) const;

  const std::string folder_;
  Reading last_;
};

}  // namespace broadcast
