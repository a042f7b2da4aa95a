#pragma once
// All topics that there are, and who owns them. Clients and broadcasters make topics by naming
// them, so the table is bounded: when it is full, the topic that has been idle for longest is given
// up. Owned by TopicHub; outlives the parts that use it. All [any] unless a line says otherwise.
//
// Lock order: the table, released before a topic is locked, unless topics are made, assigned to
// owners or forgotten; under a topic's lock only leaves are locked: the shards' inboxes, the
// store's queue and, in post_new_demand(), the owner's queue. StatusBoard holds its own lock above.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/limits.hpp"
#include "host/base/siphash.hpp"
#include "host/hub/fanout.hpp"
#include "host/hub/hub_options.hpp"
#include "host/hub/idle_topics.hpp"
#include "host/hub/state_store.hpp"
#include "host/hub/topic.hpp"
#include "host/hub/topic_claims.hpp"

namespace broadcast {

/// Why a subscriber cannot have a topic, or a pattern's topics.
enum class SubscribeError : std::uint8_t {
  kInvalidName,
  kUnknownTopic,
  kTooManyTopics,
  kTooManyOfOwner,
  kTooManyOfConnection,  ///< that are in demand because of it
  kTooManyOfAddress,
  kRateOfAll,     ///< max_rate on an `all` topic
  kTooManyNames,  ///< a pattern of more topics than the answer has room for
};
[[nodiscard]] SubscribeError error_of(Account::Refusal refusal);

/// Who asks for a topic by its name. Outlives the call.
struct Asker {
  std::shared_ptr<Account>* account = nullptr;  ///< null: nobody is answerable for it
  bool wants_latest = false;                    ///< any other topic is refused
};

class TopicTable {
 public:
  TopicTable(const HubOptions& options, const LiveLimits& limits, Counters& counters,
             Fanout& fanout);
  TopicTable(const TopicTable&) = delete;
  TopicTable& operator=(const TopicTable&) = delete;

  /// [main] From now on: topics_of and accept_unknown. What is there stays.
  void set_options(const HubOptions& options);

  /// Null: there is none.
  [[nodiscard]] TopicPtr find(std::string_view name) const;
  /// The topic, made if it may be; null, and `error` says why. When there are as many as may be, or
  /// as its owner may have, the one that has been idle for longest is given up for it.
  [[nodiscard]] TopicPtr find_or_create(std::string_view name, SubscribeError& error,
                                        const Asker& asker = {});
  /// A topic of the host's own, made if there is none.
  [[nodiscard]] TopicPtr find_or_create_own(std::string_view name);
  /// Who serves the topic, or would serve it if it were made; null: nobody.
  [[nodiscard]] TopicOwner* owner_of(std::string_view name) const;

  /// Gives `patterns`, and no others, to `owner`, from now on, and with them the topics that nobody
  /// owns: Audience::demand_of() tells who is subscribed there already. Topics of patterns that it
  /// had before stay with all they have, owned by nobody. Refused when another owner's pattern
  /// overlaps one, or a topic would change its delivery; nothing changes then.
  [[nodiscard]] std::optional<ClaimConflict> try_claim(TopicOwner& owner, std::string_view library,
                                                       const std::vector<TopicPattern>& patterns);

  /// [shard] From now on every topic under `prefix` (such as "price:") is announced in the shard's
  /// inbox before the first message on it, by Message::announcement(), and counts a subscriber
  /// there, until Audience::leave() is called for it. So is one that somebody on the shard
  /// subscribes to when its epoch becomes another, or when it is given up: then it is not `listed`.
  /// False, and nothing is watched: nobody could ever serve one.
  [[nodiscard]] bool try_watch(std::string_view prefix, std::size_t shard);
  void unwatch(std::string_view prefix, std::size_t shard);
  /// Before the first message on it: patterns stand for it from now on, and those who watch them
  /// are told.
  void begin(const TopicPtr& topic);

  /// Calls `use` with each topic under `prefix`, by name, until it returns false; no lock is held.
  template <class F>
  void for_each(std::string_view prefix, F use) const {
    walk(&Table::in_order, prefix, use);
  }
  /// The same for those that patterns stand for.
  template <class F>
  void for_each_listed(std::string_view prefix, F use) const {
    walk(&Table::listed, prefix, use);
  }

  /// Every topic there is, by name.
  struct View {
    std::string name;
    std::string owner;  ///< empty: the host, or nobody yet
    Delivery delivery = Delivery::kLatest;
    std::string epoch;
    std::uint64_t seq = 0;
    std::size_t subscribers = 0;
  };
  [[nodiscard]] std::vector<View> list() const;

