#pragma once
// The only way this house holds a lock. Under it: no blocking, no call into other objects, never a
// second lock (the one exception, topic -> inbox, is written down at TopicTable).

#include <mutex>
#include <utility>

namespace broadcast {

template <class T>
class Guarded {
 public:
  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  /// [any] Calls `use(value)` under the lock and returns what it returns. Never return a reference
  /// into the value.
  template <class F>
  auto with_lock(F&& use) {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(use)(value_);
  }
  template <class F>
  auto with_lock(F&& use) const {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(use)(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_;
};

}  // namespace broadcast
