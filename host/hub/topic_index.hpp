#pragma once
// Who on this shard subscribes to what: topic -> subscribers, and for each session the way back, so
// that leaving costs the same however many listen. Filled by Sessions, walked by the shard once per
// message. Owned by the shard; [shard].

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/hub/outbox.hpp"
#include "host/hub/topic_hub.hpp"

namespace broadcast {

class TopicIndex;
class Subscriptions;

/// One subscriber in a topic's row.
struct Subscriber {
  Subscriptions* who;
  std::uint32_t back;       // where the row stands among the session's subscriptions
  std::uint64_t given_seq;  // messages up to this one are not for this subscriber
  Outbox::Ticket ticket;
};

/// One topic on one shard.
struct TopicRow {
  TopicPtr topic;
  std::uint64_t delivered_seq = 0;  // of the last message walked here
  std::vector<Subscriber> subscribers;
};

/// What one session is subscribed to. Part of the session; used through TopicIndex.
class Subscriptions {
 public:
  explicit Subscriptions(Outbox& outbox) : outbox_(outbox) {}
  Subscriptions(const Subscriptions&) = delete;
  Subscriptions& operator=(const Subscriptions&) = delete;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  friend class TopicIndex;
  struct Entry {
    TopicRow* row;
    std::uint32_t slot;  // where this session stands among the topic's subscribers
  };
  Outbox& outbox_;
  std::vector<Entry> entries_;
};

class TopicIndex {
 public:
  /// What a client is told about one of its subscriptions.
  struct View {
    std::string topic;
    std::string epoch;
    std::uint64_t seq = 0;  ///< of the newest message that this subscriber has been given
    Delivery delivery = Delivery::kLatest;
    MessagePtr snapshot;  ///< to be sent after the answer; may be null
  };
  struct Answer {
    std::optional<View> view;
    TopicHub::JoinError error =
        TopicHub::JoinError::kUnknownTopic;  ///< meaningful only without `view`
  };

  /// `hub` outlives the index; `shard` is the index's number there.
  TopicIndex(TopicHub& hub, std::size_t shard);
  ~TopicIndex();
  TopicIndex(const TopicIndex&) = delete;
  TopicIndex& operator=(const TopicIndex&) = delete;

  /// Joins, or answers again if subscribed already. Live messages follow the returned number
  /// without a gap.
  [[nodiscard]] Answer subscribe(Subscriptions& who, std::string_view topic);
  /// Sends a view's snapshot through the subscriber's outbox, behind what waits there already.
  void send_snapshot(Subscriptions& who, const View& view);
  [[nodiscard]] bool is_subscribed(const Subscriptions& who, std::string_view topic) const {
    return find(who, topic).has_value();
  }
  /// False: was not subscribed.
  bool unsubscribe(Subscriptions& who, std::string_view topic, MonoTime now);
  void unsubscribe_all(Subscriptions& who, MonoTime now);
  [[nodiscard]] std::vector<View> list(const Subscriptions& who) const;

  /// One drained publication to everybody here who has not had it.
  void deliver(const MessagePtr& message);

 private:
  [[nodiscard]] std::optional<std::size_t> find(const Subscriptions& who,
                                                std::string_view topic) const;
  [[nodiscard]] View view_of(const TopicRow& row, const Subscriber& subscriber) const;
  [[nodiscard]] View view_again(TopicRow& row, Subscriber& subscriber) const;
  void remove(Subscriptions& who, std::size_t index, MonoTime now);

  TopicHub& hub_;
  const std::size_t shard_;
  std::unordered_map<std::uint64_t, TopicRow> rows_;  // by topic id; nodes do not move
};

}  // namespace broadcast
