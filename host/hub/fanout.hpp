#pragma once
// A message on a topic concerns only the shards that have subscribers of that topic. Fanout knows
// the inboxes of all shards, and hands a message over to those that it concerns. An `all` message
// needs a place in each of their inboxes before it gets its number, so that a full shard refuses
// it before anybody has seen it. Owned by TopicHub; all [any] unless a line says otherwise, and
// where a Topic::State is asked for, under that topic's lock (order topic -> inbox).

#include <bitset>
#include <cstddef>
#include <vector>

#include "host/base/counters.hpp"
#include "host/hub/inbox.hpp"
#include "host/hub/message.hpp"
#include "host/hub/topic.hpp"

namespace broadcast {

inline constexpr std::size_t kMaxShards = 256;
using ShardSet = std::bitset<kMaxShards>;

class Fanout {
 public:
  explicit Fanout(Counters& counters) : counters_(counters) {}

  /// [main] Adds a shard's inbox and returns the shard's number. REQUIRES: before all else, and
  /// fewer than kMaxShards; `inbox` outlives the fanout's use.
  std::size_t add_shard(Inbox& inbox);
  [[nodiscard]] std::size_t shards() const { return inboxes_.size(); }
  [[nodiscard]] ShardSet all() const;
  /// The shards with subscribers of the topic.
  [[nodiscard]] static ShardSet subscribed(const Topic::State& state);

  /// A place for a message of `bytes` on each shard in `wanted`. False: one is full, and there is a
  /// place on none.
  [[nodiscard]] bool try_reserve(const ShardSet& wanted, std::size_t bytes);
  /// Gives places back.
  void cancel(const ShardSet& reserved, std::size_t bytes);
  /// Hands `message` to the shards with subscribers. Those to be given to wake() are added to
  /// `to_wake`. REQUIRES: an `all` message has its places.
  void push(Topic::State& state, const MessagePtr& message, ShardSet& to_wake);
  /// Hands a Message::announcement() or Message::hand_over() to `shards`, beyond all bounds, and
  /// wakes them. It counts as a subscriber on each of them until the shard calls Audience::leave().
  void push_always(const ShardSet& shards, const MessagePtr& message, Topic::State& state);
  /// Announces the topic to `shards`, as push_always() does.
  void announce(const ShardSet& shards, const Topic& topic, Topic::State& state);
  /// Makes shards drain their inboxes. REQUIRES: no lock is held.
  void wake(const ShardSet& shards) const;

 private:
  Counters& counters_;
  std::vector<Inbox*> inboxes_;
};

}  // namespace broadcast
