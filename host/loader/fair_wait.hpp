#pragma once
// How long a thread has been at something, by its own doing: what it slept, or computed. A machine
// that has no processor for it, or stops it, or is late with its pages, would make every thread
// look stuck by the clock.

#include <chrono>
#include <optional>
#include <string_view>

#include <sys/types.h>

namespace broadcast {

/// What /proc knows of a thread.
struct ThreadSample {
  char state = '?';                       ///< 'S': it sleeps until something happens
  std::chrono::milliseconds computed{0};  ///< ever
};
/// Of the text of /proc/self/task/<thread>/stat; nothing: it is none. Pure.
[[nodiscard]] std::optional<ThreadSample> sample_of(std::string_view stat);

/// What counts of `passed`, between two samples. Pure.
[[nodiscard]] std::chrono::milliseconds counted(const ThreadSample& before, const ThreadSample& now,
                                                std::chrono::milliseconds passed);

class FairWait {
 public:
  /// A thread of this process. [any]
  explicit FairWait(pid_t thread);
  /// Adds what counts of `passed`, the time since the last call or since construction. Returns the
  /// sum.
  [[nodiscard]] std::chrono::milliseconds add(std::chrono::milliseconds passed);

 private:
  [[nodiscard]] ThreadSample take_sample() const;

  const pid_t thread_;
  ThreadSample before_;
  std::chrono::milliseconds sum_{0};
};

}  // namespace broadcast
