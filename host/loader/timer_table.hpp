#pragma once
// The timers of one broadcaster: what is due when. Time is an argument; [plugin].

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <broadcast/host_rules.hpp>

#include "host/base/clock.hpp"

namespace broadcast {

class TimerTable {
 public:
  static constexpr std::size_t kMaxTimers = kMaxArmedTimers;

  /// Arms timer `id`, or re-arms it; a period of zero fires once. False: kMaxTimers are armed.
  [[nodiscard]] bool try_arm(std::uint64_t id, std::chrono::nanoseconds delay,
                             std::chrono::nanoseconds period, MonoTime now);
  void cancel(std::uint64_t id);

  /// When the next one is due.
  [[nodiscard]] std::optional<MonoTime> next_due() const;

  struct Due {
    std::uint64_t id;
    MonoTime due;
  };
  /// The longest overdue timer, if any is due; a periodic one is armed again for its next beat
  /// after `now`.
  [[nodiscard]] std::optional<Due> take_due(MonoTime now);

 private:
  struct Timer {
    MonoTime due;
    std::chrono::nanoseconds period;
  };
  std::unordered_map<std::uint64_t, Timer> timers_;
  std::set<std::pair<MonoTime, std::uint64_t>> order_;
};

}  // namespace broadcast
