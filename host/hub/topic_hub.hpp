#pragma once
// The hub takes published messages from any thread and hands them to the shards that have
// subscribers. It is made of parts, and a caller takes the one that it needs: who owns topics
// (TopicTable), publishing (Publisher), numbering and keeping (Sequencer), who listens (Audience),
// and the broadcasters' condition (StatusBoard). TopicHub builds them, and does what concerns
// several of them. Owned by app/server; outlives shards, runners and admin.

#include <atomic>
#include <cstdint>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/base/limits.hpp"
#include "host/hub/audience.hpp"
#include "host/hub/fanout.hpp"
#include "host/hub/hub_options.hpp"
#include "host/hub/local_sequencer.hpp"
#include "host/hub/publisher.hpp"
#include "host/hub/status_board.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

class TopicHub {
 public:
  using Options = HubOptions;

  /// `counters` outlives the hub.
  TopicHub(const Options& options, Counters& counters);
  TopicHub(const TopicHub&) = delete;
  TopicHub& operator=(const TopicHub&) = delete;

  /// [any] The parts; they live as long as the hub.
  [[nodiscard]] TopicTable& topics() { return topics_; }
  [[nodiscard]] const TopicTable& topics() const { return topics_; }
  [[nodiscard]] Publisher& publisher() { return publisher_; }
  [[nodiscard]] Sequencer& sequencer() { return sequencer_; }
  [[nodiscard]] Audience& audience() { return audience_; }
  [[nodiscard]] const Audience& audience() const { return audience_; }
  [[nodiscard]] StatusBoard& statuses() { return statuses_; }
  [[nodiscard]] const StatusBoard& statuses() const { return statuses_; }

  /// [main] Adds a shard's inbox and returns the shard's number. REQUIRES: before the first claim,
  /// report, publish or join; `inbox` outlives the hub's use.
  std::size_t add_shard(Inbox& inbox) { return fanout_.add_shard(inbox); }

  /// [main] Takes in what `store` has kept, and from now on commits to it what is published on
  /// `all` topics before it is delivered. REQUIRES: after the last add_shard(), before the first
  /// claim. `store` outlives the hub.
  void open_store(StateStore& store);
  /// [main] Commits what waits; afterwards `all` topics are busy. False: it hangs, as
  /// StateStore::stop() has it, and nothing here may be destroyed. REQUIRES: open_store().
  bool close_store(MonoTime until = MonoTime::max()) { return sequencer_.close_store(until); }

  /// [main] From now on: limits, topics_of and accept_unknown. What is there stays.
  void set_limits(const Options& options);

  /// [main] About once a second: what the parts do at times. `wall_ns`, since 1970 UTC, is what
  /// messages are dated with until the next tick.
  void on_tick(MonoTime now, std::int64_t wall_ns);

 private:
  // In the order in which they need each other. Of the options, what set_limits() changes is read
  // from limits_ and topics_.
  const HubOptions options_;
  LiveLimits limits_;
  std::atomic<std::int64_t> wall_ns_{0};
  Fanout fanout_;
  TopicTable topics_;
  LocalSequencer sequencer_;
  Publisher publisher_;
  Audience audience_;
  StatusBoard statuses_;
};

}  // namespace broadcast
