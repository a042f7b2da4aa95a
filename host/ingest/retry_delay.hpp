#pragma once
// How long to wait before the next try to connect: from 0.2 s, doubling to 10 s, each spread over
// half of itself so that hosts do not come back together. Time and chance are arguments; its
// owner's thread.

#include <algorithm>
#include <chrono>
#include <optional>

#include "host/base/clock.hpp"

namespace broadcast {

class RetryDelay {
 public:
  /// The wait after a try that began being useful at `ready`, or never did (nothing), and ended at
  /// `now`. A connection that held for ten seconds starts from the beginning. `chance`: 0 to 1.
  [[nodiscard]] std::chrono::nanoseconds next(std::optional<MonoTime> ready, MonoTime now,
                                              double chance) {
    if (ready && now - *ready >= std::chrono::seconds(10)) longest_ = kFirst;
    const std::chrono::nanoseconds longest = longest_;
    longest_ = std::min<std::chrono::nanoseconds>(longest_ * 2, std::chrono::seconds(10));
    return longest / 2 + std::chrono::duration_cast<std::chrono::nanoseconds>(longest / 2 * chance);
  }

 private:
  static constexpr std::chrono::nanoseconds kFirst = std::chrono::milliseconds(400);
  std::chrono::nanoseconds longest_ = kFirst;
};

}  // namespace broadcast
