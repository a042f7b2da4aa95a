#pragma once
// Who on this shard subscribes to what: topic -> subscribers, and for each session the way back, so
// that leaving costs the same however many listen. Filled by Sessions, walked by the shard once per
// message. Owned by the shard; [shard].

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "host/hub/audience.hpp"
#include "host/hub/outbox.hpp"
#include "host/hub/rate_slots.hpp"
#include "host/hub/topic_name.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

class TopicIndex;
class Subscriptions;

/// One subscriber in a topic's row.
struct Subscriber {
  Outbox* outbox;
  Subscriptions* who;
  std::uint32_t back;       // where the row stands among the session's subscriptions
  bool is_direct;           // asked for by its name; otherwise only through a pattern
  std::uint64_t given_seq;  // messages up to this one are not for this subscriber
  Outbox::Ticket ticket;
  std::unique_ptr<RateSlot> slot;  // null: every message, and none by its name asks for less
};

/// One topic on one shard.
struct TopicRow {
  TopicPtr topic;
  std::string_view epoch;           // as its subscribers were told; the topic's own
  std::uint64_t delivered_seq = 0;  // of the last message walked here
  std::size_t strays = 0;           // subscribers that do not stand as their outboxes lie in memory
  std::vector<Subscriber> subscribers;
};

/// What one session is subscribed to. Part of the session; used through TopicIndex.
class Subscriptions {
 public:
  /// `account`: who is answerable for what it makes; null: nobody.
  explicit Subscriptions(Outbox& outbox, std::shared_ptr<Account> account = nullptr)
      : outbox_(outbox), account_(std::move(account)) {}
  Subscriptions(const Subscriptions&) = delete;
  Subscriptions& operator=(const Subscriptions&) = delete;
  /// Topics asked for by name, and patterns.
  [[nodiscard]] std::size_t size() const { return direct_ + patterns_.size(); }
  [[nodiscard]] Account* account() const { return account_.get(); }
  /// Memory of the host that is held for them.
  [[nodiscard]] std::size_t held_bytes() const { return held_bytes_; }

 private:
  friend class TopicIndex;
  struct Entry {
    TopicRow* row;
    std::uint32_t slot;  // where this session stands among the topic's subscribers
  };
  struct Pattern {
    std::string_view prefix;            // the index's own
    std::chrono::nanoseconds interval;  // 0: every message
  };
  /// Where `prefix` stands in patterns_, or would.
  [[nodiscard]] std::vector<Pattern>::iterator place_of(std::string_view prefix);
  [[nodiscard]] const Pattern* pattern(std::string_view prefix) const;
  [[nodiscard]] bool is_under_pattern(std::string_view topic) const;

  Outbox& outbox_;
  std::shared_ptr<Account> account_;
  std::vector<Entry> entries_;
  std::vector<Pattern> patterns_;  // by prefix
  std::size_t direct_ = 0;         // of entries_
  std::size_t held_bytes_ = 0;
};

class TopicIndex {
 public:
  /// Of which topics the last value is wanted.
  enum class LastValues : std::uint8_t {
    kOfAll,
    kOfNew,  ///< not of an `all` topic that the session has already
    kOfNone
  };
  /// What a client asks for. `since` outlives the call.
  struct SubscribeOptions {
    const SinceByTopic* since = nullptr;  ///< how far it had come, by topic
    std::chrono::nanoseconds interval{};  ///< of `max_rate`; 0: every message
    LastValues last_values = LastValues::kOfNew;
    std::size_t most_names = SIZE_MAX;  ///< bytes of names that an answer has room for
    MonoTime now{};
  };
  /// What a client is told about one of its subscriptions.
  struct View {
    std::string topic;
    std::string epoch;
    std::uint64_t seq = 0;  ///< of the newest message that this subscriber has been given
    Delivery delivery = Delivery::kLatest;
    bool recovered = false;
    MessagePtr snapshot;             ///< to be sent after the answer; may be null
    std::vector<MessagePtr> missed;  ///< or these, oldest first
    std::size_t entry = 0;           ///< among the session's subscriptions, until it changes them
  };
  struct Answer {
    std::vector<View> views;                ///< one; of a pattern as many as there are topics
    std::optional<SubscribeError> error{};  ///< then there are no views, and nothing has changed
    std::size_t names_bytes = 0;            ///< of a pattern: what its topics take of most_names
    std::size_t looked_at = 1;              ///< topics, of the server and of the session: its cost
  };

  /// Both outlive the index; `shard` is the index's number there.
  TopicIndex(TopicTable& topics, Audience& audience, std::size_t shard);
  ~TopicIndex();
  TopicIndex(const TopicIndex&) = delete;
  TopicIndex& operator=(const TopicIndex&) = delete;

