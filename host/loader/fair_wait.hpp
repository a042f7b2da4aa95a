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
struct ThreadLook {
  char state = '?';                       ///< 'S': it sleeps until something happens
  std::chrono::milliseconds computed{0};  ///< ever
};
/// Of the text of /proc/self/task/<thread>/stat; nothing: it is none. Pure.
[[nodiscard]] std::optional<ThreadLook> look_of(std::string_view stat);

/// What counts of `passed`, between two looks. Pure.
[[nodiscard]] std::chrono::milliseconds counted(const ThreadLook& before, const ThreadLook& now,
                                                std::chrono::milliseconds passed);

class FairWait {
 public:
  /// A thread of this process. [any]
  explicit FairWait(pid_t thread);
  /// `passed` since the last look, or since it was made: the sum of what counts.
  [[nodiscard]] std::chrono::milliseconds look(std::chrono::milliseconds passed);

 private:
  [[nodiscard]] ThreadLook look_now() const;

  const pid_t thread_;
  ThreadLook before_;
  std::chrono::milliseconds sum_{0};
};

}  // namespace broadcast
