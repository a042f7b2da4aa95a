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
    const std::chrono::duration<double> passed = now - std::exchange(looked_at_, now);
    tokens_ = std::min(at_once, tokens_ + passed.count() * per_second);
    if (tokens_ >= 1) {
      tokens_ -= 1;
      return std::chrono::nanoseconds(0);
    }
    return std::chrono::ceil<std::chrono::nanoseconds>(
        std::chrono::duration<double>((1 - tokens_) / per_second));
  }

 private:
  double tokens_;
  MonoTime looked_at_{};
};

}  // namespace broadcast
