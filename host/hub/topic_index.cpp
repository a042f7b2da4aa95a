#include "host/hub/topic_index.hpp"

#include <algorithm>
#include <utility>

#include "host/base/assert.hpp"

namespace broadcast {

TopicIndex::TopicIndex(TopicHub& hub, std::size_t shard) : hub_(hub), shard_(shard) {}

TopicIndex::~TopicIndex() {
  BROADCAST_ASSERT(rows_.empty(), "a TopicIndex was destroyed while sessions still subscribe");
}

std::optional<std::size_t> TopicIndex::find(const Subscriptions& who,
                                            std::string_view topic) const {
  for (std::size_t i = 0; i < who.entries_.size(); ++i) {
    if (who.entries_[i].row->topic->name == topic) return i;
  }
  return std::nullopt;
}

TopicIndex::View TopicIndex::view_of(const TopicRow& row, const Subscriber& subscriber) const {
  return {.topic = row.topic->name,
          .epoch = row.topic->epoch,
          .seq = std::max(row.delivered_seq, subscriber.given_seq),
          .delivery = row.topic->delivery,
          .snapshot = nullptr};
}

TopicIndex::View TopicIndex::view_again(TopicRow& row, Subscriber& subscriber) const {
  View view = view_of(row, subscriber);
  // A subscriber of an `all` topic has had everything up to that number. A `latest` one is given
  // the newest value, and what waits in the inbox below it is superseded.
  if (row.topic->delivery == Delivery::kAll) return view;
  TopicHub::Joined now = hub_.look(row.topic);
  view.seq = subscriber.given_seq = now.seq;
  view.snapshot = std::move(now.last);
  return view;
}

TopicIndex::Answer TopicIndex::subscribe(Subscriptions& who, std::string_view topic) {
  if (const auto index = find(who, topic)) {
    const Subscriptions::Entry entry = who.entries_[*index];
    return {.view = view_again(*entry.row, entry.row->subscribers[entry.slot])};
  }
  TopicHub::JoinResult result = hub_.join(topic, shard_, who.outbox_.form());
  if (!result.joined) return {.view = std::nullopt, .error = result.error};
  TopicHub::Joined& joined = *result.joined;
  TopicRow& row = rows_[joined.topic->id];
  row.topic = joined.topic;
  const auto slot = static_cast<std::uint32_t>(row.subscribers.size());
  row.subscribers.push_back({.who = &who,
                             .back = static_cast<std::uint32_t>(who.entries_.size()),
                             .given_seq = joined.seq,
                             .ticket = 0});
  who.entries_.push_back({.row = &row, .slot = slot});
  return {.view = View{.topic = joined.topic->name,
                       .epoch = joined.topic->epoch,
                       .seq = joined.seq,
                       .delivery = joined.topic->delivery,
                       .snapshot = std::move(joined.last)}};
}

void TopicIndex::send_snapshot(Subscriptions& who, const View& view) {
  if (!view.snapshot) return;
  const auto index = find(who, view.topic);
  if (!index) return;
  const Subscriptions::Entry entry = who.entries_[*index];
  who.outbox_.push_snapshot(view.snapshot, entry.row->subscribers[entry.slot].ticket);
}

bool TopicIndex::unsubscribe(Subscriptions& who, std::string_view topic, MonoTime now) {
  const auto index = find(who, topic);
  if (!index) return false;
  const Subscriptions::Entry entry = who.entries_[*index];
  const std::uint64_t id = entry.row->topic->id;
  who.outbox_.charge([id](std::uint64_t topic_id) { return topic_id == id; });
  remove(who, *index, now);
  return true;
}

void TopicIndex::unsubscribe_all(Subscriptions& who, MonoTime now) {
  while (!who.entries_.empty()) remove(who, who.entries_.size() - 1, now);
}

void TopicIndex::remove(Subscriptions& who, std::size_t index, MonoTime now) {
  const Subscriptions::Entry entry = who.entries_[index];
  auto& subscribers = entry.row->subscribers;
  // The last one takes the leaver's place, on both sides.
  if (entry.slot + 1 != subscribers.size()) {
    subscribers[entry.slot] = subscribers.back();
    Subscriber& moved = subscribers[entry.slot];
    moved.who->entries_[moved.back].slot = entry.slot;
  }
  subscribers.pop_back();
  if (index + 1 != who.entries_.size()) {
    who.entries_[index] = who.entries_.back();
    const Subscriptions::Entry& moved = who.entries_[index];
    moved.row->subscribers[moved.slot].back = static_cast<std::uint32_t>(index);
  }
  who.entries_.pop_back();
  const TopicPtr topic = entry.row->topic;
  if (subscribers.empty()) rows_.erase(topic->id);
  hub_.leave(topic, shard_, now, who.outbox_.form());
}

std::vector<TopicIndex::View> TopicIndex::list(const Subscriptions& who) const {
  std::vector<View> views;
  views.reserve(who.entries_.size());
  for (const Subscriptions::Entry& entry : who.entries_) {
    views.push_back(view_of(*entry.row, entry.row->subscribers[entry.slot]));
  }
  std::ranges::sort(views, {}, &View::topic);
  return views;
}

void TopicIndex::deliver(const MessagePtr& message) {
  const auto found = rows_.find(message->topic_id());
  if (found == rows_.end()) return;  // the last subscriber left while it waited
  TopicRow& row = found->second;
  row.delivered_seq = message->seq();
  for (Subscriber& subscriber : row.subscribers) {
    if (message->seq() > subscriber.given_seq)
      subscriber.who->outbox_.push(message, subscriber.ticket);
  }
}

}  // namespace broadcast
