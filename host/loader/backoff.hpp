#pragma once
// How long a broadcaster that failed stays down: doubling from `first` to `longest`, from the start
// again once it ran for `healthy`. Time is an argument.

#include <algorithm>
#include <chrono>

namespace broadcast {

class Backoff {
 public:
  struct Times {
    std::chrono::nanoseconds first = std::chrono::seconds(1);
    std::chrono::nanoseconds longest = std::chrono::seconds(60);
    std::chrono::nanoseconds healthy = std::chrono::seconds(60);
  };

  explicit Backoff(const Times& times) : times_(times) {}

  /// The wait after a run that failed having lasted `ran`.
  [[nodiscard]] std::chrono::nanoseconds after(std::chrono::nanoseconds ran) {
    if (ran >= times_.healthy) next_ = times_.first;
    const auto wait = std::min(next_, times_.longest);
    next_ = std::min(wait * 2, times_.longest);
    return wait;
  }

 private:
  Times times_;
  std::chrono::nanoseconds next_ = times_.first;
};

}  // namespace broadcast
