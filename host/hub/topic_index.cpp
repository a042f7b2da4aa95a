#include "host/hub/topic_index.hpp"

#include <algorithm>
#include <utility>

#include "host/base/assert.hpp"

namespace broadcast {

namespace {

const Since* since_of(const TopicIndex::Wish& wish, const std::string& topic) {
  if (wish.since == nullptr) return nullptr;
  const auto found = wish.since->find(topic);
  return found == wish.since->end() ? nullptr : &found->second;
}

TopicIndex::SubscribeError error_of(TopicHub::JoinError error) {
  switch (error) {
    case TopicHub::JoinError::kInvalidName:
      return TopicIndex::SubscribeError::kInvalidName;
    case TopicHub::JoinError::kTooManyTopics:
      return TopicIndex::SubscribeError::kTooManyTopics;
    case TopicHub::JoinError::kUnknownTopic:
      break;
  }
  return TopicIndex::SubscribeError::kUnknownTopic;
}

}  // namespace

bool Subscriptions::is_under_pattern(std::string_view topic) const {
  return std::ranges::any_of(prefixes_,
                             [&](const std::string& prefix) { return topic.starts_with(prefix); });
}

TopicIndex::TopicIndex(TopicHub& hub, std::size_t shard) : hub_(hub), shard_(shard) {}

TopicIndex::~TopicIndex() {
  BROADCAST_ASSERT(rows_.empty(), "a TopicIndex was destroyed while sessions still subscribe");
}

/// By the shorter side: a connection has few topics or a topic few subscribers.
std::optional<std::size_t> TopicIndex::find(const Subscriptions& who,
                                            std::string_view topic) const {
  const auto found = by_name_.find(topic);
  if (found == by_name_.end()) return std::nullopt;
  const TopicRow& row = *found->second;
  if (row.subscribers.size() < who.entries_.size()) {
    const auto me = std::ranges::find(row.subscribers, &who, &Subscriber::who);
    if (me == row.subscribers.end()) return std::nullopt;
    return me->back;
  }
  const auto entry = std::ranges::find(who.entries_, &row, &Subscriptions::Entry::row);
  if (entry == who.entries_.end()) return std::nullopt;
  return static_cast<std::size_t>(entry - who.entries_.begin());
}

TopicIndex::View TopicIndex::view_of(const TopicRow& row, const Subscriber& subscriber) {
  return {.topic = row.topic->name,
          .epoch = row.topic->epoch,
          .seq = std::max(row.delivered_seq, subscriber.given_seq),
          .delivery = row.topic->delivery,
          .recovered = false,
          .snapshot = nullptr,
          .missed = {},
          .entry = subscriber.back};
}

TopicIndex::View TopicIndex::view_again(TopicRow& row, Subscriber& subscriber,
                                        const Since* since) const {
  View view = view_of(row, subscriber);
  // A subscriber of an `all` topic has had everything up to that number. A `latest` one is given
  // the newest value, and what waits in the inbox below it is superseded.
  if (view.delivery == Delivery::kAll) {
    view.recovered = since != nullptr && since->epoch == view.epoch && since->seq == view.seq;
    return view;
  }
  TopicHub::Joined now = hub_.look(row.topic);
  view.seq = subscriber.given_seq = now.seq;
  view.snapshot = std::move(now.last);
  return view;
}

Subscriber& TopicIndex::add(Subscriptions& who, const TopicPtr& topic, std::uint64_t given_seq) {
  const auto [found, is_new] = rows_.try_emplace(topic->id);
  TopicRow& row = found->second;
  if (is_new) {
    row.topic = topic;
    by_name_[topic->name] = &row;
  }
  const auto slot = static_cast<std::uint32_t>(row.subscribers.size());
  const auto back = static_cast<std::uint32_t>(who.entries_.size());
  if (slot > 0 && std::less<>{}(&who.outbox_, row.subscribers.back().outbox)) ++row.strays;
  who.entries_.push_back({.row = &row, .slot = slot});
  return row.subscribers.emplace_back(Subscriber{.outbox = &who.outbox_,
                                                 .who = &who,
                                                 .back = back,
                                                 .is_direct = false,
                                                 .given_seq = given_seq,
                                                 .ticket = 0,
                                                 .slot = nullptr});
}

TopicIndex::View TopicIndex::join(Subscriptions& who, const TopicPtr& topic, const Wish& wish) {
  TopicHub::Joined joined =
      hub_.join(topic, shard_, who.outbox_.form(), since_of(wish, topic->name));
  Subscriber& subscriber = add(who, topic, joined.seq);
  set_interval(subscriber, wish.interval);
  return {.topic = topic->name,
          .epoch = topic->epoch,
          .seq = joined.seq,
          .delivery = topic->delivery,
          .recovered = joined.recovered,
          .snapshot = std::move(joined.last),
          .missed = std::move(joined.missed),
          .entry = subscriber.back};
}

TopicIndex::Answer TopicIndex::subscribe(Subscriptions& who, std::string_view topic,
                                         const Wish& wish) {
  Answer answer;
  if (const auto index = find(who, topic)) {
    const Subscriptions::Entry entry = who.entries_[*index];
    Subscriber& subscriber = entry.row->subscribers[entry.slot];
    if (wish.interval.count() > 0 && entry.row->topic->delivery == Delivery::kAll) {
      answer.error = SubscribeError::kRateOfAll;
      return answer;
    }
    set_interval(subscriber, wish.interval);
    answer.views.push_back(view_again(*entry.row, subscriber, since_of(wish, std::string(topic))));
    make_direct(who, *index);
    return answer;
  }
  TopicHub::JoinError error{};
  const TopicPtr found = hub_.find_or_create(topic, error);
  if (!found) {
    answer.error = error_of(error);
  } else if (wish.interval.count() > 0 && found->delivery == Delivery::kAll) {
    answer.error = SubscribeError::kRateOfAll;
  } else {
    answer.views.push_back(join(who, found, wish));
    make_direct(who, who.entries_.size() - 1);
  }
  return answer;
}

TopicIndex::Answer TopicIndex::subscribe_under(Subscriptions& who, std::string_view prefix,
                                               const Wish& wish) {
  Answer answer;
  const auto [found, is_new] = patterns_.try_emplace(std::string(prefix));
  PatternRow& row = found->second;
  if (is_new) {
    auto topics = hub_.watch(prefix, shard_);
    if (!topics) {
      patterns_.erase(found);
      answer.error = SubscribeError::kUnknownTopic;
      return answer;
    }
    row.topics = *std::move(topics);
  }
  const auto member = std::ranges::find(row.members, &who, &PatternRow::Member::who);
  if (member == row.members.end()) {
    row.members.push_back({&who, wish.interval});
    who.prefixes_.emplace_back(prefix);
  } else {
    member->interval = wish.interval;
  }
  std::unordered_map<const TopicRow*, std::size_t> mine;
  for (std::size_t i = 0; i < who.entries_.size(); ++i) mine.emplace(who.entries_[i].row, i);
  for (const TopicPtr& topic : row.topics) {
    const auto there = by_name_.find(topic->name);
    const auto entry = there == by_name_.end() ? mine.end() : mine.find(there->second);
    if (entry == mine.end()) {
      answer.views.push_back(join(who, topic, wish));
      continue;
    }
    TopicRow& shared = *there->second;
    Subscriber& subscriber = shared.subscribers[who.entries_[entry->second].slot];
    set_interval(subscriber, wish.interval);
    answer.views.push_back(view_again(shared, subscriber, since_of(wish, topic->name)));
  }
  return answer;
}

void TopicIndex::make_direct(Subscriptions& who, std::size_t entry) {
  const Subscriptions::Entry& at = who.entries_[entry];
  if (!std::exchange(at.row->subscribers[at.slot].is_direct, true)) ++who.direct_;
}

/// `all` topics under a pattern have no slots.
void TopicIndex::set_interval(Subscriber& subscriber, std::chrono::nanoseconds interval) {
  const TopicRow& row = *subscriber.who->entries_[subscriber.back].row;
  if (interval.count() == 0 || row.topic->delivery == Delivery::kAll) {
    if (subscriber.slot) subscriber.ticket = subscriber.slot->ticket();
    subscriber.slot.reset();
  } else if (subscriber.slot) {
    subscriber.slot->set_interval(interval);
  } else {
    subscriber.slot = slots_.make(*subscriber.outbox, interval);
    subscriber.slot->ticket() = subscriber.ticket;
  }
}

void TopicIndex::send(Subscriptions& who, const View& view, MonoTime now) {
  const Subscriptions::Entry entry = who.entries_[view.entry];
  Subscriber& subscriber = entry.row->subscribers[entry.slot];
  Outbox::Ticket& ticket = subscriber.slot ? subscriber.slot->ticket() : subscriber.ticket;
  if (subscriber.slot && view.snapshot) subscriber.slot->begin(now);
  for (const MessagePtr& message : view.missed) who.outbox_.push_recovered(message, ticket);
  if (view.snapshot) who.outbox_.push_snapshot(view.snapshot, ticket);
}

bool TopicIndex::is_subscribed(const Subscriptions& who, std::string_view topic) const {
  if (topic.ends_with('*')) {
    topic.remove_suffix(1);
    return std::ranges::find(who.prefixes_, topic) != who.prefixes_.end();
  }
  const auto index = find(who, topic);
  if (!index) return false;
  const Subscriptions::Entry& entry = who.entries_[*index];
  return entry.row->subscribers[entry.slot].is_direct;
}

bool TopicIndex::unsubscribe(Subscriptions& who, std::string_view topic, MonoTime now) {
  const auto index = find(who, topic);
  if (!index) return false;
  const Subscriptions::Entry entry = who.entries_[*index];
  if (!std::exchange(entry.row->subscribers[entry.slot].is_direct, false)) return false;
  --who.direct_;
  if (who.is_under_pattern(topic)) return true;
  const std::uint64_t id = entry.row->topic->id;
  who.outbox_.charge([id](std::uint64_t topic_id) { return topic_id == id; });
  remove(who, *index, now);
  return true;
}

bool TopicIndex::unsubscribe_under(Subscriptions& who, std::string_view prefix, MonoTime now) {
  const auto mine = std::ranges::find(who.prefixes_, prefix);
  if (mine == who.prefixes_.end()) return false;
  leave_pattern(who, *mine);
  who.prefixes_.erase(mine);
  std::unordered_set<std::uint64_t> over;
  for (std::size_t i = who.entries_.size(); i-- > 0;) {
    const Subscriptions::Entry entry = who.entries_[i];
    const Topic& topic = *entry.row->topic;
    if (!topic.name.starts_with(prefix) || entry.row->subscribers[entry.slot].is_direct ||
        who.is_under_pattern(topic.name)) {
      continue;
    }
    over.insert(topic.id);
    remove(who, i, now);
  }
  who.outbox_.charge([&](std::uint64_t topic_id) { return over.contains(topic_id); });
  return true;
}

void TopicIndex::leave_pattern(Subscriptions& who, const std::string& prefix) {
  const auto found = patterns_.find(prefix);
  std::erase_if(found->second.members,
                [&](const PatternRow::Member& member) { return member.who == &who; });
  if (!found->second.members.empty()) return;
  hub_.unwatch(prefix, shard_);
  patterns_.erase(found);
}

void TopicIndex::unsubscribe_all(Subscriptions& who, MonoTime now) {
  for (const std::string& prefix : who.prefixes_) leave_pattern(who, prefix);
  who.prefixes_.clear();
  while (!who.entries_.empty()) remove(who, who.entries_.size() - 1, now);
  who.direct_ = 0;
}

void TopicIndex::remove(Subscriptions& who, std::size_t index, MonoTime now) {
  const Subscriptions::Entry entry = who.entries_[index];
  auto& subscribers = entry.row->subscribers;
  // The last one takes the leaver's place, on both sides.
  if (entry.slot + 1 != subscribers.size()) {
    subscribers[entry.slot] = std::move(subscribers.back());
    Subscriber& moved = subscribers[entry.slot];
    moved.who->entries_[moved.back].slot = entry.slot;
    ++entry.row->strays;
  }
  subscribers.pop_back();
  if (index + 1 != who.entries_.size()) {
    who.entries_[index] = who.entries_.back();
    const Subscriptions::Entry& moved = who.entries_[index];
    moved.row->subscribers[moved.slot].back = static_cast<std::uint32_t>(index);
  }
  who.entries_.pop_back();
  const TopicPtr topic = entry.row->topic;
  if (subscribers.empty()) {
    by_name_.erase(topic->name);
    rows_.erase(topic->id);
  }
  hub_.leave(topic, shard_, now, who.outbox_.form());
}

std::vector<TopicIndex::View> TopicIndex::list(const Subscriptions& who) const {
  std::vector<View> views;
  views.reserve(who.direct_);
  for (const Subscriptions::Entry& entry : who.entries_) {
    const Subscriber& subscriber = entry.row->subscribers[entry.slot];
    if (subscriber.is_direct) views.push_back(view_of(*entry.row, subscriber));
  }
  std::ranges::sort(views, {}, &View::topic);
  return views;
}

std::vector<std::string> TopicIndex::list_patterns(const Subscriptions& who) const {
  std::vector<std::string> patterns = who.prefixes_;
  for (std::string& pattern : patterns) pattern += '*';
  std::ranges::sort(patterns);
  return patterns;
}

void TopicIndex::deliver(std::span<const MessagePtr> messages, MonoTime now) {
  if (messages.front()->is_announcement()) return announce(*messages.front(), now);
  const auto found = rows_.find(messages.front()->topic_id());
  if (found == rows_.end()) return;  // the last subscriber left while it waited
  TopicRow& row = found->second;
  // A few cost no locality; sorting for each who comes or goes would cost more.
  if (row.strays * 16 > row.subscribers.size()) put_in_order(row);
  row.delivered_seq = messages.back()->seq();
  for (Subscriber& subscriber : row.subscribers) {
    std::span<const MessagePtr> fresh = messages;
    while (!fresh.empty() && fresh.front()->seq() <= subscriber.given_seq) fresh = fresh.subspan(1);
    if (fresh.empty()) continue;
    if (subscriber.slot) {
      subscriber.slot->offer(fresh.back(), now);
    } else {
      subscriber.outbox->push(fresh, subscriber.ticket);
    }
  }
}

void TopicIndex::put_in_order(TopicRow& row) {
  std::ranges::sort(row.subscribers, std::less<>{}, &Subscriber::outbox);
  for (std::uint32_t slot = 0; slot < row.subscribers.size(); ++slot) {
    const Subscriber& subscriber = row.subscribers[slot];
    subscriber.who->entries_[subscriber.back].slot = slot;
  }
  row.strays = 0;
}

/// The topic's first message comes behind its announcement, so those under a pattern miss none.
void TopicIndex::announce(const Message& announcement, MonoTime now) {
  const TopicPtr topic = hub_.announced(announcement);
  if (!topic) return;
  std::unordered_set<const Subscriptions*> there;
  if (const auto row = rows_.find(topic->id); row != rows_.end()) {
    for (const Subscriber& subscriber : row->second.subscribers) there.insert(subscriber.who);
  }
  for (auto& [prefix, pattern] : patterns_) {
    if (!topic->name.starts_with(prefix)) continue;
    if (std::ranges::find(pattern.topics, topic) == pattern.topics.end()) {
      pattern.topics.push_back(topic);
    }
    for (const PatternRow::Member& member : pattern.members) {
      if (!there.insert(member.who).second) continue;
      const TopicHub::Joined joined = hub_.join(topic, shard_, member.who->outbox_.form(), nullptr);
      Subscriber& subscriber = add(*member.who, topic, 0);
      set_interval(subscriber, member.interval);
      // Restored, and not published on since: nothing comes behind the announcement yet.
      if (joined.seq == 0 && joined.last) {
        member.who->outbox_.push_snapshot(joined.last, subscriber.ticket);
      }
    }
  }
  hub_.leave(topic, shard_, now);  // what the announcement counted
}

std::size_t run_length(std::span<const MessagePtr> drained, std::size_t bytes) {
  const auto stands_alone = [](const MessagePtr& message) {
    return message->topic_id() == 0 || message->is_announcement();
  };
  const MessagePtr& first = drained.front();
  if (stands_alone(first)) return 1;
  std::size_t used = first->frame().size();
  std::size_t length = 1;
  while (length < drained.size()) {
    const MessagePtr& next = drained[length];
    used += next->frame().size();
    if (next->topic_id() != first->topic_id() || stands_alone(next) || used > bytes) break;
    ++length;
  }
  return length;
}

}  // namespace broadcast
