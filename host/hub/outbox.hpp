#pragma once
// The bounded queue of one connection, and the only place that knows what happens when its reader
// is slow: `latest` messages replace the one of their topic that still waits, everything else
// queues up to the limit, and beyond it the connection is closed with 4413. Replies and
// publications keep one order. Part of a Connection; [shard].

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/hub/answers.hpp"
#include "host/hub/close_reason.hpp"
#include "host/hub/message.hpp"

namespace broadcast {

/// Whoever writes an outbox to its socket, and knows its protocol. TouchedList names it by this.
class OutboxWriter {
 public:
  /// What the protocol says at the end, as the last frame: called by Outbox::close(), once.
  [[nodiscard]] virtual MessagePtr closing_message(const CloseReason& reason) const = 0;

 protected:
  ~OutboxWriter() = default;
};

/// Those whose outbox got something since the last flush; one list a shard. And what else they
/// share.
struct TouchedList {
  std::vector<OutboxWriter*> writers;
  MonoTime now{};  ///< of the shard's turn
  Answers answers{};
};

class Outbox {
 public:
  /// Which place in the queue a topic's last message took; kept by the subscription. 0: none.
  using Ticket = std::uint64_t;

  /// All four outlive the outbox, and only its thread writes to `counters`; `writer` is put on
  /// `touched` when something is pushed.
  Outbox(const Limits& limits, Counters& counters, TouchedList& touched, OutboxWriter& writer,
         FrameForm form = FrameForm::kPlain);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  /// A publication. Ignored once closing.
  void push(const MessagePtr& message, Ticket& ticket);
  /// The same for several of one topic, in order.
  void push(std::span<const MessagePtr> messages, Ticket& ticket);
  /// A topic's last value, behind the answer that names it. Does not count against the limit; of a
  /// `latest` topic the value that still waits for the same ticket is superseded.
  void push_snapshot(const MessagePtr& message, Ticket& ticket);
  /// A message that a subscriber of an `all` topic has missed. Does not count against the limit.
  void push_recovered(const MessagePtr& message, Ticket& ticket);
  enum class Charge : std::uint8_t {
    kWhole,  ///< the subscription is over: coming and going would pile it up
    kPlace,  ///< it is asked for again: the places in the queue would pile up
  };
  /// What still waits of these topics without counting counts from now on.
  void charge(const std::function<bool(std::uint64_t topic_id)>& is_one,
              Charge charge = Charge::kWhole);
  /// A reply or control frame: never dropped, but it counts, with what it costs beside its bytes.
  void push_reply(MessagePtr message);
  /// The same for an answer in words; who gets the same at this time shares it.
  void push_answer(std::string_view text);
  /// A reply that takes the place of the one before, while that waits.
  void push_pong(MessagePtr message, Ticket& ticket);
  /// Ends the connection: what waits goes out first, except for a slow reader, who gets only the
  /// writer's closing message. `reason.text` is copied. The first call wins.
  void close(const CloseReason& reason);

  [[nodiscard]] FrameForm form() const { return form_; }
  [[nodiscard]] bool closing() const { return closing_ != nullptr; }
  /// REQUIRES: closing().
  [[nodiscard]] const CloseReason& close_reason() const;
  [[nodiscard]] bool empty() const { return head_ == items_.size(); }
  [[nodiscard]] std::size_t limit_bytes() const { return limits_.outbox_bytes; }
  [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_; }
  [[nodiscard]] std::size_t pending_messages() const { return items_.size() - head_; }
  /// Memory that is held for this client alone: publications are others', too.
  [[nodiscard]] std::size_t own_bytes() const { return answer_bytes_ + queue_bytes(); }
  /// Of that, the queue itself.
  [[nodiscard]] std::size_t queue_bytes() const { return items_.capacity() * sizeof(Item); }
  /// How long the oldest message has waited; zero: none does.
  [[nodiscard]] std::chrono::milliseconds oldest(MonoTime now) const;

  // What the Connection drains it with.

  /// The kernel takes no more: `latest` messages conflate, those that wait and those to come.
  void set_blocked(bool blocked);
  [[nodiscard]] bool blocked() const { return blocked_; }
  /// Fills `pieces` from the front of the queue; returns how many.
  [[nodiscard]] std::size_t gather(std::span<std::string_view> pieces) const;
  /// `bytes` from the front are written.
  void consume(std::size_t bytes);
  /// The writer left the touched list, or stands on it from now on.
  void untouch() { is_touched_ = false; }
  void touch();

 private:
  struct Item {
    MessagePtr message;
    std::uint32_t cost;   // against the limit; 0: a snapshot whose subscription lives
    std::uint32_t since;  // milliseconds, of the clock's lower half
  };
  static_assert(sizeof(Item) == 16, "thousands of them wait for a slow reader");

  /// What close() was given; on the heap, because few outboxes are closing.
  struct Closing {
    explicit Closing(const CloseReason& why) : text(why.text), reason(why) { reason.text = text; }
    Closing(const Closing&) = delete;
    Closing& operator=(const Closing&) = delete;

    const std::string text;
    CloseReason reason;
  };

  /// Of a `latest` topic whose newer value waits further back: takes its place, is not written.
  [[nodiscard]] static bool is_superseded(const Item& item) { return item.message == nullptr; }

  [[nodiscard]] std::string_view frame_of(const Message& message) const {
    return message.frame(form_);
  }
  [[nodiscard]] std::uint32_t cost_of(const Message& message) const {
    return static_cast<std::uint32_t>(frame_of(message).size());
  }
  [[nodiscard]] Ticket append(MessagePtr message, std::uint32_t cost);
  void overflow();
  void release(Item& item);
  /// The first that has not begun to be written.
  [[nodiscard]] std::size_t first_whole() const { return head_ + (head_sent_ > 0 ? 1 : 0); }
  /// What was put there and has not begun to be written; null: it has, or is gone.
  [[nodiscard]] Item* waiting(Ticket ticket);
  /// A value of the same `latest` topic.
  [[nodiscard]] static bool is_value_before(const Item& item, const Message& message);
  [[nodiscard]] bool try_replace(const MessagePtr& message, Ticket ticket);
  /// REQUIRES: skip_superseded() before anybody looks at the front.
  void supersede(Item& item);
  void drop_unsent();
  void drop_superseded();
  void skip_superseded();

  const Limits& limits_;
  Counters& counters_;
  TouchedList& touched_;
  OutboxWriter& writer_;
  std::vector<Item> items_;  // items_[head_..] wait, the first of them not superseded
  std::size_t head_ = 0;
  std::size_t head_sent_ = 0;               // bytes of items_[head_] already written
  std::size_t pending_bytes_ = 0;           // cost of what waits
  std::size_t answer_bytes_ = 0;            // of that, push_answer()'s
  std::uint64_t first_ticket_ = 1;          // ticket of items_[0]
  std::unique_ptr<const Closing> closing_;  // null: it is not
  const FrameForm form_;
  bool blocked_ = false;
  bool may_conflate_ = false;  // a `latest` message was queued behind others
  bool is_touched_ = false;
};

}  // namespace broadcast
