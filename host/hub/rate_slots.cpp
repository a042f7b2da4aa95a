#include "host/hub/rate_slots.hpp"

#include <algorithm>
#include <utility>

namespace broadcast {

RateSlot::~RateSlot() { forget(); }

void RateSlot::set_interval(std::chrono::nanoseconds interval, MonoTime now) {
  if (interval == interval_) return;
  const MessagePtr waiting = waiting_;
  forget();
  interval_ = interval;
  if (waiting) offer(std::span(&waiting, 1), now);
}

void RateSlot::begin(MonoTime now) {
  forget();
  begun_ = now;
}

void RateSlot::offer(std::span<const MessagePtr> messages, MonoTime now) {
  // A topic may become an `all` one after somebody has asked for a rate.
  if (interval_.count() == 0 || messages.back()->delivery() == Delivery::kAll) {
    begun_ = now;
    outbox_.push(messages, ticket_);
  } else if (!waiting_ && now >= next()) {
    begun_ = now;
    outbox_.push(messages.back(), ticket_);
  } else if (!std::exchange(waiting_, messages.back())) {
    slots_.waiting_.emplace(next(), this);
  }
}

void RateSlot::forget() {
  if (!waiting_) return;
  slots_.waiting_.erase({next(), this});
  waiting_.reset();
}

std::unique_ptr<RateSlot> RateSlots::make(Outbox& outbox) {
  return std::unique_ptr<RateSlot>(new RateSlot(*this, outbox));
}

void RateSlots::on_time(MonoTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    RateSlot& slot = *waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    // From the slot's own time, so that a late turn does not slow the subscriber down.
    slot.begun_ = std::max(slot.next(), now - slot.interval_);
    slot.outbox_.push(std::exchange(slot.waiting_, nullptr), slot.ticket_);
  }
}

std::optional<MonoTime> RateSlots::next_due() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

}  // namespace broadcast
