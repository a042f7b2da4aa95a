#pragma once
// `max_rate`: a subscriber gets a topic's newest value once a slot, and nothing when nothing has
// changed. The values that wait for their slot, of all subscribers of one shard, in the order of
// their times. Part of a TopicIndex; [shard].

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "host/base/clock.hpp"
#include "host/hub/message.hpp"
#include "host/hub/outbox.hpp"

namespace broadcast {

class RateSlots;

/// One subscription's slots. Destroyed before the RateSlots that made it, and before its outbox.
class RateSlot {
 public:
  ~RateSlot();
  RateSlot(const RateSlot&) = delete;
  RateSlot& operator=(const RateSlot&) = delete;

  void set_interval(std::chrono::nanoseconds interval) { interval_ = interval; }
  /// Something was sent outside its slots: the next one begins now, and what waited is superseded.
  void begin(MonoTime now);
  /// Sends `message` if its slot is free, or keeps it for the next one.
  void offer(const MessagePtr& message, MonoTime now);
  [[nodiscard]] Outbox::Ticket& ticket() { return ticket_; }

 private:
  friend class RateSlots;
  RateSlot(RateSlots& slots, Outbox& outbox, std::chrono::nanoseconds interval)
      : slots_(slots), outbox_(outbox), interval_(interval) {}
  void forget();

  RateSlots& slots_;
  Outbox& outbox_;
  std::chrono::nanoseconds interval_;
  MonoTime next_{};
  MessagePtr waiting_;  // in slots_ at next_ while it is set
  Outbox::Ticket ticket_ = 0;
};

class RateSlots {
 public:
  RateSlots() = default;
  RateSlots(const RateSlots&) = delete;
  RateSlots& operator=(const RateSlots&) = delete;

  /// `outbox` outlives the slot.
  [[nodiscard]] std::unique_ptr<RateSlot> make(Outbox& outbox, std::chrono::nanoseconds interval);
  /// Sends every value whose slot has come.
  void on_time(MonoTime now);
  /// When on_time() has something to do; nothing: nothing waits.
  [[nodiscard]] std::optional<MonoTime> next_due() const;

 private:
  friend class RateSlot;
  std::set<std::pair<MonoTime, RateSlot*>> waiting_;
};

}  // namespace broadcast