  /// Their demand is over: they may be given up from now on.
  void put_idle(std::span<const TopicPtr> topics);
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
  /// asks for by its name; whoever gets it by a pattern leaves it. The messages of an `all` topic
  /// are gone; should it come back, its numbers and its epoch go on.
  [[nodiscard]] Forgotten forget(std::string_view name);
  /// [main] About once a second: gives up those that have been idle for longest when nine tenths of
  /// the table, or of an owner's share, are used.
  void on_tick();

  /// [main] Takes in what `store` has kept. REQUIRES: before the first claim; `store` outlives the
  /// table's use.
  void open_store(StateStore& store);
  /// What CommitListener::recall() asks for of topics that nobody has asked for yet, and the topic
  /// itself if there is one.
  [[nodiscard]] TopicPtr recall(StoredTopic& stored) const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  template <class Value>
  using ByName = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;
  using InOrder = std::map<std::string_view, const TopicPtr*>;
  /// Whoever walks the table lets it go after so many, because publishers and subscribers wait.
  static constexpr std::size_t kLot = 256;

  struct Table {
    ByName<TopicPtr> topics;
    InOrder in_order;  // the same, by name
    InOrder listed;    // of them, those that patterns stand for
    TopicClaims claims;
    ByName<ShardSet> watches;        // by prefix
    ByName<StoredTopic> restorable;  // what the store had, until the topic is made
    IdleTopics idle;                 // those that may be given up unless they are in demand again
    std::map<std::string, std::size_t, std::less<>> topics_of;  // HubOptions::topics_of
    bool accept_unknown = false;                                // HubOptions::accept_unknown
    std::vector<std::string> forgotten;  // topics that somebody still had when they were
    std::uint64_t give_ups = 0;          // rounds of give_up_idle()
    std::uint64_t last_id = 0;
    std::size_t fixed = 0;  // topics that manifests and the host name: outside limits.topics

    [[nodiscard]] std::size_t counted() const { return topics.size() - fixed; }
  };
  /// A walk over idle topics, which lets the table go between two lots.
  struct Sweep {
    const TopicOwner* owner = nullptr;  // null: over those of all
    std::size_t left = 0;               // to be given up
    std::uint64_t reached = 0;
    std::uint64_t end = 0;
  };

  [[nodiscard]] std::vector<TopicPtr> next_lot(InOrder Table::*topics, std::string_view prefix,
                                               std::string_view after) const;
  template <class F>
  void walk(InOrder Table::*topics, std::string_view prefix, F& use) const;

  // topic_table.cpp: finding and making topics
  TopicPtr insert(Table& table, std::string_view name, Delivery delivery, TopicOwner* owner,
                  bool evictable);
  void list_for_patterns(Table& table, const TopicPtr& topic, Topic::State& state);
  void unlist(Table& table, const TopicPtr& topic);

  // topic_table_claims.cpp: who owns them
  [[nodiscard]] static std::optional<ClaimConflict> conflict_of(
      const Table& table, const TopicOwner& owner, const std::vector<TopicPattern>& patterns);
  void assign_owners(Table& table, const TopicOwner& owner);
  void set_delivery(Topic& topic, Delivery delivery);
  static void set_owner(Table& table, Topic& topic, TopicOwner* owner);

  // topic_table_idle.cpp: which ones are given up
  [[nodiscard]] static bool is_held(const Table& table, const Topic& topic);
  [[nodiscard]] std::size_t most_of(const Table& table, const TopicOwner& owner) const;
  [[nodiscard]] std::optional<SubscribeError> try_make_room(Table& table, const TopicOwner* owner);
  [[nodiscard]] bool try_give_up_one(Table& table, const IdleTopics::InOrder& idle);
  void give_up_idle();
  void begin_sweep(Table& table, Sweep& sweep) const;
  void give_up_lot(Table& table, Sweep& sweep);
  void erase(Table& table, Topic& topic);
  [[nodiscard]] std::string try_forget(Table& table, std::string_view name);
  void finish_forgetting(Table& table);

  // topic_table_state.cpp: what a store has kept of them
  [[nodiscard]] std::string derived_epoch(std::string_view topic) const;
  void restore_claimed(Table& table, const TopicPattern& pattern, TopicOwner& owner);
  void restore(Topic& topic, Topic::State& state, const StoredTopic& stored) const;

  const HubOptions& options_;
  const LiveLimits& limits_;
  Counters& counters_;
  Fanout& fanout_;
  StateStore* store_ = nullptr;
  SipKey epoch_key_;  // constant once something is claimed
  Guarded<Table> table_;
};

template <class F>
void TopicTable::walk(InOrder Table::*topics, std::string_view prefix, F& use) const {
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
