#pragma once
// The bounded queue between publishers (any thread) and one shard. `all` messages reserve a place
// first, so that a full shard refuses before anything is numbered; `latest` messages always fit,
// because a waiting older one of the same topic is replaced in place when the queue is full. Owned
// by the shard; filled by Fanout under the topic's lock (order topic -> inbox), drained on the
// shard.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "host/base/guarded.hpp"
#include "host/hub/message.hpp"

namespace broadcast {

class Inbox {
 public:
  struct Bounds {
    std::size_t messages = 8192;
    std::size_t bytes = 64 * 1024 * 1024;
  };
  /// Where a topic's newest message waits; one per (topic, inbox), kept by the topic.
  struct Place {
    std::uint64_t round = 0;
    std::size_t index = 0;
  };
  enum class Push : std::uint8_t {
    kQueued,
    kWake,      ///< queued, and the caller must call wake() once it holds no lock
    kReplaced,  ///< an older message of the topic gave way
  };

  /// `wake` schedules a drain on the shard; called from any thread, also under the topics' table's
  /// lock, never under an inbox's: it locks nothing that is held longer than a queue.
  explicit Inbox(std::function<void()> wake);
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  /// Bounds other than the default ones. REQUIRES: before the first push.
  void set_bounds(const Bounds& bounds) { bounds_ = bounds; }

  /// [any] A place for a message of `bytes`; false: full. Give it back with push_reserved() or
  /// cancel().
  [[nodiscard]] bool try_reserve(std::size_t bytes);
  /// [any]
  void cancel(std::size_t bytes);
  /// [any] Appends into a reserved place. REQUIRES: try_reserve(message's frame size) was true.
  [[nodiscard]] Push push_reserved(MessagePtr message);
  /// [any] Appends, or replaces the topic's waiting message when full. `place` belongs to the
  /// topic.
  [[nodiscard]] Push push_latest(MessagePtr message, Place& place);
  /// [any] Appends beyond the bounds: announcements, of which there are as many as topics.
  [[nodiscard]] Push push_always(MessagePtr message);
  /// [any]
  void wake() { wake_(); }

  /// [shard] Everything that waits, oldest first; `messages` must be empty and lends its capacity.
  void take(std::vector<MessagePtr>& messages);

 private:
  struct State {
    std::vector<MessagePtr> waiting;
    std::size_t bytes = 0;
    std::size_t reserved = 0;
    std::uint64_t round = 1;  // moves on with every take(), which makes all places stale
    bool woken = false;
  };
  [[nodiscard]] static Push append(State& state, MessagePtr message);

  const std::function<void()> wake_;
  Bounds bounds_;
  Guarded<State> state_;
};

}  // namespace broadcast
