#pragma once
// What a plugin may leave behind in a process, or change for everybody in it: mappings, threads,
// descriptors, processes, heap, signal handlers, settings; from /proc and the C library. [main]

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace broadcast {

struct ProcessState {
  std::map<std::string, int> mappings;     ///< by file; anonymous ones are the heap's business
  std::map<std::string, int> threads;      ///< by name
  std::map<std::string, int> descriptors;  ///< by what they refer to, numbers left out
  std::map<std::string, int> processes;    ///< children that run, by name
  std::vector<std::string> handlers;       ///< by signal number
  /// Locale, directory, umask, limits, descriptors 0 to 2, alarms and environment, as texts.
  std::map<std::string, std::string> settings;

  [[nodiscard]] static ProcessState now();
};

/// What is allocated, in all arenas.
[[nodiscard]] std::size_t heap_bytes();

/// What `after` has more of: "pipe (2 more), /tmp/x (1 more)"; empty: nothing.
[[nodiscard]] std::string grown(const std::map<std::string, int>& before,
                                const std::map<std::string, int>& after);

/// Which signals are handled otherwise: "SIGUSR1, SIGTERM"; empty: none.
[[nodiscard]] std::string changed_handlers(const ProcessState& before, const ProcessState& after);

/// Which settings differ: "locale (C, now ko_KR.UTF-8), environment variable TZ"; empty: none.
[[nodiscard]] std::string changed_settings(const ProcessState& before, const ProcessState& after);

/// Bytes that each life adds, of the heap's sizes after each: the median over short spans of them,
/// which a cache that is filled once, or a life that differs, does not move. 0 of one life.
[[nodiscard]] std::int64_t growth_per_life(const std::vector<std::size_t>& sizes);

}  // namespace broadcast
