// TopicHub: what survives a restart. Committed, then delivered, then acknowledged.

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "host/base/assert.hpp"
#include "host/hub/topic_hub.hpp"

namespace broadcast {

namespace {

/// What was published: the text without the envelope that the host has written in front.
std::string payload_of(std::string_view text, std::string_view head) {
  if (!text.starts_with(head)) return {};
  const std::size_t comma = text.find(',', head.size());
  if (comma == std::string_view::npos) return {};
  std::string payload(text.substr(comma));
  payload.front() = '{';
  return payload;
}

}  // namespace

Verdict not_kept(CommitOutcome outcome, std::size_t committed) {
  const bool is_in_doubt = outcome == CommitOutcome::kInDoubt;
  return {.outcome = Verdict::Outcome::kUnavailable,
          .text = is_in_doubt ? "the disk failed while the message was written to the state file; "
                                "it was not published, but after a crash of the host it may be"
                              : "the message could not be written to the state file; try again "
                                "later",
          .published = committed,
          .last = {},
          .is_in_doubt = is_in_doubt};
}

void TopicHub::open_store(StateStore& store) {
  std::vector<StoredTopic> stored = store.load();
  epoch_key_ = store.epoch_key();
  table_.with_lock([&](Table& table) {
    BROADCAST_ASSERT(table.claims.empty(), "the store is opened before topics are claimed");
    for (StoredTopic& topic : stored) {
      std::string name = topic.name;
      table.restorable.insert_or_assign(std::move(name), std::move(topic));
    }
  });
  store_ = &store;
  store.start(*this);
}

bool TopicHub::close_store(MonoTime until) {
  keep_last_values();
  return store_->stop(until);
}

void TopicHub::when_committed(std::uint64_t commit, std::function<void(CommitOutcome)> done) {
  if (commit == 0) return done(CommitOutcome::kCommitted);
  store_->when_committed(commit, std::move(done));
}

std::uint64_t TopicHub::keep_position(StreamPosition position) {
  // One that is not kept comes again with the next entry; after a crash its entry is handled again.
  return store_ != nullptr ? store_->try_keep_position(std::move(position)) : 0;
}

std::size_t TopicHub::count_committed(std::span<const std::uint64_t> commits) {
  std::size_t count = 0;
  for (const std::uint64_t commit : commits) {
    bool is_kept = false;
    when_committed(commit, [&](CommitOutcome outcome) {  // settled: answers at once
      is_kept = outcome == CommitOutcome::kCommitted;
    });
    if (!is_kept) break;
    ++count;
  }
  return count;
}

bool TopicHub::is_durable(const Topic& topic) const {
  return store_ != nullptr && topic.delivery == Delivery::kAll && topic.owner != nullptr;
}

/// Those under a pattern are there again at once, so that who subscribes to `price:*` finds them.
void TopicHub::restore_claimed(Table& table, const TopicPattern& pattern, TopicOwner& owner) {
  if (!pattern.has_placeholder()) return;
  std::vector<std::string> names;
  for (const auto& [name, stored] : table.restorable) {
    // One that has numbers alone waits until somebody asks for it: an operator may have given it
    // up.
    if (stored.delivery == pattern.delivery() && pattern.accepts(name) &&
        !stored.messages.empty() && !table.topics.contains(name)) {
      names.push_back(name);
    }
  }
  for (const std::string& name : names) {
    // The others come when somebody asks for them.
    if (table.shares[&owner].topics >= most_of(table, owner)) return;
    if (table.counted() >= limits_.topics) return;
    insert(table, name, pattern.delivery(), &owner, true);
  }
}

void TopicHub::restore(Topic& topic, Topic::State& state, const StoredTopic& stored) const {
  const bool goes_on = stored.delivery == Delivery::kAll;
  if (goes_on) state.seq = state.delivered_seq = stored.seq;
  for (const StoredMessage& kept : stored.messages) {
    const std::string payload = payload_of(kept.text, topic.head);
    if (payload.empty()) {
      spdlog::error("state: message {} of {} is malformed and is left out", kept.seq, topic.name);
      state.history.reset();  // what stands before it would not be whole
      continue;
    }
    // A restored last value is a snapshot in the new epoch: below its first number.
    state.last = Message::publication(topic.id, stored.delivery, goes_on ? kept.seq : 0, topic.head,
                                      payload);
    if (!goes_on) continue;
    if (!state.history) state.history = std::make_unique<History>();
    state.history->push(state.last, kept.published_ns, options_.history);
  }
}

void TopicHub::on_committed(std::span<const PendingMessage> messages) {
  ShardSet to_wake;
  for (const PendingMessage& pending : messages) {
    pending.topic->state.with_lock([&](Topic::State& state) {
      cancel(all_shards() & ~shards_of(state), pending.message->frame().size());
      deliver(state, pending.message, pending.published_ns, to_wake);
    });
  }
  wake(to_wake);
}

/// Their numbers were given to nobody: the next messages get them.
void TopicHub::on_lost(std::span<const PendingMessage> messages) {
  for (const PendingMessage& pending : messages) {
    pending.topic->state.with_lock([&](Topic::State& state) {
      cancel(all_shards(), pending.message->frame().size());
      state.seq = state.delivered_seq;
    });
  }
}

void TopicHub::recall(StoredTopic& stored) {
  TopicPtr topic;
  table_.with_lock([&](const Table& table) {
    const auto found = table.topics.find(stored.name);
    const bool is_it = found != table.topics.end() && found->second->delivery == stored.delivery;
    if (is_it) topic = found->second;
    const auto kept = table.restorable.find(stored.name);  // nobody has asked for it yet
    if (!is_it && kept != table.restorable.end() && kept->second.epoch == stored.epoch) {
      stored.messages = kept->second.messages;
    }
  });
  if (!topic) return;
  const auto add = [&](const MessagePtr& message, std::int64_t published_ns) {
    stored.messages.push_back({.seq = message->seq(),
                               .published_ns = published_ns,
                               .text = std::string(message->payload())});
  };
  topic->state.with_lock([&](const Topic::State& state) {
    if (stored.delivery == Delivery::kLatest) {
      if (state.last) add(state.last, wall_ns_.load(std::memory_order_relaxed));
    } else if (state.history && stored.epoch == topic->epoch()) {
      state.history->for_each(add);
    }
  });
}

void TopicHub::keep_last_values() {
  std::vector<PendingMessage> changed;
  const std::int64_t wall_ns = wall_ns_.load(std::memory_order_relaxed);
  for_each_topic(&Table::in_order, "", [&](const TopicPtr& topic) {
    if (topic->owner == nullptr || topic->delivery != Delivery::kLatest) return true;
    topic->state.with_lock([&](Topic::State& state) {
      if (std::exchange(state.kept_seq, state.delivered_seq) == state.delivered_seq) return;
      changed.push_back(
          {.topic = topic, .message = state.last, .published_ns = wall_ns, .position = {}});
    });
    return true;
  });
  if (!changed.empty()) store_->post_latest(std::move(changed));
}

}  // namespace broadcast
