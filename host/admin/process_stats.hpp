#pragma once
// What the kernel knows about this process, for the process_ metrics. [main]

#include <cstdint>

namespace broadcast {

struct ProcessStats {
  double cpu_seconds = 0;
  double start_time = 0;  ///< seconds since 1970 UTC
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_descriptors = 0;
  std::uint64_t max_descriptors = 0;
};

/// From /proc; what cannot be read is 0.
[[nodiscard]] ProcessStats process_stats();

}  // namespace broadcast
