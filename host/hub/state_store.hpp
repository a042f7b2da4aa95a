#pragma once
// The seam to what survives a restart: committed messages, numbers and epochs of `all` topics, last
// values of `latest` ones, and how far producers' streams were handled. Implemented by host/store;
// used by LocalSequencer and TopicTable. Committed, then delivered, then acknowledged.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/clock.hpp"
#include "host/base/siphash.hpp"
#include "host/hub/message.hpp"
#include "host/hub/topic.hpp"

namespace broadcast {

struct StoredMessage {
  std::uint64_t seq = 0;
  std::int64_t published_ns = 0;  ///< since 1970 UTC
  std::string text;               ///< as it was sent, envelope included
};

struct StoredTopic {
  std::string name;
  std::string epoch;
  Delivery delivery = Delivery::kAll;
  std::uint64_t seq = 0;                ///< of the newest message
  std::vector<StoredMessage> messages;  ///< oldest first; of a `latest` topic the last one
};

/// One numbered message on its way into the store.
struct PendingMessage {
  TopicPtr topic;
  MessagePtr message;
  std::int64_t published_ns = 0;
  StreamPosition position;  ///< kept in the same transaction
};

/// What became of a message that was appended.
enum class CommitOutcome : std::uint8_t {
  kCommitted,
  kLost,     ///< nothing of it is kept
  kInDoubt,  ///< the disk failed when it should have kept it: not published, but a crash right now
             ///< may bring it back
};

/// What becomes of appended messages. [store], each message once, in the order of try_append().
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void on_committed(std::span<const PendingMessage> messages) = 0;
  /// The commit failed, and with it everything that was appended since; try_append() refuses until
  /// this has returned.
  virtual void on_lost(std::span<const PendingMessage> messages) = 0;
  /// Adds to `topic` the messages of its epoch that were committed, as far as they are in memory:
  /// for a file that is written anew.
  virtual void recall(StoredTopic& topic) = 0;
};

class StateStore {
 public:
  virtual ~StateStore() = default;

  /// [main] before start(): what was kept, and no more than the history that is asked for.
  [[nodiscard]] virtual std::vector<StoredTopic> load() = 0;
  /// [main] before start(): a random value that lives as long as what is kept. The epochs of topics
  /// that have no message yet are derived from it, so that none has to be written.
  [[nodiscard]] virtual SipKey epoch_key() = 0;
  /// [main] `listener` outlives stop().
  virtual void start(CommitListener& listener) = 0;
  /// [main] Commits what waits, tells the listener, and ends the thread. False: that had not come
  /// to an end by `until`, because a disk hangs; the listener may still be told. May be called
  /// again.
  virtual bool stop(MonoTime until = MonoTime::max()) = 0;

  /// [any] Queues a message of an `all` topic for the next commit and returns its ticket; 0: full,
  /// failing or stopped. Called under the topic's lock: locks nothing but the queue.
  [[nodiscard]] virtual std::uint64_t try_append(PendingMessage message) = 0;
  /// [any] Calls `done` once, after the listener was told, with what became of `ticket`; committed
  /// is everything up to it. On [store], or at once if that is past.
  virtual void when_committed(std::uint64_t ticket, std::function<void(CommitOutcome)> done) = 0;

  /// [any] Last values of `latest` topics, to be written with a later commit; of one topic only the
  /// newest is kept.
  virtual void post_latest(std::vector<PendingMessage> messages) = 0;

  /// [any] Of an `all` topic, that nobody has: its messages, with a later commit; its epoch and
  /// number stay. Called under the table's lock: locks nothing but the queue.
  virtual void post_forgotten(std::string_view topic) = 0;

  /// [any] Queues a position alone, for an entry that caused no message, and returns its ticket; 0:
  /// as try_append().
  [[nodiscard]] virtual std::uint64_t try_keep_position(StreamPosition position) = 0;
  /// [main] before start().
  [[nodiscard]] virtual std::optional<std::string> position_of(std::string_view stream) = 0;
};

}  // namespace broadcast
