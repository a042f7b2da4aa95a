#include "host/loader/timer_table.hpp"

#include <algorithm>

namespace broadcast {

namespace {
/// `now` + `delay` without running over the clock's end.
MonoTime later(MonoTime now, std::chrono::nanoseconds delay) {
  return now + std::min<std::chrono::nanoseconds>(delay, MonoTime::max() - now);
}
}  // namespace

bool TimerTable::try_arm(std::uint64_t id, std::chrono::nanoseconds delay,
                         std::chrono::nanoseconds period, MonoTime now) {
  cancel(id);
  if (timers_.size() >= kMaxTimers) return false;
  const MonoTime due = later(now, delay);
  timers_.emplace(id, Timer{due, period});
  order_.emplace(due, id);
  return true;
}

void TimerTable::cancel(std::uint64_t id) {
  const auto found = timers_.find(id);
  if (found == timers_.end()) return;
  order_.erase({found->second.due, id});
  timers_.erase(found);
}

std::optional<MonoTime> TimerTable::next_due() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

std::optional<TimerTable::Due> TimerTable::take_due(MonoTime now) {
  if (order_.empty() || order_.begin()->first > now) return std::nullopt;
  const auto [due, id] = *order_.begin();
  order_.erase(order_.begin());
  Timer& timer = timers_.at(id);
  if (timer.period.count() == 0) {
    timers_.erase(id);
  } else {
    // Beats that went by meanwhile are not made up for.
    const auto beats = (now - due) / timer.period + 1;
    timer.due = later(due, timer.period * beats);
    order_.emplace(timer.due, id);
  }
  return Due{id, due};
}

}  // namespace broadcast
