#pragma once
// The host's two clocks: one to measure with, one to write down. Everything that decides by time
// takes `now` as an argument; only the files at the edges (shard, runner, main) read a clock.

#include <chrono>
#include <cstdint>
#include <ctime>

namespace broadcast {

using MonoTime = std::chrono::steady_clock::time_point;

[[nodiscard]] inline MonoTime mono_now() { return std::chrono::steady_clock::now(); }

/// How far behind a deadline one looks at it who did not run when it came, because the process was
/// stopped (SIGSTOP, a freezer, a suspended machine) or had no CPU. What was to happen until then
/// may be about to: it gets the rest of its time.
inline constexpr std::chrono::milliseconds kSleptThrough{500};
[[nodiscard]] inline bool was_slept_through(MonoTime deadline, MonoTime now) {
  return now >= deadline && now - deadline >= kSleptThrough;
}

/// How long a thread did not run, as far as it can tell: it is late for `deadline`, and not because
/// of what it did. `cpu_used`: by the thread, since it set the deadline.
[[nodiscard]] inline std::chrono::nanoseconds pause_before(MonoTime deadline, MonoTime now,
                                                           std::chrono::nanoseconds cpu_used) {
  if (!was_slept_through(deadline, now) || cpu_used > (now - deadline) / 2) return {};
  return now - deadline;
}

/// CPU time of the calling thread.
[[nodiscard]] inline std::chrono::nanoseconds thread_cpu_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

/// Nanoseconds since 1970 UTC.
[[nodiscard]] inline std::int64_t wall_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace broadcast
