#pragma once
// Takes published messages from any thread: numbers them, builds ONE Message each, keeps the last
// value, and hands it to the inbox of every shard that has subscribers. Knows who owns which topic
// and how many subscribers it has (demand). Owned by app/server; outlives shards, runners and
// admin. All [any].
//
// Lock order: the topics table is released before a topic is locked; under a topic's lock only
// leaves are locked: the shards' inboxes and, in post_demand(), the owner's queue. report_status()
// holds statuses above.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/hub/inbox.hpp"
#include "host/hub/message.hpp"
#include "host/hub/topic.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/hub/topic_pattern.hpp"

namespace broadcast {

/// A broadcaster's condition as its subscribers see it on status:{broadcaster}.
enum class BroadcasterState : std::uint8_t { kOk, kDegraded, kStale, kDown, kDisabled };
[[nodiscard]] std::string_view to_string(BroadcasterState state);
inline constexpr std::string_view kStatusPrefix = "status:";

class TopicHub {
 public:
  struct Options {
    std::size_t publish_bytes = 256 * 1024;  ///< largest message text, envelope included
    std::size_t topics = 20'000;             ///< topics alive at once
    std::size_t topic_name_bytes = 255;
    bool accept_unknown = false;  ///< topics.unknown: accept
    bool strict = false;          ///< plugins.strict: parse what broadcasters publish, whole
    std::chrono::nanoseconds demand_linger = std::chrono::seconds(30);
    Compressor compressor;  ///< called under the topic's lock; null: nothing is deflated
  };

  /// What a subscriber joins a topic with: everything up to `seq` is in `last` or gone, everything
  /// after comes through the shard's inbox.
  struct Joined {
    TopicPtr topic;
    std::uint64_t seq = 0;
    MessagePtr last;  ///< null while nothing was published
  };
  enum class JoinError : std::uint8_t { kInvalidName, kUnknownTopic, kTooManyTopics };

  TopicHub(const Options& options, Counters& counters);
  ~TopicHub();
  TopicHub(const TopicHub&) = delete;
  TopicHub& operator=(const TopicHub&) = delete;

  /// Adds a shard's inbox and returns the shard's number. REQUIRES: before the first claim,
  /// report, publish or join; outlives the hub's use.
  std::size_t add_shard(Inbox& inbox);

  /// Gives `patterns` to `owner`, from now on, and with them the topics accepted as unknown: who
  /// listens there already, demand_of() tells. Refused with the other owner's name and pattern when
  /// one overlaps; nothing is claimed then.
  struct Conflict {
    std::string pattern;
    std::string owner;
    std::string owner_library;
  };
  [[nodiscard]] std::optional<Conflict> try_claim(TopicOwner& owner, std::string_view library,
                                                  const std::vector<TopicPattern>& patterns);

  /// Publishes `payload`, a JSON object without top-level topic or seq, on a topic that `owner`
  /// owns. The text is copied. Never blocks.
  [[nodiscard]] Published publish(const TopicOwner& owner, std::string_view topic,
                                  std::string_view payload);

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

  /// Who serves `topic`, or null. Does not create it.
  [[nodiscard]] TopicOwner* owner_of(std::string_view topic) const;

  /// Subscribers of `topic` on all shards now; 0 if there is no such topic.
  [[nodiscard]] std::int64_t subscribers(std::string_view topic) const;

  /// The topics that `owner` was told to serve, with their subscribers (1 while one lingers): what
  /// a restarted broadcaster is told.
  [[nodiscard]] std::vector<std::pair<std::string, std::int64_t>> demand_of(
      const TopicOwner& owner) const;

  /// [shard] One more subscriber on `shard`, who takes frames in `form`. `Joined` holds the number
  /// and last value of that very moment.
  struct JoinResult {
    std::optional<Joined> joined;
    JoinError error = JoinError::kUnknownTopic;  ///< meaningful only without `joined`
  };
  [[nodiscard]] JoinResult join(std::string_view topic, std::size_t shard,
                                FrameForm form = FrameForm::kPlain);

  /// [shard] One subscriber less on `shard`.
  void leave(const TopicPtr& topic, std::size_t shard, MonoTime now,
             FrameForm form = FrameForm::kPlain);

  /// Number and last value of a topic that somebody on this shard is subscribed to already.
  [[nodiscard]] Joined look(const TopicPtr& topic) const;

  /// [main] About once a second: tells owners about topics whose last subscriber left longer than
  /// `demand_linger` ago, and forgets idle topics when nine tenths of the table are used.
  void on_tick(MonoTime now);

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
  struct Table {
    std::unordered_map<std::string, TopicPtr, TextHash, std::equal_to<>> topics;
    std::vector<Claim> claims;
    std::vector<TopicPtr> lingering;
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
  [[nodiscard]] TopicPtr find_or_create(std::string_view name, JoinError& error);
  [[nodiscard]] static const Claim* claim_of(const Table& table, std::string_view topic);
  static void adopt_unknown(Table& table);
  TopicPtr insert(Table& table, std::string_view name, Delivery delivery, TopicOwner* owner,
                  bool evictable);
  void publish_to(Topic& topic, std::string_view payload, Published& result);
  [[nodiscard]] bool try_reserve(const Topic::State& state, std::size_t bytes);
  void expire_demand(MonoTime now);

  const Options options_;
  Counters& counters_;
  std::vector<Inbox*> inboxes_;
  Guarded<Table> table_;
  Guarded<std::unordered_map<std::string, Status>> statuses_;
};

}  // namespace broadcast
