#pragma once
// How long to wait before the next try at something that fails: each wait is twice the one before.
// So what stays away is asked less and less often, and what comes back soon is noticed soon. Time
// and chance are arguments; std only; belongs to one thread. Shared by host and plugins.
//
//   Backoff backoff({.first = std::chrono::seconds(1), .longest = std::chrono::seconds(30)});
//   void on_failed() { after(backoff.next(), [this] { connect(); }); }
//   void on_connected() { backoff.reset(); }

#include <algorithm>
#include <chrono>

namespace broadcast {

class Backoff {
 public:
  struct Times {
    std::chrono::nanoseconds first = std::chrono::seconds(1);
    std::chrono::nanoseconds longest = std::chrono::seconds(60);
    std::chrono::nanoseconds healthy = std::chrono::seconds(60);  ///< for after()
  };

  explicit Backoff(const Times& times) : times_(times) {}

  /// The wait after one more failure: `first`, then twice the wait before, at most `longest`.
  [[nodiscard]] std::chrono::nanoseconds next() {
    const auto wait = std::min(next_, times_.longest);
    next_ = std::min(wait * 2, times_.longest);
    return wait;
  }
  /// The same after a run that ended by failing and had lasted `ran`. A run of `healthy` or longer
  /// was a success: the wait is `first` again.
  [[nodiscard]] std::chrono::nanoseconds after(std::chrono::nanoseconds ran) {
    if (ran >= times_.healthy) reset();
    return next();
  }
  /// It succeeded: the next wait is `first` again.
  void reset() { next_ = times_.first; }

 private:
  Times times_;
  std::chrono::nanoseconds next_ = times_.first;
};

/// Between half of `wait` and all of it, so that what failed together does not come back together.
/// `chance`: 0 to 1, at random.
[[nodiscard]] inline std::chrono::nanoseconds jittered(std::chrono::nanoseconds wait,
                                                       double chance) {
  return wait / 2 + std::chrono::duration_cast<std::chrono::nanoseconds>(wait / 2 * chance);
}

}  // namespace broadcast
