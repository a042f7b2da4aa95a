#pragma once
// Latencies in buckets that grow with the value: 64 a power of two, so that a quantile is right to
// 1.6 %. Fixed memory, nothing is allocated when one is added. One thread.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace broadcast {

class LatencyHistogram {
 public:
  /// A latency below 0 counts as 0.
  void add(std::int64_t nanoseconds) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0));
    ++buckets_[bucket_of(value)];
    ++count_;
    max_ = std::max(max_, value);
  }
  void clear() { *this = {}; }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double max_us() const { return static_cast<double>(max_) / 1e3; }
  /// The value that `share` (0 … 1) of all do not exceed; 0 while there is none.
  [[nodiscard]] double quantile_us(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < buckets_.size() && count_ > 0; ++bucket) {
      seen += buckets_[bucket];
      if (seen > wanted || seen == count_) {
        return static_cast<double>(std::min(largest_in(bucket), max_)) / 1e3;
      }
    }
    return 0;
  }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr std::size_t kPerPower = std::size_t{1} << kBits;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kPerPower) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    return (shift + 1) * kPerPower + (value >> shift) - kPerPower;
  }
  static std::uint64_t largest_in(std::size_t bucket) {
    if (bucket < kPerPower) return bucket;
    const std::size_t shift = bucket / kPerPower - 1;
    return ((bucket % kPerPower + kPerPower + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - kBits + 1) * kPerPower> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace broadcast
