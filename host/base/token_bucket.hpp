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
    return time_of(1 - tokens_, per_second);
  }

  /// Takes `count`, more than there are perhaps: then the next one is so much further away.
  void charge(double count, double per_second, double at_once, MonoTime now) {
    refill(per_second, at_once, now);
    tokens_ -= count;
  }

  /// How long until what was charged beyond what there was has come back; zero: it has.
  [[nodiscard]] std::chrono::nanoseconds debt(double per_second, double at_once, MonoTime now) {
    refill(per_second, at_once, now);
    return time_of(std::max(0.0, -tokens_), per_second);
  }

  /// What came in `time`, which ends now, beyond what there may be at once, for those who could not
  /// take it meanwhile; ten times that at the most. What is not taken goes as fast as it came.
  void give(std::chrono::nanoseconds time, double per_second, double at_once, MonoTime now) {
    const MonoTime from = std::max(looked_at_, now - time);
    refill(per_second, at_once, from);
    const std::chrono::duration<double> given = now - std::exchange(looked_at_, now);
    tokens_ += std::min(given.count() * per_second, kMostGiven * at_once);
  }

 private:
  static constexpr double kMostGiven = 10;

  static std::chrono::nanoseconds time_of(double tokens, double per_second) {
    return std::chrono::ceil<std::chrono::nanoseconds>(
        std::chrono::duration<double>(tokens / per_second));
  }

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
