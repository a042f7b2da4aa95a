#pragma once
// Lets one thread sleep until another has something for it, or until a point in time. A leaf: its
// lock is held for no longer than a flag takes. (std::binary_semaphore of GCC 12.2 can sleep for
// ever, PR 104928.)

#include <condition_variable>
#include <mutex>
#include <optional>

#include "host/base/clock.hpp"

namespace broadcast {

class Wake {
 public:
  /// [any] Wakes the waiting thread, or the next one to wait.
  void set() {
    {
      const std::lock_guard lock(mutex_);
      is_set_ = true;
    }
    condition_.notify_one();
  }

  /// Returns once set() was called since the last wait, or at `until`; without `until` only the
  /// former.
  void wait(std::optional<MonoTime> until) {
    std::unique_lock lock(mutex_);
    const auto is_set = [this] { return is_set_; };
    if (until) {
      condition_.wait_until(lock, *until, is_set);
    } else {
      condition_.wait(lock, is_set);
    }
    is_set_ = false;
  }

  /// As wait(). Returns the deadline that holds from now on: `until`, or, if it was slept through,
  /// one that leaves as much time as there was before.
  [[nodiscard]] MonoTime wait_awake(MonoTime until) {
    const MonoTime begun = mono_now();
    wait(until);
    const MonoTime now = mono_now();
    return was_slept_through(until, now) ? now + (until - begun) : until;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool is_set_ = false;
};

}  // namespace broadcast
