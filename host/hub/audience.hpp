#pragma once
// Who listens: how many subscribers each topic has on each shard, what a new one is given, and when
// the topic's owner is told that somebody wants it (demand). Demand ends a while after the last
// subscriber has left, so that one who comes right back costs the owner nothing. Owned by TopicHub.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/log_throttle.hpp"
#include "host/hub/account.hpp"
#include "host/hub/fanout.hpp"
#include "host/hub/history.hpp"
#include "host/hub/hub_options.hpp"
#include "host/hub/message.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

/// Whoever leaves a topic, and how it was joined.
struct Leaver {
  FrameForm form = FrameForm::kPlain;
  bool by_name = true;               ///< not by a pattern
  const Account* account = nullptr;  ///< as in Asker, by now
};

/// What a subscriber joins a topic with: everything up to `seq` is in `last` or `missed`, or gone;
/// everything after comes through the shard's inbox.
struct Joined {
  TopicPtr topic;
  std::string_view epoch;  ///< the topic's own
  Delivery delivery = Delivery::kLatest;
  std::uint64_t seq = 0;
  MessagePtr last;         ///< null while nothing was published
  bool recovered = false;  ///< `missed` is everything since then; nothing else is to be sent
  std::vector<MessagePtr> missed;
};

class Audience {
 public:
  /// `wall_ns`: as LocalSequencer has it. All of them outlive the audience.
  Audience(const HubOptions& options, const std::atomic<std::int64_t>& wall_ns, Counters& counters,
           TopicTable& topics, Fanout& fanout);
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;

  struct JoinResult {
    std::optional<Joined> joined;
    SubscribeError error = SubscribeError::kUnknownTopic;  ///< meaningful only without `joined`
  };
  /// [shard] One more subscriber on `shard`, by the topic's name, who takes frames in `form`.
  /// `Joined` holds the number and the last value of that very moment, or what was missed after
  /// `since`. Whoever makes a topic be in demand is charged for it until that is over; refused when
  /// that is too many.
  [[nodiscard]] JoinResult join(std::string_view topic, std::size_t shard,
                                FrameForm form = FrameForm::kPlain, const Since* since = nullptr,
                                const Asker& asker = {});
  /// [shard] The same by a pattern that the topic is under, which is demand only for a topic whose
  /// owner publishes on it unasked.
  [[nodiscard]] Joined join_under(const TopicPtr& topic, std::size_t shard, FrameForm form,
                                  const Since* since);
  /// [shard] One subscriber less on `shard`. Where others still ask for the topic by its name, and
  /// the leaver answered for it, their shards get a Message::hand_over(): answer_for() is to
  /// follow.
  void leave(const TopicPtr& topic, std::size_t shard, MonoTime now, const Leaver& leaver = {});
  /// [shard] A subscriber by a pattern asks by name from now on; nothing: it does. `account` as in
  /// Asker.
  [[nodiscard]] std::optional<SubscribeError> try_name(const TopicPtr& topic,
                                                       std::shared_ptr<Account>& account);
  /// [shard] And no more: the pattern remains.
  void unname(const TopicPtr& topic, const Account* account, MonoTime now);
  /// [shard] Charges `account`, of somebody who asks for the topic by its name, if nobody answers
  /// for it.
  void answer_for(const TopicPtr& topic, std::shared_ptr<Account>& account);

  /// [shard] What a pattern stands for.
  struct Branch {
    std::vector<TopicPtr> topics;  ///< by name; none if they are too many
    std::size_t looked_at = 0;     ///< topics, also of those that are too many
    std::size_t names_bytes = 0;   ///< what an answer needs for their names, at the most
    bool is_too_large = false;
  };
  /// [shard] The listed topics under `prefix` if their names take no more than `most_bytes` of an
  /// answer; looks at no more than that. Those listed after a TopicTable::try_watch() are here,
  /// announced, or both.
  [[nodiscard]] Branch topics_under(std::string_view prefix, std::size_t most_bytes) const;
  /// [shard] The topic that `announcement` is about; null: it was forgotten meanwhile.
  [[nodiscard]] TopicPtr announced(const Message& announcement) const;

  /// [shard] Number and last value of a topic that somebody on this shard is subscribed to already.
  [[nodiscard]] static Joined peek(const TopicPtr& topic);
  /// [shard] The same for one who has been given an `all` topic up to `seq`: nothing above that
  /// number, because it is on its way.
  [[nodiscard]] Joined peek(const TopicPtr& topic, std::uint64_t seq, const Since* since) const;

  /// [any] Subscribers of `topic` on all shards now; 0 if there is no such topic.
  [[nodiscard]] std::int64_t subscribers(std::string_view topic) const;
  /// [any] The topics that `owner` was told to serve, with their subscribers (1 while one lingers):
  /// what a restarted broadcaster is told.
  [[nodiscard]] std::vector<std::pair<std::string, std::int64_t>> demand_of(
      const TopicOwner& owner) const;

  /// [main] About once a second: tells owners about topics whose last subscriber left longer than
  /// `demand_linger` ago.
  void on_tick(MonoTime now);

 private:
  /// Its last subscriber has left.
  struct Lingering {
    TopicPtr topic;
    MonoTime until;  // if nobody comes back
  };

  [[nodiscard]] Joined add_subscriber(const TopicPtr& topic, Topic::State& state, std::size_t shard,
                                      FrameForm form, const Since* since, bool& is_ahead) const;
  [[nodiscard]] static std::optional<SubscribeError> try_want(Topic::State& state,
                                                              std::shared_ptr<Account>* account);
  void forget_name(const Topic& topic, Topic::State& state, const Account* account);
  [[nodiscard]] static bool begins_to_linger(Topic::State& state, bool was_wanted, MonoTime now);
  void linger(const TopicPtr& topic, MonoTime now);
  [[nodiscard]] std::vector<Lingering> take_lingering(MonoTime now);
  /// What was missed since `since`. True: that is a number which this host never gave.
  bool recover(const Topic& topic, const Topic::State& state, const Since& since,
               Joined& joined) const;
  void tell_ahead(const Topic& topic, const Since& since) const;

  const HubOptions& options_;
  const std::atomic<std::int64_t>& wall_ns_;
  Counters& counters_;
  TopicTable& topics_;
  Fanout& fanout_;
  Guarded<std::deque<Lingering>> lingering_;  // the first to end in front
  mutable Guarded<LogThrottle> ahead_;  // of which topics clients knew more, as the log was told
};

}  // namespace broadcast
