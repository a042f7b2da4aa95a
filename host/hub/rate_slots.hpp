#pragma once
// `max_rate`: a subscriber gets a topic's newest value once a slot, and nothing when nothing has
// changed. The values that wait for their slot, of all subscribers of one shard, in the order of
// their times. Part of a TopicIndex; [shard].

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "host/base/clock.hpp"
#include "host/hub/message.hpp"
#include "host/hub/outbox.hpp"

namespace broadcast {

class RateSlots;

/// The slots of one topic's subscriber. Destroyed before the RateSlots that made it, and before its
/// outbox.
class RateSlot {
 public:
  ~RateSlot();
  RateSlot(const RateSlot&) = delete;
  RateSlot& operator=(const RateSlot&) = delete;

  /// How long a slot is from now on; 0: every message. The value that waits is sent at once if its
  /// slot is free by that.
  void set_interval(std::chrono::nanoseconds interval, MonoTime now);
  /// What the subscription by name asked for, kept here for when the others are over.
  void set_own_interval(std::chrono::nanoseconds interval) { own_interval_ = interval; }
  [[nodiscard]] std::chrono::nanoseconds own_interval() const { return own_interval_; }
  /// Something was sent outside its slots: the next one begins now, and what waited is superseded.
  void begin(MonoTime now);
  /// What waited is superseded by something that will be sent.
  void forget();
  /// Sends the newest of `messages` if its slot is free, or keeps it for the next one.
  void offer(std::span<const MessagePtr> messages, MonoTime now);
  /// What waits for its slot; may be null.
  [[nodiscard]] const MessagePtr& waiting() const { return waiting_; }
  [[nodiscard]] Outbox::Ticket& ticket() { return ticket_; }

 private:
  friend class RateSlots;
  RateSlot(RateSlots& slots, Outbox& outbox) : slots_(slots), outbox_(outbox) {}
  [[nodiscard]] MonoTime next() const { return begun_ + interval_; }

  RateSlots& slots_;
  Outbox& outbox_;
  std::chrono::nanoseconds interval_{};
  std::chrono::nanoseconds own_interval_{};
  MonoTime begun_ = MonoTime::min();  // when the slot began that lasts or has ended
  MessagePtr waiting_;                // in slots_ at next() while it is set
  Outbox::Ticket ticket_ = 0;
};

class RateSlots {
 public:
  RateSlots() = default;
  RateSlots(const RateSlots&) = delete;
  RateSlots& operator=(const RateSlots&) = delete;

  /// A slot that is free. `outbox` outlives it.
  [[nodiscard]] std::unique_ptr<RateSlot> make(Outbox& outbox);
  /// Sends every value whose slot has come.
  void on_time(MonoTime now);
  /// When on_time() has something to do; nothing: nothing waits.
  [[nodiscard]] std::optional<MonoTime> next_due() const;

 private:
  friend class RateSlot;
  std::set<std::pair<MonoTime, RateSlot*>> waiting_;
};

}  // namespace broadcast
