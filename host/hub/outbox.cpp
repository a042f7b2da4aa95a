#include "host/hub/outbox.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "host/base/assert.hpp"

namespace broadcast {

namespace {

/// Beyond this an emptied queue gives its memory back: with these, 256 bytes, an idle connection
/// still has less than 1 KB.
constexpr std::size_t kKeptItems = 16;
/// Written items at the front of a queue that never empties are cut off in lots of this size.
constexpr std::size_t kCompactItems = 256;

std::uint32_t milliseconds_of(MonoTime time) {
  using std::chrono::milliseconds;
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count());
}

}  // namespace

Outbox::Outbox(const Limits& limits, Counters& counters, TouchedList& touched, OutboxWriter& writer,
               FrameForm form)
    : limits_(limits), counters_(counters), touched_(touched), writer_(writer), form_(form) {}

Outbox::~Outbox() {
  for (std::size_t i = head_; i < items_.size(); ++i) release(items_[i]);
  if (is_touched_) std::erase(touched_.writers, &writer_);
}

void Outbox::push(const MessagePtr& message, Ticket& ticket) {
  if (closing()) return;
  const bool latest = message->delivery() == Delivery::kLatest;
  if (latest && blocked_ && try_replace(message, ticket)) {
    counters_.add_alone(Counter::kConflated);
    return;
  }
  if (pending_bytes_ + cost_of(*message) > limits_.outbox_bytes) {
    overflow();
    return;
  }
  may_conflate_ |= latest && !empty();
  ticket = append(message, cost_of(*message));
  counters_.add_alone(Counter::kDeliveries);
}

void Outbox::push(std::span<const MessagePtr> messages, Ticket& ticket) {
  std::size_t cost = 0;
  for (const MessagePtr& message : messages) cost += cost_of(*message);
  if (messages.size() == 1 || closing() || blocked_ ||
      pending_bytes_ + cost > limits_.outbox_bytes) {
    for (const MessagePtr& message : messages) push(message, ticket);
    return;
  }
  const std::uint32_t since = milliseconds_of(touched_.now);
  const std::size_t size = items_.size() + messages.size();
  if (size > items_.capacity()) items_.reserve(std::max(size, 2 * items_.capacity()));
  for (const MessagePtr& message : messages) items_.push_back({message, cost_of(*message), since});
  may_conflate_ |= messages.front()->delivery() == Delivery::kLatest;
  pending_bytes_ += cost;
  ticket = first_ticket_ + items_.size() - 1;
  counters_.add_alone(Counter::kDeliveries, messages.size());
  touch();
}

void Outbox::push_snapshot(const MessagePtr& message, Ticket& ticket) {
  if (closing()) return;
  if (Item* item = waiting(ticket); item != nullptr && is_value_before(*item, *message)) {
    supersede(*item);
  }
  ticket = append(message, 0);
  skip_superseded();
}

void Outbox::push_recovered(const MessagePtr& message, Ticket& ticket) {
  if (!closing()) ticket = append(message, 0);
}

void Outbox::charge(const std::function<bool(std::uint64_t)>& is_one, Charge charge) {
  if (closing()) return;
  for (std::size_t i = first_whole(); i < items_.size(); ++i) {
    Item& item = items_[i];
    if (is_superseded(item) || !is_one(item.message->topic_id())) continue;
    const std::uint32_t cost = charge == Charge::kWhole ? cost_of(*item.message) : sizeof(Item);
    if (item.cost >= cost) continue;
    pending_bytes_ += cost - std::exchange(item.cost, cost);
  }
  if (pending_bytes_ > limits_.outbox_bytes) overflow();
}

void Outbox::push_reply(MessagePtr message) {
  Ticket ignored = 0;
  push_pong(std::move(message), ignored);
}

void Outbox::push_answer(std::string_view text) {
  if (closing()) return;
  MessagePtr answer = touched_.answers.make(text);
  const auto cost = static_cast<std::uint32_t>(cost_of_reply(*answer));
  if (pending_bytes_ + cost > limits_.outbox_bytes) {
    touched_.answers.let_go(answer);
    overflow();
    return;
  }
  answer_bytes_ += cost;
  static_cast<void>(append(std::move(answer), cost));
}

void Outbox::push_pong(MessagePtr message, Ticket& ticket) {
  if (closing()) return;
  const auto cost = static_cast<std::uint32_t>(cost_of_reply(*message));
  if (Item* item = waiting(ticket)) {
    pending_bytes_ += cost - std::exchange(item->cost, cost);
    item->message = std::move(message);
    return;
  }
  if (pending_bytes_ + cost > limits_.outbox_bytes) {
    overflow();
    return;
  }
  ticket = append(std::move(message), cost);
}

void Outbox::overflow() {
  counters_.add(Counter::kLimitOutbox);
  close(kCloseSlow);
}

