#pragma once
// Takes published messages from any thread: numbers them, builds ONE Message each, keeps the last
// value and the history, and hands it to the inbox of every shard that has subscribers, with a
// store only once it is committed. Knows who owns which topic and how many subscribers it has
// (demand). Owned by app/server; outlives shards, runners and admin. All [any].
// In topic_hub.cpp: the table and publishing; _idle.cpp: which topics patterns stand for, and which
// are given up; _join.cpp: who listens; _state.cpp: what survives a restart; _status.cpp: the
// broadcasters' condition.
//
// Lock order: the topics table, released before a topic is locked, unless topics are made, handed
// out or forgotten; under a topic's lock only leaves are locked: the shards' inboxes, the store's
// queue and, in post_demand(), the owner's queue. report_status() holds statuses above.

#include <atomic>
#include <bitset>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/log_throttle.hpp"
#include "host/hub/inbox.hpp"
#include "host/hub/json_checker.hpp"
#include "host/hub/message.hpp"
#include "host/hub/state_store.hpp"
#include "host/hub/topic.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/hub/topic_pattern.hpp"

namespace broadcast {

/// A broadcaster's condition as its subscribers see it on status:{broadcaster}.
enum class BroadcasterState : std::uint8_t { kOk, kDegraded, kStale, kDown, kDisabled };
[[nodiscard]] std::string_view to_string(BroadcasterState state);

/// Who asks for a topic by its name. Outlives the call.
struct Asker {
  std::shared_ptr<Account>* account = nullptr;  ///< null: nobody is answerable for it
  bool wants_latest = false;                    ///< any other topic is refused
};

/// Whoever leaves a topic, and how it was joined.
struct Leaver {
  FrameForm form = FrameForm::kPlain;
  bool by_name = true;               ///< not by a pattern
  const Account* account = nullptr;  ///< as in Asker, by now
};

class TopicHub final : private CommitListener {
 public:
  struct Options {
    std::size_t publish_bytes = 256 * 1024;  ///< largest message text, envelope included
    std::size_t topics = 20'000;             ///< topics alive at once
    /// Of them, what one owner may have; 0: half of them while others claim patterns, else all.
    std::size_t topics_per_owner = 0;
    std::map<std::string, std::size_t, std::less<>> topics_of = {};  ///< by owner, instead of that
    std::size_t topic_name_bytes = 255;
    bool accept_unknown = false;  ///< topics.unknown: accept
    bool strict = false;          ///< plugins.strict: what is published has a `type`
    std::chrono::nanoseconds demand_linger = std::chrono::seconds(30);
    Compressor compressor;  ///< called under the topic's lock; null: nothing is deflated
    History::Limits history;
  };

  /// What a subscriber joins a topic with: everything up to `seq` is in `last` or `missed`, or
  /// gone; everything after comes through the shard's inbox.
  struct Joined {
    TopicPtr topic;
    std::string_view epoch;  ///< the topic's own
    Delivery delivery = Delivery::kLatest;
    std::uint64_t seq = 0;
    MessagePtr last;         ///< null while nothing was published
    bool recovered = false;  ///< `missed` is everything since then; nothing else is to be sent
    std::vector<MessagePtr> missed;
  };
  enum class JoinError : std::uint8_t {
    kInvalidName,
    kUnknownTopic,
    kTooManyTopics,
    kTooManyOfOwner,
    kTooManyOfConnection,  ///< that are in demand because of it
    kTooManyOfAddress,
    kNotLatest,  ///< `latest` was asked for
  };

  TopicHub(const Options& options, Counters& counters);
  ~TopicHub() override;
  TopicHub(const TopicHub&) = delete;
  TopicHub& operator=(const TopicHub&) = delete;

  /// Adds a shard's inbox and returns the shard's number. REQUIRES: before the first claim,
  /// report, publish or join; outlives the hub's use.
  std::size_t add_shard(Inbox& inbox);