  /// Joins, or answers again if subscribed already: of an `all` topic with the number reached, and
  /// what `since` asks for up to it. Live messages follow the returned number without a gap.
  [[nodiscard]] Answer subscribe(Subscriptions& who, const TopicName& topic,
                                 const SubscribeOptions& options);
  /// The same for all topics under the pattern, those that come later too.
  [[nodiscard]] Answer subscribe_under(Subscriptions& who, const Pattern& pattern,
                                       const SubscribeOptions& options);
  /// Sends a view's messages through the subscriber's outbox, behind what waits there already.
  void send(Subscriptions& who, const View& view, MonoTime now);
  /// By that very name or pattern.
  [[nodiscard]] bool is_subscribed(const Subscriptions& who, const AskedTopic& topic) const;
  /// False: was not subscribed by that name.
  bool unsubscribe(Subscriptions& who, const TopicName& topic, MonoTime now);
  /// How many topics it looked at; 0: was not subscribed by that name.
  std::size_t unsubscribe_under(Subscriptions& who, const Pattern& pattern, MonoTime now);
  void unsubscribe_all(Subscriptions& who, MonoTime now);
  /// What was asked for by name, sorted.
  [[nodiscard]] std::vector<View> list(const Subscriptions& who) const;
  /// Its patterns, sorted.
  [[nodiscard]] std::vector<std::string> list_patterns(const Subscriptions& who) const;

  /// Drained messages of one topic, in order: publications to everybody here who has not had them,
  /// or an announcement, alone, of a topic under a pattern or of an epoch: those it concerns are
  /// told. Walks the subscribers once for all.
  void deliver(std::span<const MessagePtr> messages, MonoTime now);
  void deliver(const MessagePtr& message, MonoTime now) { deliver(std::span(&message, 1), now); }
  /// Sends the values whose slot (`max_rate`) has come.
  void on_time(MonoTime now) { slots_.on_time(now); }
  /// When on_time() has something to do; nothing: nothing waits for its slot.
  [[nodiscard]] std::optional<MonoTime> next_due() const { return slots_.next_due(); }

  /// Subscriptions::held_bytes() of all.
  [[nodiscard]] std::size_t held_bytes() const { return held_bytes_; }

  /// The hub's number of this shard.
  [[nodiscard]] std::size_t shard() const { return shard_; }

 private:
  using Rows = std::unordered_map<std::uint64_t, TopicRow>;  // by topic id; nodes do not move

  [[nodiscard]] static Subscriber& subscriber_of(const Subscriptions::Entry& entry);
  [[nodiscard]] std::optional<std::size_t> find(const Subscriptions& who,
                                                std::string_view topic) const;
  [[nodiscard]] static View view_of(const TopicRow& row, const Subscriber& subscriber);
  static void drop_superseded(const TopicRow& row, Subscriber& subscriber,
                              const SubscribeOptions& options);
  [[nodiscard]] View view_again(TopicRow& row, Subscriber& subscriber,
                                const SubscribeOptions& options) const;
  /// Adds `who` to the topic's row; messages up to `given_seq` are not for it.
  Subscriber& add(Subscriptions& who, const Joined& joined, std::uint64_t given_seq);
  [[nodiscard]] View view_of_new(Subscriptions& who, Joined joined,
                                 const SubscribeOptions& options);
  static void charge_again(Subscriptions& who, const Answer& answer);
  /// From now on subscribed by name, at `options.interval`.
  void make_direct(Subscriptions& who, std::size_t entry, const SubscribeOptions& options);
  /// What it is delivered at, by all its subscriptions; `own`: what the one by name asks for.
  void set_interval(Subscriber& subscriber, std::chrono::nanoseconds own, MonoTime now);
  static void send_snapshot(Subscriber& subscriber, const MessagePtr& value, MonoTime now);
  void remove(Subscriptions& who, std::size_t entry, MonoTime now);
  void leave_pattern(Subscriptions& who, std::string_view prefix);
  enum class Held : std::uint8_t { kMore, kLess };
  void count(Subscriptions& who, std::size_t bytes, Held held);
  void announce(const Message& announcement, MonoTime now);
  void answer_for(TopicRow& row);
  void drop_those_by_pattern(TopicRow& row, MonoTime now);
  void add_those_by_pattern(const TopicPtr& topic, std::uint64_t seq, MonoTime now);
  void tell_epoch(TopicRow& row, std::uint64_t seq, MonoTime now);
  static void put_in_order(TopicRow& row);

  TopicTable& topics_;
  Audience& audience_;
  const std::size_t shard_;
  Rows rows_;
  std::unordered_map<std::string_view, TopicRow*> by_name_;
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  /// Who is subscribed to a pattern here, by prefix.
  std::unordered_map<std::string, std::vector<Subscriptions*>, TextHash, std::equal_to<>> patterns_;
  RateSlots slots_;
  std::size_t held_bytes_ = 0;
};

/// How many of `drained`, from its front, deliver() may be given together: messages of one topic,
/// of no more than `bytes` in all; at least one. REQUIRES: not empty.
[[nodiscard]] std::size_t run_length(std::span<const MessagePtr> drained, std::size_t bytes);

}  // namespace broadcast
