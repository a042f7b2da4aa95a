#pragma once
// StateStore in one SQLite file. A thread of its own commits whatever has gathered while the last
// commit went to the disk, so that a thousand waiting messages cost one wait. Owned by app/server;
// outlives the hub's use of it.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <broadcast/backoff.hpp>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/wake.hpp"
#include "host/hub/state_store.hpp"
#include "host/seams/plugin_state_store.hpp"
#include "host/store/state_file.hpp"
#include "host/store/synchronous.hpp"

namespace broadcast {

class SqliteStore final : public StateStore, public PluginStateStore {
 public:
  struct Options {
    std::string path;
    Synchronous synchronous = Synchronous::kFull;
    /// Last values, positions without a message, and what broadcasters keep wait for a commit so
    /// long, then cause one.
    std::chrono::nanoseconds latest_every = std::chrono::seconds(1);
    HistoryBounds history{};
    /// What may wait for a commit, in messages and in bytes of their texts; a commit under way has
    /// at most as much again.
    std::size_t queue_messages = 16 * 1024;
    std::size_t queue_bytes = 64 * 1024 * 1024;
  };

  /// Opens the file, or throws std::runtime_error: "state.path: /x/state.db: in use by another
  /// host; ...". `counters` outlives the store.
  SqliteStore(const Options& options, Counters& counters);
  /// Stops, if that was not done.
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  [[nodiscard]] std::vector<StoredTopic> load() override { return file_.take_topics(); }
  [[nodiscard]] SipKey epoch_key() override { return file_.epoch_key(); }
  void start(CommitListener& listener) override;
  bool stop(MonoTime until = MonoTime::max()) override;
  [[nodiscard]] std::uint64_t try_append(PendingMessage message) override;
  void when_committed(std::uint64_t ticket, std::function<void(CommitOutcome)> done) override;
  void post_latest(std::vector<PendingMessage> messages) override;
  void post_forgotten(std::string_view topic) override;
  [[nodiscard]] std::uint64_t try_keep_position(StreamPosition position) override;
  [[nodiscard]] std::optional<std::string> position_of(std::string_view stream) override {
    return file_.position_of(stream);
  }
  [[nodiscard]] PluginStateMap plugin_states() override { return file_.plugin_states(); }
  void post_plugin_state(const std::string& broadcaster, PluginState state) override;

 private:
  struct Waiter {
    std::uint64_t ticket;
    std::function<void(CommitOutcome)> done;
  };
  /// Tickets whose messages were not committed, both ends included.
  struct Lost {
    std::uint64_t first;
    std::uint64_t last;
    CommitOutcome outcome;
  };
  struct Shared {
    StateBatch gathered;
    std::size_t bytes = 0;               // of gathered.messages
    std::uint64_t issued = 0;            // the newest ticket
    std::uint64_t settled = 0;           // up to here the listener was told
    std::deque<Lost> lost;               // of the settled ones
    std::vector<Waiter> waiters;         // for those that are not settled
    std::optional<MonoTime> lazy_since;  // since when something waits that can
    bool is_open = false;                // between start() and stop()
    bool is_failing = false;
  };
  /// What the thread does next: commit, wait until a time or for ever, or end.
  struct Turn {
    std::optional<StateBatch> batch;
    std::uint64_t last_ticket = 0;
    std::optional<MonoTime> until;
    bool is_last = false;
  };

  [[nodiscard]] static bool begins_to_wait(Shared& shared);
  void run();
  void work();
  [[nodiscard]] bool is_open();
  [[nodiscard]] Turn next_turn(MonoTime now);
  bool commit(Turn& turn);
  void on_failed(Turn& turn, const std::string& why, CommitOutcome outcome);
  std::size_t lose(Turn& turn, CommitOutcome outcome);
  void settle(std::uint64_t last_ticket, CommitOutcome outcome);
  void back_off();
  bool recover();
  bool rewrite();
  void checkpoint();

  const Options options_;
  Counters& counters_;
  Wake wake_;
  Wake ended_;
  std::atomic<bool> has_ended_ = false;
  Guarded<Shared> shared_;

  // [main]
  std::thread thread_;

  // [store]
  StateFile file_;
  CommitListener* listener_ = nullptr;
  MonoTime retry_at_{};
  Backoff backoff_{{.first = std::chrono::milliseconds(100), .longest = std::chrono::seconds(10)}};
  std::uint64_t failures_ = 0;  // since it was last well
  bool is_failing_ = false;     // as in Shared
  std::string broken_;          // why the file has to be written anew; empty: it need not
  bool is_checkpoint_failing_ = false;
};

}  // namespace broadcast