void Outbox::close(const CloseReason& reason) {
  if (closing()) return;
  const bool is_to_free = reason.counter == Counter::kClosedMemory;
  if (is_to_free || reason.counter == Counter::kClosedSlow) drop_unsent();
  auto closing = std::make_unique<const Closing>(reason);
  MessagePtr frame = writer_.closing_message(reason);
  const auto cost = static_cast<std::uint32_t>(cost_of_reply(*frame));
  static_cast<void>(append(std::move(frame), cost));
  closing_ = std::move(closing);
}

const CloseReason& Outbox::close_reason() const {
  BROADCAST_ASSERT(closing(), "an outbox that is not closing has no reason for it");
  return closing_->reason;
}

std::chrono::milliseconds Outbox::oldest(MonoTime now) const {
  if (empty()) return {};
  return std::chrono::milliseconds(milliseconds_of(now) - items_[head_].since);
}

Outbox::Ticket Outbox::append(MessagePtr message, std::uint32_t cost) {
  pending_bytes_ += cost;
  items_.push_back({std::move(message), cost, milliseconds_of(touched_.now)});
  touch();
  return first_ticket_ + items_.size() - 1;
}

Outbox::Item* Outbox::waiting(Ticket ticket) {
  const bool is_there =
      ticket >= first_ticket_ + first_whole() && ticket < first_ticket_ + items_.size();
  return is_there ? &items_[static_cast<std::size_t>(ticket - first_ticket_)] : nullptr;
}

bool Outbox::is_value_before(const Item& item, const Message& message) {
  return !is_superseded(item) && item.message->topic_id() == message.topic_id() &&
         message.delivery() == Delivery::kLatest;
}

void Outbox::supersede(Item& item) {
  pending_bytes_ -= std::exchange(item.cost, 0);
  item.message.reset();
}

bool Outbox::try_replace(const MessagePtr& message, Ticket ticket) {
  Item* item = waiting(ticket);
  if (item == nullptr || !is_value_before(*item, *message)) return false;
  if (item->cost > 0) {
    const std::size_t others = pending_bytes_ - item->cost;
    if (others + cost_of(*message) > limits_.outbox_bytes) return false;
    item->cost = cost_of(*message);
    pending_bytes_ = others + item->cost;
  }
  item->message = message;
  return true;
}

void Outbox::drop_unsent() {
  // A frame cut in the middle breaks the stream, and so does one before the handshake's answer.
  const bool keeps_first = !empty() && (head_sent_ > 0 || !items_[head_].message->is_frame());
  while (items_.size() > head_ + (keeps_first ? 1 : 0)) {
    pending_bytes_ -= items_.back().cost;
    release(items_.back());
    items_.pop_back();
  }
  items_.shrink_to_fit();
}

void Outbox::release(Item& item) {
  if (item.message != nullptr && item.message->is_answer()) {
    answer_bytes_ -= item.cost;
    touched_.answers.let_go(item.message);
  } else {
    item.message.reset();
  }
}

void Outbox::set_blocked(bool blocked) {
  if (std::exchange(blocked_, blocked) || !blocked) return;
  if (std::exchange(may_conflate_, false)) drop_superseded();
}

/// What was queued while nobody knew that the reader is behind.
void Outbox::drop_superseded() {
  std::unordered_set<std::uint64_t> newer;
  for (std::size_t i = items_.size(); i-- > first_whole();) {
    Item& item = items_[i];
    if (is_superseded(item) || item.message->topic_id() == 0) continue;
    if (item.message->delivery() == Delivery::kAll) continue;
    if (newer.insert(item.message->topic_id()).second) continue;
    supersede(item);
    counters_.add_alone(Counter::kConflated);
  }
  skip_superseded();
}

void Outbox::skip_superseded() {
  while (head_ < items_.size() && is_superseded(items_[head_])) ++head_;
}

std::size_t Outbox::gather(std::span<std::string_view> pieces) const {
  std::size_t count = 0;
  for (std::size_t i = head_; i < items_.size() && count < pieces.size(); ++i) {
    if (!is_superseded(items_[i])) pieces[count++] = frame_of(*items_[i].message);
  }
  if (count > 0) pieces[0].remove_prefix(head_sent_);
  return count;
}

void Outbox::consume(std::size_t bytes) {
  head_sent_ += bytes;
  while (head_ < items_.size() && head_sent_ >= frame_of(*items_[head_].message).size()) {
    Item& item = items_[head_++];
    const std::size_t size = frame_of(*item.message).size();
    head_sent_ -= size;
    pending_bytes_ -= item.cost;
    release(item);
    skip_superseded();
  }
  if (head_ < items_.size() && head_ < kCompactItems) return;
  first_ticket_ += head_;
  items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
  head_ = 0;
  if (items_.empty() && items_.capacity() > kKeptItems) std::vector<Item>().swap(items_);
}

void Outbox::touch() {
  if (std::exchange(is_touched_, true)) return;
  touched_.writers.push_back(&writer_);
}

}  // namespace broadcast