  /// [main] Takes in what `store` has kept, and from now on commits to it what is published on
  /// `all` topics before it is delivered. REQUIRES: after the last add_shard(), before the first
  /// claim. `store` outlives close_store().
  void open_store(StateStore& store);
  /// [main] Commits what waits; afterwards `all` topics are busy. False: it hangs, as
  /// StateStore::stop() has it, and nothing here may be destroyed. REQUIRES: open_store().
  bool close_store(MonoTime until = MonoTime::max());
  /// Calls `done` once the message or position that got `commit` is committed and delivered, or is
  /// not. At once if there is nothing to wait for.
  void when_committed(std::uint64_t commit, std::function<void(CommitOutcome)> done);

  /// What stands against a claim.
  struct Conflict {
    std::string pattern;
    std::string owner;  ///< whose it is
    std::string owner_library;
    std::string delivered;  ///< not empty: nobody's, but this topic went out by another delivery
    /// "topic "price:{ticker}" is already owned by price (libprice.so)", without what to do.
    [[nodiscard]] std::string text() const;
  };
  /// Gives `patterns`, and no others, to `owner`, from now on, and with them the topics that nobody
  /// owns: who listens there already, demand_of() tells. Topics of patterns that it had before stay
  /// with all they have, owned by nobody. Refused when another owner's pattern overlaps one, or a
  /// topic would change its delivery; nothing changes then.
  [[nodiscard]] std::optional<Conflict> try_claim(TopicOwner& owner, std::string_view library,
                                                  const std::vector<TopicPattern>& patterns);

  /// [main] From now on: publish_bytes, topics (also of owners), topic_name_bytes and
  /// accept_unknown. What is there stays.
  void set_limits(const Options& options);

  /// Publishes `payload`, which JsonChecker finds nothing wrong with, on a topic that `owner` owns.
  /// The text is copied. Never blocks. `position` is committed together with the message, if
  /// the store keeps that.
  [[nodiscard]] Published publish(const TopicOwner& owner, std::string_view topic,
                                  std::string_view payload, StreamPosition position = {});
  /// [any] Keeps a position alone, for an entry that caused no message, and returns the commit to
  /// ask when_committed() for; 0 without a store, or if that is full or failing: it is not kept.
  std::uint64_t keep_position(StreamPosition position);
  /// How many of these messages, in the order of their publication, are committed. REQUIRES:
  /// when_committed() has answered for the last of them.
  [[nodiscard]] std::size_t count_committed(std::span<const std::uint64_t> commits);

  /// Publishes on status:{broadcaster} if state or detail differ from the last report. Never
  /// blocks. REQUIRES: UTF-8.
  void report_status(std::string_view broadcaster, BroadcasterState state, std::string_view detail);

  /// What was reported last, by broadcaster.
  struct StatusView {
    std::string broadcaster;
    BroadcasterState state = BroadcasterState::kOk;
    std::string detail;
    std::string since;
  };
  [[nodiscard]] std::vector<StatusView> statuses() const;

  /// Every topic there is, in no order.
  struct TopicView {
    std::string name;
    std::string owner;  ///< empty: the host, or nobody yet
    Delivery delivery = Delivery::kLatest;
    std::string epoch;
    std::uint64_t seq = 0;
    std::size_t subscribers = 0;
  };
  [[nodiscard]] std::vector<TopicView> topics() const;

  /// What came of forget().
  struct Forgotten {
    struct Kept {
      std::string topic;
      std::string why;  ///< "it belongs to price"
    };
    std::size_t topics = 0;  ///< that are gone, or will be at the next tick
    std::vector<Kept> kept;
  };
  /// [main] Gives up a topic, or all under a pattern such as price:*, that nobody owns and nobody
  /// asks for by its name; who gets it by a pattern leaves it. The messages of an `all` topic are
  /// gone; should it come back, its numbers and its epoch go on.
  [[nodiscard]] Forgotten forget(std::string_view name);

  /// Who serves `topic`, or null. Does not create it.
  [[nodiscard]] TopicOwner* owner_of(std::string_view topic) const;

  /// Subscribers of `topic` on all shards now; 0 if there is no such topic.
  [[nodiscard]] std::int64_t subscribers(std::string_view topic) const;

