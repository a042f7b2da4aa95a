#include "host/hub/rate_slots.hpp"

#include <algorithm>
#include <utility>

namespace broadcast {

RateSlot::~RateSlot() { forget(); }

void RateSlot::begin(MonoTime now) {
  forget();
  next_ = now + interval_;
}

void RateSlot::offer(const MessagePtr& message, MonoTime now) {
  if (waiting_) {
    waiting_ = message;
    return;
  }
  if (now >= next_) {
    next_ = now + interval_;
    outbox_.push(message, ticket_);
    return;
  }
  waiting_ = message;
  slots_.waiting_.emplace(next_, this);
}

void RateSlot::forget() {
  if (!waiting_) return;
  slots_.waiting_.erase({next_, this});
  waiting_.reset();
}

std::unique_ptr<RateSlot> RateSlots::make(Outbox& outbox, std::chrono::nanoseconds interval) {
  return std::unique_ptr<RateSlot>(new RateSlot(*this, outbox, interval));
}

void RateSlots::on_time(MonoTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    RateSlot& slot = *waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    // From the slot's own time, so that a late turn does not slow the subscriber down.
    slot.next_ = std::max(slot.next_ + slot.interval_, now);
    slot.outbox_.push(std::exchange(slot.waiting_, nullptr), slot.ticket_);
  }
}

std::optional<MonoTime> RateSlots::next_due() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

}  // namespace broadcast
