#include "host/hub/fanout.hpp"

#include "host/base/assert.hpp"

namespace broadcast {

std::size_t Fanout::add_shard(Inbox& inbox) {
  BROADCAST_ASSERT(inboxes_.size() < kMaxShards, "more shards than the hub can address");
  inboxes_.push_back(&inbox);
  return inboxes_.size() - 1;
}

ShardSet Fanout::all() const {
  ShardSet shards;
  for (std::size_t shard = 0; shard < inboxes_.size(); ++shard) shards.set(shard);
  return shards;
}

ShardSet Fanout::subscribed(const Topic::State& state) {
  ShardSet shards;
  for (std::size_t shard = 0; shard < state.shards.size(); ++shard) {
    if (state.shards[shard].subscribers > 0) shards.set(shard);
  }
  return shards;
}

bool Fanout::try_reserve(const ShardSet& wanted, std::size_t bytes) {
  ShardSet reserved;
  for (std::size_t shard = 0; shard < inboxes_.size(); ++shard) {
    if (!wanted.test(shard)) continue;
    if (!inboxes_[shard]->try_reserve(bytes)) {
      cancel(reserved, bytes);
      return false;
    }
    reserved.set(shard);
  }
  return true;
}

void Fanout::cancel(const ShardSet& reserved, std::size_t bytes) {
  for (std::size_t shard = 0; shard < inboxes_.size(); ++shard) {
    if (reserved.test(shard)) inboxes_[shard]->cancel(bytes);
  }
}

void Fanout::push(Topic::State& state, const MessagePtr& message, ShardSet& to_wake) {
  const bool is_all = message->delivery() == Delivery::kAll;
  for (std::size_t shard = 0; shard < state.shards.size(); ++shard) {
    Topic::PerShard& there = state.shards[shard];
    if (there.subscribers == 0) continue;
    const Inbox::Push push = is_all ? inboxes_[shard]->push_reserved(message)
                                    : inboxes_[shard]->push_latest(message, there.place);
    if (push == Inbox::Push::kWake) to_wake.set(shard);
    if (push == Inbox::Push::kReplaced) counters_.add(Counter::kInboxConflated);
  }
}

void Fanout::push_always(const ShardSet& shards, const MessagePtr& message, Topic::State& state) {
  for (std::size_t shard = 0; shard < inboxes_.size(); ++shard) {
    if (!shards.test(shard)) continue;
    ++state.shards[shard].subscribers;
    ++state.subscribers;
    if (inboxes_[shard]->push_always(message) == Inbox::Push::kWake) inboxes_[shard]->wake();
  }
}

void Fanout::announce(const ShardSet& shards, const Topic& topic, Topic::State& state) {
  if (shards.none()) return;
  push_always(shards, Message::announcement(topic.id, state.delivered_seq, topic.name), state);
}

void Fanout::wake(const ShardSet& shards) const {
  for (std::size_t shard = 0; shards.any() && shard < inboxes_.size(); ++shard) {
    if (shards.test(shard)) inboxes_[shard]->wake();
  }
}

}  // namespace broadcast
