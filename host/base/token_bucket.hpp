#pragma once
// How often something may happen: so many times a second, and as many at once. Small, because every
// connection has one. Its owner's thread.

#include <algorithm>
#include <chrono>
#include <utility>

#include "host/base/clock.hpp"

namespace broadcast {

class TokenBucket {
 public:
  /// Full: `at_once` tokens.
  explicit TokenBucket(double at_once) : tokens_(at_once) {}

  /// Takes a token, or says how long until there is one. REQUIRES: per_second > 0, at_once >= 1.
  [[nodiscard]] std::chrono::nanoseconds take(double per_second, double at_once, MonoTime now) {
    refill(per_second, at_once, now);
    if (tokens_ >= 1) {
      tokens_ -= 1;
      return std::chrono::nanoseconds(0);
    }
    return std::chrono::ceil<std::chrono::nanoseconds>(
        std::chrono::duration<double>((1 - tokens_) / per_second));
  }

  /// What comes in `time`, on top of all others, for those who could not take it meanwhile. What is
  /// not taken goes as fast as it came.
  void give(std::chrono::nanoseconds time, double per_second, double at_once, MonoTime now) {
    refill(per_second, at_once, now);
    tokens_ += std::chrono::duration<double>(time).count() * per_second;
  }

 private:
  void refill(double per_second, double at_once, MonoTime now) {
    const std::chrono::duration<double> passed = now - std::exchange(looked_at_, now);
    const double gained = passed.count() * per_second;
    tokens_ = tokens_ > at_once ? std::max(at_once, tokens_ - gained)
                                : std::min(at_once, tokens_ + gained);
  }

  double tokens_;
  MonoTime looked_at_{};
};

}  // namespace broadcast