  /// The topics that `owner` was told to serve, with their subscribers (1 while one lingers): what
  /// a restarted broadcaster is told.
  [[nodiscard]] std::vector<std::pair<std::string, std::int64_t>> demand_of(
      const TopicOwner& owner) const;

  /// [any] The topic, made if it may be; null, and `error` says why. When there are as many as may
  /// be, or as its owner may have, the one that has been idle for longest is given up for it.
  [[nodiscard]] TopicPtr find_or_create(std::string_view name, JoinError& error,
                                        const Asker& asker = {});

  /// [shard] One more subscriber on `shard`, by the topic's name, who takes frames in `form`.
  /// `Joined` holds the number and the last value of that very moment, or what was missed after
  /// `since`. Whoever makes a topic be in demand is charged for it until that is over; refused when
  /// that is too many.
  struct JoinResult {
    std::optional<Joined> joined;
    JoinError error = JoinError::kUnknownTopic;  ///< meaningful only without `joined`
  };
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
  /// [shard] A subscriber by a pattern asks by name from now on; nothing: he does. `account` as in
  /// Asker.
  [[nodiscard]] std::optional<JoinError> try_name(const TopicPtr& topic,
                                                  std::shared_ptr<Account>& account);
  /// [shard] And no more: the pattern remains.
  void unname(const TopicPtr& topic, const Account* account, MonoTime now);
  /// [shard] Charges `account`, of somebody who asks for the topic by its name, if nobody answers
  /// for it.
  void answer_for(const TopicPtr& topic, std::shared_ptr<Account>& account);

  /// [shard] From now on every topic under `prefix` (such as "price:") is announced in the shard's
  /// inbox before the first message on it, by Message::announcement(), and counts a subscriber
  /// there, until leave() is called for it. So is one that somebody on the shard subscribes to when
  /// its epoch becomes another, or when it is given up: then it is not `listed`. False, and nothing
  /// is watched: nobody could ever serve one.
  [[nodiscard]] bool try_watch(std::string_view prefix, std::size_t shard);
  void unwatch(std::string_view prefix, std::size_t shard);
  /// [shard] What a pattern stands for.
  struct Branch {
    std::vector<TopicPtr> topics;  ///< by name; none if they are too many
    std::size_t looked_at = 0;     ///< topics, also of those that are too many
    std::size_t names_bytes = 0;   ///< what an answer needs for their names, at the most
    bool is_too_large = false;
  };
  /// The listed topics under `prefix` if their names take no more than `most_bytes` of an answer;
  /// looks at no more than that. Those listed after a try_watch() are here, announced, or both.
  [[nodiscard]] Branch topics_under(std::string_view prefix, std::size_t most_bytes) const;
  /// [shard] The topic that `announcement` is about; null: it was forgotten meanwhile.
  [[nodiscard]] TopicPtr announced(const Message& announcement) const;

  /// [shard] Number and last value of a topic that somebody on this shard is subscribed to already.
  [[nodiscard]] Joined look(const TopicPtr& topic) const;
  /// [shard] The same for one who has been given an `all` topic up to `seq`: nothing above that
  /// number, because it is on its way.
  [[nodiscard]] Joined look(const TopicPtr& topic, std::uint64_t seq, const Since* since) const;

  /// [main] About once a second: tells owners about topics whose last subscriber left longer than
  /// `demand_linger` ago, gives up those that have been idle for longest when nine tenths of the
  /// table are used, and gives the store the last values that have changed. `wall_ns`, since 1970
  /// UTC, is what messages are dated with until the next tick.
  void on_tick(MonoTime now, std::int64_t wall_ns);

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Claim {
    TopicPattern pattern;
    TopicOwner* owner;
    std::string library;
  };
  static constexpr std::size_t kMaxShards = 256;
  static constexpr std::size_t kLot = 256;
  using ShardSet = std::bitset<kMaxShards>;
  template <class Value>
  using ByName = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

