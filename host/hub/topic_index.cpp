// One file, because subscribing by name and by pattern, leaving and delivering all work on the same
// rows, and each relies on how the others leave them.
#include "host/hub/topic_index.hpp"

#include <algorithm>
#include <utility>

#include "host/base/assert.hpp"
#include "host/hub/protocol.hpp"

namespace broadcast {

namespace {

const Since* since_of(const TopicIndex::SubscribeOptions& options, const std::string& topic) {
  if (options.since == nullptr || options.since->empty()) return nullptr;
  const auto found = options.since->find(topic);
  return found == options.since->end() ? nullptr : &found->second;
}

/// What subscribers are told of a topic whose number is `seq`.
MessagePtr note_of(const Topic& topic, std::uint64_t seq, TopicReason reason) {
  const SubscriptionText text{.topic = topic.name,
                              .epoch = topic.epoch(),
                              .seq = seq,
                              .delivery = topic.delivery,
                              .recovered = false};
  return Message::note(topic.id, write_topic(text, reason));
}

/// What a pattern costs besides the topics that are looked at for it, in topics.
constexpr std::size_t kPatternItself = 16;

// What subscriptions take, with room to grow and what the allocator adds.

constexpr std::size_t kEntryBytes = 2 * (sizeof(Subscriber) + 16);
constexpr std::size_t kSlotBytes = sizeof(RateSlot) + 80;  // while a value waits
/// Here and in the hub, each with the prefix, if nobody else has it.
std::size_t bytes_of_pattern(std::string_view prefix) { return 288 + 2 * prefix.size(); }

/// A crowd that has left needs no room any more.
template <class T>
void give_back_room(std::vector<T>& values) {
  constexpr std::size_t kKept = 64;
  if (values.capacity() > kKept && values.size() < values.capacity() / 4) values.shrink_to_fit();
}

/// What its subscription by name asks for.
std::chrono::nanoseconds own_interval(const Subscriber& subscriber) {
  return subscriber.slot ? subscriber.slot->own_interval() : std::chrono::nanoseconds();
}

}  // namespace

std::vector<Subscriptions::Pattern>::iterator Subscriptions::place_of(std::string_view prefix) {
  return std::ranges::lower_bound(patterns_, prefix, {}, &Pattern::prefix);
}

const Subscriptions::Pattern* Subscriptions::pattern(std::string_view prefix) const {
  const auto found = std::ranges::lower_bound(patterns_, prefix, {}, &Pattern::prefix);
  return found == patterns_.end() || found->prefix != prefix ? nullptr : &*found;
}

bool Subscriptions::is_under_pattern(std::string_view topic) const {
  if (patterns_.empty()) return false;
  return any_branch(topic, [this](std::string_view prefix) { return pattern(prefix) != nullptr; });
}

TopicIndex::TopicIndex(TopicTable& topics, Audience& audience, std::size_t shard)
    : topics_(topics), audience_(audience), shard_(shard) {}

TopicIndex::~TopicIndex() {
  BROADCAST_ASSERT(rows_.empty(), "a TopicIndex was destroyed while sessions still subscribe");
}

void TopicIndex::count(Subscriptions& who, std::size_t bytes, Held held) {
  for (std::size_t* const sum : {&who.held_bytes_, &held_bytes_}) {
    *sum = held == Held::kMore ? *sum + bytes : *sum - bytes;
  }
}

Subscriber& TopicIndex::subscriber_of(const Subscriptions::Entry& entry) {
  return entry.row->subscribers[entry.slot];
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
  const MessagePtr waiting = subscriber.slot ? subscriber.slot->waiting() : nullptr;
  return {.topic = row.topic->name,
          .epoch = row.topic->epoch(),
          .seq = waiting ? waiting->seq() - 1 : std::max(row.delivered_seq, subscriber.given_seq),
          .delivery = row.topic->delivery,
          .recovered = false,
          .snapshot = nullptr,
          .missed = {},
          .entry = subscriber.back};
}

/// What waits for its slot may be sent by another rate, and then before the answer: so the answer
/// is made after that, and what its own value supersedes is not sent.
void TopicIndex::drop_superseded(const TopicRow& row, Subscriber& subscriber,
                                 const SubscribeOptions& options) {
  const bool gets_newest =
      row.topic->delivery == Delivery::kLatest && options.last_values != LastValues::kOfNone;
  if (gets_newest && subscriber.slot) subscriber.slot->forget();
}

TopicIndex::View TopicIndex::view_again(TopicRow& row, Subscriber& subscriber,
                                        const SubscribeOptions& options) const {
  View view = view_of(row, subscriber);
  if (view.delivery == Delivery::kAll) {
    // It has had everything up to that number, and what is above is on its way.
    const Since* const since = since_of(options, view.topic);
    Joined had = audience_.peek(row.topic, view.seq, since);
    view.recovered = had.recovered;
    view.missed = std::move(had.missed);
    const bool is_wanted = options.last_values == LastValues::kOfAll ||
                           (options.last_values == LastValues::kOfNew && since != nullptr);
    if (is_wanted) view.snapshot = std::move(had.last);
  } else if (options.last_values != LastValues::kOfNone) {
    // It is given the newest value; what waits below it in the inbox is superseded.
    Joined now = audience_.peek(row.topic);
    view.seq = subscriber.given_seq = now.seq;
    view.snapshot = std::move(now.last);
  }
  return view;
}

Subscriber& TopicIndex::add(Subscriptions& who, const Joined& joined, std::uint64_t given_seq) {
  const TopicPtr& topic = joined.topic;
  const auto [found, is_new] = rows_.try_emplace(topic->id);
  TopicRow& row = found->second;
  if (is_new) {
    row.topic = topic;
    row.epoch = joined.epoch;
    by_name_[topic->name] = &row;
  }
  const auto slot = static_cast<std::uint32_t>(row.subscribers.size());
  const auto back = static_cast<std::uint32_t>(who.entries_.size());
  if (slot > 0 && std::less<>{}(&who.outbox_, row.subscribers.back().outbox)) ++row.strays;
  who.entries_.push_back({.row = &row, .slot = slot});
  count(who, kEntryBytes, Held::kMore);
  return row.subscribers.emplace_back(Subscriber{.outbox = &who.outbox_,
                                                 .who = &who,
                                                 .back = back,
                                                 .is_direct = false,
                                                 .given_seq = given_seq,
                                                 .ticket = 0,
                                                 .slot = nullptr});
}

TopicIndex::View TopicIndex::view_of_new(Subscriptions& who, Joined joined,
                                         const SubscribeOptions& options) {
  const Subscriber& subscriber = add(who, joined, joined.seq);
  return {.topic = joined.topic->name,
          .epoch = std::string(joined.epoch),
          .seq = joined.seq,
          .delivery = joined.delivery,
          .recovered = joined.recovered,
          .snapshot = options.last_values == LastValues::kOfNone ? nullptr : std::move(joined.last),
          .missed = std::move(joined.missed),
          .entry = subscriber.back};
}

TopicIndex::Answer TopicIndex::subscribe(Subscriptions& who, const TopicName& topic,
                                         const SubscribeOptions& options) {
  Answer answer;
  if (const auto index = find(who, topic.text())) {
    const Subscriptions::Entry entry = who.entries_[*index];
    Subscriber& subscriber = subscriber_of(entry);
    if (options.interval.count() > 0 && entry.row->topic->delivery == Delivery::kAll) {
      answer.error = SubscribeError::kRateOfAll;
      return answer;
    }
    if (!subscriber.is_direct) {
      if (const auto refused = audience_.try_name(entry.row->topic, who.account_)) {
        answer.error = *refused;
        return answer;
      }
    }
    drop_superseded(*entry.row, subscriber, options);
    make_direct(who, *index, options);
    answer.views.push_back(view_again(*entry.row, subscriber, options));
    charge_again(who, answer);
    return answer;
  }
  Audience::JoinResult result =
      audience_.join(topic.text(), shard_, who.outbox_.form(), since_of(options, topic.text()),
                     {.account = who.account_ ? &who.account_ : nullptr,
                      .wants_latest = options.interval.count() > 0});
  if (!result.joined) {
    answer.error = result.error;
    return answer;
  }
  answer.views.push_back(view_of_new(who, *std::move(result.joined), options));
  make_direct(who, who.entries_.size() - 1, options);
  return answer;
}

TopicIndex::Answer TopicIndex::subscribe_under(Subscriptions& who, const Pattern& pattern,
                                               const SubscribeOptions& options) {
  const std::string_view prefix = pattern.prefix();
  Answer answer{.looked_at = kPatternItself};
  const bool is_watched = patterns_.contains(prefix);
  if (!is_watched && !topics_.try_watch(prefix, shard_)) {
    answer.error = SubscribeError::kUnknownTopic;
    return answer;
  }
  // Counted before anything is joined.
  const Audience::Branch branch = audience_.topics_under(prefix, options.most_names);
  answer.looked_at += branch.looked_at;
  answer.names_bytes = branch.names_bytes;
  if (branch.is_too_large) {
    answer.error = SubscribeError::kTooManyNames;
    if (!is_watched) topics_.unwatch(prefix, shard_);
    return answer;
  }
  bool changes_rates = true;
  if (const auto mine = who.place_of(prefix);
      mine != who.patterns_.end() && mine->prefix == prefix) {
    changes_rates = std::exchange(mine->interval, options.interval) != options.interval;
  } else {
    const auto here = patterns_.try_emplace(std::string(prefix)).first;
    here->second.push_back(&who);
    who.patterns_.insert(mine, {here->first, options.interval});
    count(who, bytes_of_pattern(prefix), Held::kMore);
  }
  std::unordered_map<const TopicRow*, std::size_t> entries;
  if (!branch.topics.empty()) {
    for (std::size_t i = 0; i < who.entries_.size(); ++i) entries.emplace(who.entries_[i].row, i);
    answer.looked_at = std::max(answer.looked_at, entries.size());
  }
  for (const TopicPtr& topic : branch.topics) {
    const auto there = by_name_.find(topic->name);
    const auto entry = there == by_name_.end() ? entries.end() : entries.find(there->second);
    if (entry == entries.end()) {
      answer.views.push_back(view_of_new(
          who,
          audience_.join_under(topic, shard_, who.outbox_.form(), since_of(options, topic->name)),
          options));
      set_interval(subscriber_of(who.entries_.back()), {}, options.now);
      continue;
    }
    Subscriber& subscriber = subscriber_of(who.entries_[entry->second]);
    drop_superseded(*there->second, subscriber, options);
    if (changes_rates) set_interval(subscriber, own_interval(subscriber), options.now);
    answer.views.push_back(view_again(*there->second, subscriber, options));
  }
  charge_again(who, answer);
  return answer;
}

/// What was recovered before and has not been taken yet.
void TopicIndex::charge_again(Subscriptions& who, const Answer& answer) {
  std::unordered_set<std::uint64_t> again;
  for (const View& view : answer.views) {
    if (!view.missed.empty()) again.insert(view.missed.front()->topic_id());
  }
  if (again.empty()) return;
  who.outbox_.charge([&](std::uint64_t topic_id) { return again.contains(topic_id); },
                     Outbox::Charge::kPlace);
}

void TopicIndex::make_direct(Subscriptions& who, std::size_t entry,
                             const SubscribeOptions& options) {
  Subscriber& subscriber = subscriber_of(who.entries_[entry]);
  if (!std::exchange(subscriber.is_direct, true)) ++who.direct_;
  set_interval(subscriber, options.interval, options.now);
}

/// Of several subscriptions the fastest counts, and of `all` topics every message.
void TopicIndex::set_interval(Subscriber& subscriber, std::chrono::nanoseconds own, MonoTime now) {
  const Topic& topic = *subscriber.who->entries_[subscriber.back].row->topic;
  std::chrono::nanoseconds fastest{};
  if (topic.delivery == Delivery::kAll) {
    own = {};
  } else {
    fastest = subscriber.is_direct ? own : std::chrono::nanoseconds::max();
    const Subscriptions& who = *subscriber.who;
    if (!who.patterns_.empty()) {
      any_branch(topic.name, [&](std::string_view prefix) {
        if (const auto* const pattern = who.pattern(prefix)) {
          fastest = std::min(fastest, pattern->interval);
        }
        return fastest.count() == 0;
      });
    }
  }
  if (own.count() == 0 && fastest.count() == 0) {
    if (!subscriber.slot) return;
    subscriber.slot->set_interval({}, now);
    subscriber.ticket = subscriber.slot->ticket();
    subscriber.slot.reset();
    count(*subscriber.who, kSlotBytes, Held::kLess);
    return;
  }
  if (!subscriber.slot) {
    subscriber.slot = slots_.make(*subscriber.outbox);
    count(*subscriber.who, kSlotBytes, Held::kMore);
    subscriber.slot->ticket() = subscriber.ticket;
    // Something was sent, nobody knows when: now is the latest that it can have been.
    if (subscriber.ticket != 0) subscriber.slot->begin(now);
  }
  subscriber.slot->set_own_interval(own);
  subscriber.slot->set_interval(fastest, now);
}

void TopicIndex::send(Subscriptions& who, const View& view, MonoTime now) {
  Subscriber& subscriber = subscriber_of(who.entries_[view.entry]);
  for (const MessagePtr& message : view.missed) {
    who.outbox_.push_recovered(message, subscriber.ticket);
  }
  if (view.snapshot) send_snapshot(subscriber, view.snapshot, now);
}

void TopicIndex::send_snapshot(Subscriber& subscriber, const MessagePtr& value, MonoTime now) {
  if (subscriber.slot) subscriber.slot->begin(now);
  subscriber.outbox->push_snapshot(value,
                                   subscriber.slot ? subscriber.slot->ticket() : subscriber.ticket);
}

bool TopicIndex::is_subscribed(const Subscriptions& who, const AskedTopic& topic) const {
  if (const auto* const pattern = std::get_if<Pattern>(&topic)) {
    return who.pattern(pattern->prefix()) != nullptr;
  }
  const auto* const name = std::get_if<TopicName>(&topic);
  const auto index = name == nullptr ? std::nullopt : find(who, name->text());
  return index && subscriber_of(who.entries_[*index]).is_direct;
}

bool TopicIndex::unsubscribe(Subscriptions& who, const TopicName& topic, MonoTime now) {
  const auto index = find(who, topic.text());
  if (!index) return false;
  const Subscriptions::Entry entry = who.entries_[*index];
  Subscriber& subscriber = subscriber_of(entry);
  if (!subscriber.is_direct) return false;
  --who.direct_;
  if (entry.row->topic->listed && who.is_under_pattern(topic.text())) {
    subscriber.is_direct = false;
    audience_.unname(entry.row->topic, who.account(), now);
    set_interval(subscriber, {}, now);
    return true;
  }
  const std::uint64_t id = entry.row->topic->id;
  who.outbox_.charge([id](std::uint64_t topic_id) { return topic_id == id; });
  remove(who, *index, now);
  return true;
}

std::size_t TopicIndex::unsubscribe_under(Subscriptions& who, const Pattern& pattern,
                                          MonoTime now) {
  const std::string_view prefix = pattern.prefix();
  const auto mine = who.place_of(prefix);
  if (mine == who.patterns_.end() || mine->prefix != prefix) return 0;
  const std::size_t looked_at = kPatternItself + who.entries_.size();
  leave_pattern(who, mine->prefix);
  who.patterns_.erase(mine);
  std::unordered_set<std::uint64_t> over;
  for (std::size_t i = who.entries_.size(); i-- > 0;) {
    const Subscriptions::Entry entry = who.entries_[i];
    const Topic& topic = *entry.row->topic;
    if (!topic.name.starts_with(prefix)) continue;
    Subscriber& subscriber = subscriber_of(entry);
    if (subscriber.is_direct || who.is_under_pattern(topic.name)) {
      set_interval(subscriber, own_interval(subscriber), now);
      continue;
    }
    over.insert(topic.id);
    remove(who, i, now);
  }
  who.outbox_.charge([&](std::uint64_t topic_id) { return over.contains(topic_id); });
  return looked_at;
}

void TopicIndex::leave_pattern(Subscriptions& who, std::string_view prefix) {
  const auto found = patterns_.find(prefix);
  std::erase(found->second, &who);
  give_back_room(found->second);
  count(who, bytes_of_pattern(prefix), Held::kLess);
  if (!found->second.empty()) return;
  topics_.unwatch(prefix, shard_);
  patterns_.erase(found);
}

void TopicIndex::unsubscribe_all(Subscriptions& who, MonoTime now) {
  for (const Subscriptions::Pattern& pattern : who.patterns_) leave_pattern(who, pattern.prefix);
  who.patterns_.clear();
  while (!who.entries_.empty()) remove(who, who.entries_.size() - 1, now);
  who.direct_ = 0;
}

void TopicIndex::remove(Subscriptions& who, std::size_t index, MonoTime now) {
  const Subscriptions::Entry entry = who.entries_[index];
  auto& subscribers = entry.row->subscribers;
  const Leaver leaver{.form = who.outbox_.form(),
                      .by_name = subscribers[entry.slot].is_direct,
                      .account = who.account()};
  if (subscribers[entry.slot].slot) count(who, kSlotBytes, Held::kLess);
  count(who, kEntryBytes, Held::kLess);
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
  give_back_room(subscribers);
  give_back_room(who.entries_);
  const TopicPtr topic = entry.row->topic;
  if (subscribers.empty()) {
    by_name_.erase(topic->name);
    rows_.erase(topic->id);
  }
  audience_.leave(topic, shard_, now, leaver);
}

std::vector<TopicIndex::View> TopicIndex::list(const Subscriptions& who) const {
  std::vector<View> views;
  views.reserve(who.direct_);
  for (const Subscriptions::Entry& entry : who.entries_) {
    const Subscriber& subscriber = subscriber_of(entry);
    if (subscriber.is_direct) views.push_back(view_of(*entry.row, subscriber));
  }
  std::ranges::sort(views, {}, &View::topic);
  return views;
}

std::vector<std::string> TopicIndex::list_patterns(const Subscriptions& who) const {
  std::vector<std::string> patterns;
  for (const Subscriptions::Pattern& pattern : who.patterns_) {
    patterns.push_back(std::string(pattern.prefix) + '*');
  }
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
      subscriber.slot->offer(fresh, now);
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

/// Their commands read by another epoch, and what it is delivered at may be another thing.
void TopicIndex::tell_epoch(TopicRow& row, std::uint64_t seq, MonoTime now) {
  const Topic& topic = *row.topic;
  row.epoch = topic.epoch();
  const MessagePtr note = note_of(topic, seq, TopicReason::kEpoch);
  for (Subscriber& subscriber : row.subscribers) {
    Outbox::Ticket nobody_replaces_it = 0;
    subscriber.outbox->push_recovered(note, nobody_replaces_it);
    set_interval(subscriber, own_interval(subscriber), now);
  }
}

/// It was given up: nobody asks for it by its name any more, or they stay.
void TopicIndex::drop_those_by_pattern(TopicRow& row, MonoTime now) {
  const std::uint64_t id = row.topic->id;
  // The row goes with the last of them.
  for (std::size_t slot = row.subscribers.size(); slot-- > 0;) {
    const Subscriber& subscriber = row.subscribers[slot];
    if (subscriber.is_direct) continue;
    Subscriptions& who = *subscriber.who;
    remove(who, subscriber.back, now);
    who.outbox_.charge([id](std::uint64_t topic_id) { return topic_id == id; });
  }
}

void TopicIndex::announce(const Message& announcement, MonoTime now) {
  const TopicPtr topic = audience_.announced(announcement);
  if (!topic) return;
  const bool is_listed = topic->listed;  // another announcement follows when that changes
  const auto row = rows_.find(topic->id);
  if (announcement.is_hand_over()) {
    if (row != rows_.end()) answer_for(row->second);
    return audience_.leave(topic, shard_, now, {.by_name = false});
  }
  if (row != rows_.end()) {
    if (row->second.epoch != topic->epoch()) tell_epoch(row->second, announcement.seq(), now);
    if (!is_listed) drop_those_by_pattern(row->second, now);
  }
  if (is_listed) add_those_by_pattern(topic, announcement.seq(), now);
  // What the announcement counted.
  audience_.leave(topic, shard_, now, {.by_name = false});
}

/// Whoever answered for it has left its name: another one who asks for it does from now on.
void TopicIndex::answer_for(TopicRow& row) {
  const auto next = std::ranges::find_if(row.subscribers, [](const Subscriber& subscriber) {
    return subscriber.is_direct && subscriber.who->account_;
  });
  if (next != row.subscribers.end()) audience_.answer_for(row.topic, next->who->account_);
}

/// The topic's first message comes behind its announcement, so those under a pattern miss none.
void TopicIndex::add_those_by_pattern(const TopicPtr& topic, std::uint64_t seq, MonoTime now) {
  MessagePtr note;  // one for all
  std::unordered_set<const Subscriptions*> there;
  if (const auto row = rows_.find(topic->id); row != rows_.end()) {
    for (Subscriber& subscriber : row->second.subscribers) {
      there.insert(subscriber.who);
      set_interval(subscriber, own_interval(subscriber), now);  // a pattern may be faster
    }
  }
  any_branch(topic->name, [&](std::string_view prefix) {
    const auto pattern = patterns_.find(prefix);
    if (pattern == patterns_.end()) return false;
    for (Subscriptions* const who : pattern->second) {
      if (!there.insert(who).second) continue;
      const Joined joined = audience_.join_under(topic, shard_, who->outbox_.form(), nullptr);
      Subscriber& subscriber = add(*who, joined, seq);
      set_interval(subscriber, {}, now);
      if (!note) note = note_of(*topic, seq, TopicReason::kNew);
      Outbox::Ticket nobody_replaces_it = 0;
      who->outbox_.push_recovered(note, nobody_replaces_it);
      // Restored, and not published on since: nothing comes behind the announcement yet.
      if (joined.seq == seq && joined.last) send_snapshot(subscriber, joined.last, now);
    }
    return false;
  });
}

std::size_t run_length(std::span<const MessagePtr> drained, std::size_t bytes) {
  const auto stands_alone = [](const MessagePtr& message) {
    return message->topic_id() == 0 || message->is_announcement();
  };
  BROADCAST_ASSERT(!drained.empty(), "a run of no messages has no length");
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
