#pragma once
// The seam between whoever brings a message in (HTTP, Redis), the hub, and whoever owns its topic
// (a broadcaster's runner). Interfaces and plain data only; all [any] unless a line says otherwise.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "host/base/counters.hpp"

namespace broadcast {

enum class Delivery : std::uint8_t {
  kLatest,  ///< a reader that falls behind loses superseded values, never the newest
  kAll,     ///< nothing is skipped; a reader that cannot keep up is closed
};
[[nodiscard]] constexpr std::string_view to_string(Delivery delivery) {
  return delivery == Delivery::kLatest ? "latest" : "all";
}

enum class PublishStatus : std::uint8_t {
  kOk,
  kInvalid,  ///< nothing that clients may get, or larger than limits.publish; `problem` says what
  kBusy,     ///< a shard's inbox or the store is full (`all` topics only): nothing was numbered,
             ///< nothing delivered
  kFull,     ///< a topic more than limits.topics, or than its owner may have; nothing was numbered,
             ///< and `problem` names the limit
  kDenied,   ///< the publisher does not own the topic
};

/// What publishing one message came to.
struct Published {
  PublishStatus status = PublishStatus::kInvalid;
  std::uint64_t seq = 0;        ///< 0 unless kOk
  std::size_t subscribers = 0;  ///< on all shards, at the moment of numbering
  bool durable = false;         ///< committed to a store before it is delivered
  std::uint64_t commit = 0;     ///< for Sequencer::when_committed(); 0: nothing to wait for
  std::string_view problem;     ///< with kInvalid and kFull: "it is not JSON", for ever
  bool is_too_large = false;    ///< that is the problem: the text itself was not looked at
};

/// How far a producer's stream was handled.
struct StreamPosition {
  std::string stream;  ///< empty: the message came from no stream
  std::string id;
};
/// The position that is kept together with the `count`th message that an entry caused. So a crash
/// between two of them is no doubt: when the entry comes again, its first `count` are left out.
[[nodiscard]] inline StreamPosition position_after(const StreamPosition& entry, std::size_t count) {
  if (entry.stream.empty()) return {};
  return {entry.stream, entry.id + '#' + std::to_string(count)};
}

/// One message on its way to a topic's owner.
struct ProducerMessage {
  std::string topic;
  std::string source;                ///< "http", "redis", "stream"
  std::string payload;               ///< JSON text, already known to parse
  StreamPosition position{};         ///< of the entry that it is, if it came from a stream
  std::size_t published_before = 0;  ///< how many messages it caused when it came before: left out
};

/// The owner's answer to one ProducerMessage.
struct Verdict {
  enum class Outcome : std::uint8_t {
    kAccepted,     ///< handled; `published` says what came of it
    kRefused,      ///< the owner found the message wrong; `text` says what
    kUnavailable,  ///< busy, stopped, restarting: worth another try; `text` says why
  };
  Outcome outcome = Outcome::kUnavailable;
  std::string text;
  /// How many messages the owner published while handling it, whatever the outcome; of those that
  /// are kept in a store, the ones that were committed.
  std::size_t published = 0;
  std::string topic;                         ///< of the last of them
  Published last;                            ///< what that came to
  std::chrono::milliseconds retry_after{0};  ///< with kUnavailable, if known
  bool has_failed_on_it = false;  ///< with kUnavailable: this very message made the owner fail
  bool is_in_doubt = false;       ///< with kUnavailable: it may be published after a crash
  bool has_given_up = false;      ///< with kUnavailable: the owner takes none until a restart
};
[[nodiscard]] constexpr Counter counter_of(Verdict::Outcome outcome) {
  switch (outcome) {
    case Verdict::Outcome::kAccepted:
      return Counter::kProducerAccepted;
    case Verdict::Outcome::kRefused:
      return Counter::kProducerRefused;
    case Verdict::Outcome::kUnavailable:
      break;
  }
  return Counter::kProducerUnavailable;
}

/// Who a topic belongs to. Outlives the hub's use of it.
class TopicOwner {
 public:
  virtual ~TopicOwner() = default;

  /// The broadcaster's name in YAML.
  [[nodiscard]] virtual std::string_view owner_name() const = 0;

  /// Returns at once. `done` is called exactly once, on any thread, maybe before this returns;
  /// a full queue is a verdict of kUnavailable.
  virtual void post_message(ProducerMessage message, std::function<void(Verdict)> done) = 0;

  /// Tells how many subscribers a topic has now. Only the newest count per topic is kept.
  virtual void post_demand(std::string_view topic, std::int64_t subscribers) = 0;
};

}  // namespace broadcast