  /// Its last subscriber has left.
  struct Lingering {
    TopicPtr topic;
    MonoTime until;  // if nobody comes back
  };
  using InOrder = std::map<std::string_view, const TopicPtr*>;
  using Idle = std::map<std::uint64_t, Topic*>;  // idle for longest in front
  /// What one owner has of limits.topics.
  struct Share {
    std::size_t topics = 0;
    Idle idle;  // those of them in Table::idle
  };
  /// A walk over idle topics, which lets the table go between two lots.
  struct Sweep {
    const TopicOwner* owner = nullptr;  // null: over those of all
    std::size_t left = 0;               // to be given up
    std::uint64_t reached = 0;
    std::uint64_t end = 0;
  };
  struct Table {
    ByName<TopicPtr> topics;
    InOrder in_order;  // the same, by name
    InOrder listed;    // of them, those that patterns stand for
    std::vector<Claim> claims;
    ByName<ShardSet> watches;         // by prefix
    ByName<StoredTopic> restorable;   // what the store had, until the topic is made
    std::deque<Lingering> lingering;  // the first to end in front
    Idle idle;                        // those that may be given up unless they are in demand again
    std::unordered_map<const TopicOwner*, Share> shares;        // null: of nobody
    std::map<std::string, std::size_t, std::less<>> topics_of;  // as Options::topics_of
    std::vector<std::string> forgotten;  // topics that somebody still had when they were
    std::uint64_t last_idle = 0;
    std::uint64_t give_ups = 0;  // rounds of give_up_idle()
    std::uint64_t last_id = 0;
    std::size_t fixed = 0;  // topics that manifests and the host name: outside limits.topics

    [[nodiscard]] std::size_t counted() const { return topics.size() - fixed; }
  };
  struct Status {
    BroadcasterState state = BroadcasterState::kOk;
    std::string detail;
    std::string since;
  };

  [[nodiscard]] TopicPtr find(std::string_view topic) const;
  /// Up to kLot of `topics` under `prefix` whose names come behind `after`: whoever walks the table
  /// lets it go between two lots, because publishers and subscribers wait for it.
  [[nodiscard]] std::vector<TopicPtr> next_lot(InOrder Table::*topics, std::string_view prefix,
                                               std::string_view after) const;
  /// Calls `use` with each of `topics` under `prefix` until it returns false, without the table's
  /// lock.
  template <class F>
  void for_each_topic(InOrder Table::*topics, std::string_view prefix, F use) const;
  [[nodiscard]] static const Claim* claim_of(const Table& table, std::string_view topic);
  [[nodiscard]] static std::optional<Conflict> conflict_of(
      const Table& table, const TopicOwner& owner, const std::vector<TopicPattern>& patterns);
  [[nodiscard]] static bool has_numbers(const Topic& topic);
  void hand_out(Table& table, const TopicOwner& owner);
  void set_delivery(Topic& topic, Delivery delivery);
  TopicPtr insert(Table& table, std::string_view name, Delivery delivery, TopicOwner* owner,
                  bool evictable);
  [[nodiscard]] std::string_view problem_of(std::string_view payload);
  void begin(const TopicPtr& topic);
  void list(Table& table, const TopicPtr& topic, Topic::State& state);
  void unlist(Table& table, const TopicPtr& topic);
  static void put_idle(Table& table, Topic& topic);
  static void end_idle(Table& table, Topic& topic);
  [[nodiscard]] static bool is_worn_out(Table& table, Topic& topic);
  [[nodiscard]] static bool is_held(const Table& table, const Topic& topic);
  [[nodiscard]] bool try_give_up_one(Table& table, Idle& idle);
  void give_up_idle();
  void begin_sweep(Table& table, Sweep& sweep) const;
  void give_up_lot(Table& table, Sweep& sweep);
  [[nodiscard]] std::size_t most_of(const Table& table, const TopicOwner& owner) const;
  [[nodiscard]] std::optional<JoinError> try_make_room(Table& table, const TopicOwner* owner);
  static void set_owner(Table& table, Topic& topic, TopicOwner* owner);
  void erase(Table& table, Topic& topic);
  [[nodiscard]] std::string try_forget(Table& table, std::string_view name);
  void finish_forgetting(Table& table);
  [[nodiscard]] Joined add_subscriber(const TopicPtr& topic, Topic::State& state, std::size_t shard,
                                      FrameForm form, const Since* since, bool& is_ahead) const;
  [[nodiscard]] static std::optional<JoinError> try_want(Topic::State& state,
                                                         std::shared_ptr<Account>* account);
  static void end_demand(Topic::State& state);
  void forget_name(const Topic& topic, Topic::State& state, const Account* account);
  [[nodiscard]] static bool begins_to_linger(Topic::State& state, bool was_wanted, MonoTime now);
  static void tell_demand(const Topic& topic, Topic::State& state);
  void linger(const TopicPtr& topic, MonoTime now);
  [[nodiscard]] static JoinError error_of(Account::Refusal refusal);
  void publish_to(const TopicPtr& topic, std::string_view payload, StreamPosition position,
                  Published& result);
  [[nodiscard]] PublishStatus number(const TopicPtr& topic, Topic::State& state,
                                     std::string_view payload, StreamPosition& position,
                                     Published& result, ShardSet& to_wake);
  void deliver(Topic::State& state, MessagePtr message, std::int64_t published_ns,
               ShardSet& to_wake);
  void wake(const ShardSet& shards) const;
  /// A place on each shard in `wanted` for a message of an `all` topic, or on none.
  [[nodiscard]] bool try_reserve(const ShardSet& wanted, std::size_t bytes);
  void cancel(const ShardSet& reserved, std::size_t bytes);
  [[nodiscard]] ShardSet shards_of(const Topic::State& state) const;
  [[nodiscard]] ShardSet all_shards() const;
  [[nodiscard]] bool is_durable(const Topic& topic) const;

