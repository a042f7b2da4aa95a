#include "host/hub/local_sequencer.hpp"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "host/base/assert.hpp"

namespace broadcast {

LocalSequencer::LocalSequencer(const HubOptions& options, const LiveLimits& limits,
                               const std::atomic<std::int64_t>& wall_ns, TopicTable& topics,
                               Fanout& fanout)
    : options_(options), limits_(limits), wall_ns_(wall_ns), topics_(topics), fanout_(fanout) {}

LocalSequencer::~LocalSequencer() {
  if (store_ != nullptr) store_->stop();  // its thread must not call what is gone
}

void LocalSequencer::open_store(StateStore& store) {
  BROADCAST_ASSERT(store_ == nullptr, "a sequencer was given a second store");
  store_ = &store;
  store.start(*this);
}

bool LocalSequencer::close_store(MonoTime until) {
  BROADCAST_ASSERT(store_ != nullptr, "a store was closed that was never opened");
  keep_last_values();
  return store_->stop(until);
}

void LocalSequencer::on_tick() {
  if (store_ != nullptr) keep_last_values();  // the store has those topics for a while
}

Published LocalSequencer::sequence(const TopicPtr& topic, std::string_view payload,
                                   StreamPosition position) {
  ShardSet to_wake;
  std::optional<Published> published;
  while (!published) {
    if (!topic->begun) topics_.begin(topic);
    topic->state.with_lock([&](Topic::State& state) {
      if (!topic->begun) return;  // it was given up meanwhile
      published = sequence_locked(topic, state, payload, position, to_wake);
    });
  }
  fanout_.wake(to_wake);
  return *published;
}

/// Under the topic's lock: numbering and hand-over are one step.
Published LocalSequencer::sequence_locked(const TopicPtr& topic, Topic::State& state,
                                          std::string_view payload, StreamPosition& position,
                                          ShardSet& to_wake) {
  const std::uint64_t seq = state.seq + 1;
  const Delivery delivery = topic->delivery;
  const std::size_t text_bytes = Message::publication_bytes(seq, topic->head, payload);
  if (text_bytes > limits_->publish_bytes) return kTooLargeToPublish;
  const bool durable = is_durable(*topic);
  // A shard that joins before the commit must find a place as well.
  const ShardSet wanted = durable ? fanout_.all() : Fanout::subscribed(state);
  const std::size_t frame_bytes = Message::frame_bytes(text_bytes);
  if (delivery == Delivery::kAll && !fanout_.try_reserve(wanted, frame_bytes)) {
    return {.status = PublishStatus::kBusy};
  }
  MessagePtr message =
      Message::publication(topic->id, delivery, seq, topic->head, payload,
                           state.deflating > 0 ? options_.compressor : Compressor());
  const std::int64_t wall_ns = wall_ns_.load(std::memory_order_relaxed);
  Published published{.status = PublishStatus::kOk, .seq = seq, .durable = durable};
  if (durable) {
    published.commit = store_->try_append({.topic = topic,
                                           .message = std::move(message),
                                           .published_ns = wall_ns,
                                           .position = std::move(position)});
    if (published.commit == 0) {
      fanout_.cancel(wanted, frame_bytes);
      return {.status = PublishStatus::kBusy};
    }
  } else {
    deliver(state, std::move(message), wall_ns, to_wake);
    if (store_ != nullptr && topic->owner != nullptr && !position.stream.empty()) {
      // With its value, which it must not overtake.
      store_->post_latest({{.topic = topic,
                            .message = state.last,
                            .published_ns = wall_ns,
                            .position = std::move(position)}});
      state.kept_seq = seq;
    }
  }
  if (delivery == Delivery::kAll) topic->evictable = false;  // its numbers must go on
  state.seq = seq;
  published.subscribers = state.subscribers;
  return published;
}

/// Under the topic's lock. An `all` message has its places.
void LocalSequencer::deliver(Topic::State& state, MessagePtr message, std::int64_t published_ns,
                             ShardSet& to_wake) {
  fanout_.push(state, message, to_wake);
  if (message->delivery() == Delivery::kAll) {
    if (!state.history) state.history = std::make_unique<History>();
    state.history->push(message, published_ns, options_.history);
  }
  state.delivered_seq = message->seq();
  state.last = std::move(message);
}

bool LocalSequencer::is_durable(const Topic& topic) const {
  return store_ != nullptr && topic.delivery == Delivery::kAll && topic.owner != nullptr;
}

std::uint64_t LocalSequencer::keep_position(StreamPosition position) {
  // One that is not kept comes again with the next entry; after a crash its entry is handled again.
  return store_ != nullptr ? store_->try_keep_position(std::move(position)) : 0;
}

void LocalSequencer::when_committed(std::uint64_t commit, std::function<void(CommitOutcome)> done) {
  if (commit == 0) return done(CommitOutcome::kCommitted);
  store_->when_committed(commit, std::move(done));
}

void LocalSequencer::on_committed(std::span<const PendingMessage> messages) {
  ShardSet to_wake;
  for (const PendingMessage& pending : messages) {
    pending.topic->state.with_lock([&](Topic::State& state) {
      fanout_.cancel(fanout_.all() & ~Fanout::subscribed(state), pending.message->frame().size());
      deliver(state, pending.message, pending.published_ns, to_wake);
    });
  }
  fanout_.wake(to_wake);
}

/// Their numbers were given to nobody: the next messages get them.
void LocalSequencer::on_lost(std::span<const PendingMessage> messages) {
  for (const PendingMessage& pending : messages) {
    pending.topic->state.with_lock([&](Topic::State& state) {
      fanout_.cancel(fanout_.all(), pending.message->frame().size());
      state.seq = state.delivered_seq;
    });
  }
}

void LocalSequencer::recall(StoredTopic& stored) {
  const TopicPtr topic = topics_.recall(stored);
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

void LocalSequencer::keep_last_values() {
  std::vector<PendingMessage> changed;
  const std::int64_t wall_ns = wall_ns_.load(std::memory_order_relaxed);
  topics_.for_each("", [&](const TopicPtr& topic) {
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
