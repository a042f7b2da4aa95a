#pragma once
// The Sequencer of a host that stands alone: under the topic's lock it gives the number, builds ONE
// Message, keeps it as last value and in the history, and hands it over. With a store, a message on
// an `all` topic is committed, then delivered, then acknowledged. Owned by TopicHub; [any] unless a
// line says otherwise.

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "host/base/limits.hpp"
#include "host/hub/fanout.hpp"
#include "host/hub/hub_options.hpp"
#include "host/hub/sequencer.hpp"
#include "host/hub/state_store.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

class LocalSequencer final : public Sequencer, private CommitListener {
 public:
  /// `wall_ns`: what messages are dated with, since 1970 UTC. All of them outlive the sequencer.
  LocalSequencer(const HubOptions& options, const LiveLimits& limits,
                 const std::atomic<std::int64_t>& wall_ns, TopicTable& topics, Fanout& fanout);
  ~LocalSequencer() override;
  LocalSequencer(const LocalSequencer&) = delete;
  LocalSequencer& operator=(const LocalSequencer&) = delete;

  /// [main] From now on commits to `store` what is published on `all` topics before it is
  /// delivered. REQUIRES: after the last Fanout::add_shard(), before the first claim. `store`
  /// outlives the sequencer.
  void open_store(StateStore& store);
  /// [main] Commits what waits; afterwards `all` topics are busy. False: it hangs, as
  /// StateStore::stop() has it, and nothing here may be destroyed. REQUIRES: open_store().
  [[nodiscard]] bool close_store(MonoTime until);
  /// [main] About once a second: gives the store the last values that have changed.
  void on_tick();

  [[nodiscard]] Published sequence(const TopicPtr& topic, std::string_view payload,
                                   StreamPosition position) override;
  std::uint64_t keep_position(StreamPosition position) override;
  void when_committed(std::uint64_t commit, std::function<void(CommitOutcome)> done) override;

 private:
  [[nodiscard]] Published sequence_locked(const TopicPtr& topic, Topic::State& state,
                                          std::string_view payload, StreamPosition& position,
                                          ShardSet& to_wake);
  void deliver(Topic::State& state, MessagePtr message, std::int64_t published_ns,
               ShardSet& to_wake);
  [[nodiscard]] bool is_durable(const Topic& topic) const;
  void keep_last_values();
  void on_committed(std::span<const PendingMessage> messages) override;
  void on_lost(std::span<const PendingMessage> messages) override;
  void recall(StoredTopic& stored) override;

  const HubOptions& options_;
  const LiveLimits& limits_;
  const std::atomic<std::int64_t>& wall_ns_;
  TopicTable& topics_;
  Fanout& fanout_;
  StateStore* store_ = nullptr;
};

}  // namespace broadcast