  /// What was missed since `since`. True: that is a number which this host never gave.
  bool recover(const Topic& topic, const Topic::State& state, const Since& since,
               Joined& joined) const;
  void tell_ahead(const Topic& topic, const Since& since) const;
  [[nodiscard]] std::string derived_epoch(std::string_view topic) const;
  void announce_to(const ShardSet& shards, const Topic& topic, Topic::State& state);
  void push_to(const ShardSet& shards, const MessagePtr& announcement, Topic::State& state);
  void restore_claimed(Table& table, const TopicPattern& pattern, TopicOwner& owner);
  void restore(Topic& topic, Topic::State& state, const StoredTopic& stored) const;
  void expire_demand(MonoTime now);
  void keep_last_values();
  void on_committed(std::span<const PendingMessage> messages) override;
  void on_lost(std::span<const PendingMessage> messages) override;
  void recall(StoredTopic& stored) override;

  /// Of the options, what may change while others read it.
  struct Limits {
    std::atomic<std::size_t> publish_bytes;
    std::atomic<std::size_t> topics;
    std::atomic<std::size_t> topics_per_owner;
    std::atomic<std::size_t> topic_name_bytes;
    std::atomic<bool> accept_unknown;
  };

  const Options options_;
  Limits limits_;
  Counters& counters_;
  JsonChecker checker_;
  std::vector<Inbox*> inboxes_;
  StateStore* store_ = nullptr;
  SipKey epoch_key_;  // constant once something is claimed
  std::atomic<std::int64_t> wall_ns_{0};
  Guarded<Table> table_;
  Guarded<std::unordered_map<std::string, Status>> statuses_;
  mutable Guarded<LogThrottle> ahead_;  // of which topics clients knew more, as the log was told
};

template <class F>
void TopicHub::for_each_topic(InOrder Table::*topics, std::string_view prefix, F use) const {
  std::string after;
  while (true) {
    const std::vector<TopicPtr> lot = next_lot(topics, prefix, after);
    for (const TopicPtr& topic : lot) {
      if (!use(topic)) return;
    }
    if (lot.size() < kLot) return;
    after = lot.back()->name;
  }
}

}  // namespace broadcast
