#pragma once
// What a plugin may leave behind in a process: mappings, threads, descriptors, heap, signal
// handlers, counted from /proc and the C library. [main]

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace broadcast {

struct ProcessState {
  std::map<std::string, int> mappings;     ///< by file; anonymous ones are the heap's business
  std::map<std::string, int> threads;      ///< by name
  std::map<std::string, int> descriptors;  ///< by what they refer to, numbers left out
  std::vector<std::string> handlers;       ///< by signal number
  std::size_t heap_bytes = 0;

  [[nodiscard]] static ProcessState now();
};

/// What `after` has more of: "pipe (2 more), /tmp/x (1 more)"; empty: nothing.
[[nodiscard]] std::string grown(const std::map<std::string, int>& before,
                                const std::map<std::string, int>& after);

/// Which signals are handled otherwise: "SIGUSR1, SIGTERM"; empty: none.
[[nodiscard]] std::string changed_handlers(const ProcessState& before, const ProcessState& after);

}  // namespace broadcast
