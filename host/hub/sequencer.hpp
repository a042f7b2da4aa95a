#pragma once
// The seam to whoever numbers messages and keeps them: two messages on one topic must never get the
// same number, and what was acknowledged must not be lost. On one host that is LocalSequencer; with
// several hosts, the engine that they share. Called by Publisher, and by those that wait for a
// commit. All [any].

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "host/hub/state_store.hpp"
#include "host/hub/topic.hpp"
#include "host/hub/topic_owner.hpp"

namespace broadcast {

/// What is refused because of limits.publish.
inline constexpr Published kTooLargeToPublish{.status = PublishStatus::kInvalid,
                                              .problem = "it is larger than limits.publish",
                                              .is_too_large = true};

class Sequencer {
 public:
  virtual ~Sequencer() = default;

  /// Numbers `payload` as the next message on `topic`, keeps it, and hands it to the shards with
  /// subscribers: at once, or, if the result is `durable`, once it is committed. Never blocks. The
  /// text is copied. `position` is committed together with the message, if positions are kept.
  /// kOk; kBusy; or kInvalid, because it is too large with its envelope. REQUIRES: JsonChecker
  /// finds nothing wrong with `payload`.
  [[nodiscard]] virtual Published sequence(const TopicPtr& topic, std::string_view payload,
                                           StreamPosition position) = 0;
  /// Keeps a position alone, for an entry that caused no message, and returns the commit to ask
  /// when_committed() for; 0: it is not kept, because positions are not, or not now.
  virtual std::uint64_t keep_position(StreamPosition position) = 0;
  /// Calls `done` once the message or position that got `commit` is committed and delivered, or is
  /// not; at once if that is settled, or `commit` is 0.
  virtual void when_committed(std::uint64_t commit, std::function<void(CommitOutcome)> done) = 0;

  /// How many of these messages, in the order of their publication, are committed. REQUIRES:
  /// when_committed() has answered for the last of them.
  [[nodiscard]] std::size_t count_committed(std::span<const std::uint64_t> commits);
};

/// What a producer is told whose message was not committed; of those that it caused, `committed`
/// were.
[[nodiscard]] Verdict not_kept(CommitOutcome outcome, std::size_t committed);

}  // namespace broadcast
