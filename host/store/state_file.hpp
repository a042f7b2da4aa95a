#pragma once
// The file behind the store: read whole at start, then one transaction after the other, each with
// everything that has gathered. In memory it keeps what pruning needs: number, time and size of the
// messages in the file. Owned by SqliteStore; [main] until the store's thread has started, [store]
// then.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/hub/state_store.hpp"
#include "host/seams/plugin_state_store.hpp"
#include "host/store/commit_counter.hpp"
#include "host/store/file_lock.hpp"
#include "host/store/sqlite.hpp"
#include "host/store/synchronous.hpp"

namespace broadcast {

/// What is kept of an `all` topic. What grows older than `age` goes with the topic's next message,
/// or at the next start.
struct HistoryBounds {
  std::size_t messages = 256;
  std::chrono::nanoseconds age = std::chrono::hours(24);
  std::size_t bytes = 8 * 1024 * 1024;
};

/// What one transaction writes.
struct StateBatch {
  std::vector<PendingMessage> messages;            ///< of `all` topics, in order
  std::map<std::uint64_t, PendingMessage> latest;  ///< by topic id
  std::map<std::string, std::string> positions;    ///< stream -> id
  PluginStateMap plugin_states;                    ///< the newest; null: forgotten
  std::set<std::string> forgotten;                 ///< topics that have no messages before these

  /// Something that clients' numbers, or streams' positions, go on from.
  [[nodiscard]] bool has_numbers() const {
    return !messages.empty() || !latest.empty() || !positions.empty();
  }
  [[nodiscard]] bool is_empty() const {
    return !has_numbers() && plugin_states.empty() && forgotten.empty();
  }
};

struct StateStatements;

class StateFile {
 public:
  /// Throws std::runtime_error that says why the host cannot start with this file. One that cannot
  /// be read is moved aside.
  StateFile(std::string path, Synchronous synchronous, const HistoryBounds& history);
  ~StateFile();
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  /// What was there at the start; once.
  [[nodiscard]] std::vector<StoredTopic> take_topics() { return std::move(topics_); }
  [[nodiscard]] std::optional<std::string> position_of(std::string_view stream) const;
  [[nodiscard]] const PluginStateMap& plugin_states() const { return plugin_states_; }
  /// Random; another one in every file.
  [[nodiscard]] SipKey epoch_key() const { return epoch_key_; }

  /// All of it or, with a SqliteError, nothing: recover() must then succeed before the next.
  void commit(const StateBatch& batch);
  /// Ends what a failed commit left behind, and reads anew what the file holds.
  void recover();
  /// What was done to the file from outside; empty: nothing. Asks the file system, not the file.
  [[nodiscard]] std::string problem();
  /// For a file that can no longer be trusted: leaves it as it is, writes all that was committed to
  /// another one, from memory, and goes on with that. Returns the name that the old one has now.
  /// Throws std::runtime_error: from then on nothing else may be called.
  std::string rewrite(CommitListener& memory);
  /// Moves the WAL into the file if it has grown; apart from commit(), so that nobody waits for it.
  void checkpoint_if_due();

 private:
  struct Mark {
    std::uint64_t seq;
    std::int64_t published_ns;
    std::size_t bytes;
  };
  struct Committed {
    std::string epoch;
    Delivery delivery;
    std::uint64_t seq;
  };
  struct Kept {
    std::int64_t row = 0;
    std::string epoch;
    Delivery delivery = Delivery::kAll;
    std::uint64_t seq = 0;
    std::deque<Mark> marks;  // of the messages in the file, numbered without a gap
    std::size_t bytes = 0;   // of all marks
    bool is_touched = false;
    std::optional<Committed> committed;  // as the last transaction left it; nothing: none had it

    std::uint64_t pop();
  };
  using Topics = std::unordered_map<std::string, Kept>;

  void open();
  void check_age();
  void count_commit();
  void read_marks();
  void read_topics();
  void read_plugin_states();
  void prune_all();
  void checkpoint();

  Kept& kept_of(const Topic& topic);
  void put(const PendingMessage& message);
  void forget(Kept& kept);
  [[nodiscard]] bool try_forget(const std::string& topic);
  [[nodiscard]] bool is_over(const Kept& kept, std::int64_t now_ns) const;
  void prune(Kept& kept, std::int64_t now_ns);
  void drop_up_to(Kept& kept, std::uint64_t seq);
  void write_touched();
  void write(const PluginStateMap& states);

  const std::string path_;
  const Synchronous synchronous_;
  const HistoryBounds history_;
  const FileLock lock_;
  std::optional<SqliteDatabase> database_;
  std::unique_ptr<StateStatements> statements_;  // of the database: ends before it
  Topics kept_;                                  // by name
  std::vector<Topics::value_type*> touched_;     // by the transaction
  std::int64_t next_row_ = 1;
  int wal_pages_ = 0;
  std::uintmax_t file_bytes_ = 0;  // it never shrinks
  FileIdentity identity_;
  std::int64_t commits_ = 0;  // that the file has seen
  bool is_count_failing_ = false;
  std::vector<StoredTopic> topics_;                            // as read at the start
  SipKey epoch_key_{};                                         // as read at the start
  std::map<std::string, std::string, std::less<>> positions_;  // as committed
  PluginStateMap plugin_states_;                               // as committed
};

}  // namespace broadcast
