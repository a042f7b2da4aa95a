#pragma once
// No more than five requests in a second, wherever on the way that second is counted: a request may
// arrive at any time between its start and its answer, so the fifth one before must have been
// answered a second ago. REQUIRES: one request at a time. [plugin]

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace broadcast {

class KiwoomLimiter {
 public:
  static constexpr std::size_t kRequests = 5;
  static constexpr std::chrono::nanoseconds kWindow = std::chrono::seconds(1);

  /// How long the next request has to wait.
  [[nodiscard]] std::chrono::nanoseconds wait(std::int64_t now_ns) const {
    return std::chrono::nanoseconds(std::max<std::int64_t>(0, free_ns_[next_] - now_ns));
  }
  /// A request was answered, or given up.
  void note_end(std::int64_t now_ns) {
    free_ns_[next_] = now_ns + kWindow.count();
    next_ = (next_ + 1) % kRequests;
  }
  /// The server says that there were too many: others use the key too.
  void pause(std::int64_t now_ns) { free_ns_.fill(now_ns + kWindow.count()); }

 private:
  std::array<std::int64_t, kRequests> free_ns_{};  // when each of five places is free again
  std::size_t next_ = 0;
};

}  // namespace broadcast
