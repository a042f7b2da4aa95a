#pragma once
// What waits for one generation of a broadcaster: producers' messages, changes of demand, its own
// posts. Filled by any thread, emptied on the plugin's thread. Bounded; a stuck callback never
// holds up who fills it.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include <broadcast/abi.h>
#include <broadcast/host_rules.hpp>

#include "host/base/clock.hpp"
#include "host/base/guarded.hpp"
#include "host/base/wake.hpp"
#include "host/hub/topic_owner.hpp"

namespace broadcast {

class PluginInbox {
 public:
  struct Bounds {
    std::size_t messages = 1024;
    std::size_t message_bytes = 16 * 1024 * 1024;
    std::size_t posts = kMaxWaitingPosts;
  };
  struct Message {
    ProducerMessage message;
    std::function<void(Verdict)> done;
    MonoTime queued{};
  };
  struct Demand {
    std::string topic;
    std::int64_t subscribers = 0;
    MonoTime queued{};
  };
  struct Post {
    std::uint64_t id = 0;
    void* ptr = nullptr;
    MonoTime queued{};
  };
  using Item = std::variant<Message, Demand, Post>;

  /// `name` is the broadcaster's, for the texts of verdicts.
  PluginInbox(std::string name, const Bounds& bounds);
  PluginInbox(const PluginInbox&) = delete;
  PluginInbox& operator=(const PluginInbox&) = delete;

  // [any]

  /// Queues it, or returns the verdict kUnavailable and leaves `message` as it is: closed, stopping
  /// or full. While a restart is awaited, `retry_after` says how long.
  [[nodiscard]] std::optional<Verdict> try_post_message(Message& message);
  /// Replaces the topic's waiting count; ignored until open_demand().
  void post_demand(std::string_view topic, std::int64_t subscribers);
  /// BC_OK, BC_E_BUSY when full, BC_E_REVOKED once close_posts() was called.
  [[nodiscard]] bc_status try_post(std::uint64_t id, void* ptr);
  /// For good: messages are answered kUnavailable from now on, those that wait too. The first
  /// deadline counts.
  void request_stop(MonoTime deadline);
  [[nodiscard]] bool is_stopping() const { return is_stopping_.load(std::memory_order_acquire); }
  [[nodiscard]] MonoTime stop_deadline() const;

  // The runner's threads

  /// Messages and posts are taken from now on, unless stopping.
  void open();
  /// No more messages; those that wait are the caller's to answer.
  [[nodiscard]] std::deque<Message> take_messages();
  /// Messages are refused: "price is restarting after an exception; try again in 4 s", those that
  /// wait too. Without `retry_at` nobody knows when it will take them again.
  void close_messages(const std::string& why, std::optional<MonoTime> retry_at);
  /// The same, until somebody restarts the host.
  void give_up(const std::string& why);
  /// From now on demand is queued; what was queued before is forgotten.
  void open_demand();
  void close_demand();
  /// No more posts; what was accepted is still to be taken.
  void close_posts();
  [[nodiscard]] std::optional<Post> take_post();
  /// The next of anything; kinds take turns.
  [[nodiscard]] std::optional<Item> take();
  /// Until something is posted, a stop is requested, wake() is called, or `until`.
  void wait(std::optional<MonoTime> until) { wake_.wait(until); }
  /// [any]
  void wake() { wake_.set(); }

 private:
  /// Why messages are not taken.
  struct Closed {
    std::string why = "is not started yet";
    std::optional<MonoTime> retry_at;
    bool has_given_up = false;
  };
  struct State {
    std::deque<Message> messages;
    std::size_t message_bytes = 0;
    std::deque<std::string> demand_order;  // each key of `demand` once
    std::unordered_map<std::string, Demand> demand;
    std::deque<Post> posts;
    bool takes_messages = false;
    bool takes_demand = false;
    bool takes_posts = false;
    Closed closed;
    MonoTime stop_deadline{};
    std::size_t turn = 0;
  };

  [[nodiscard]] std::optional<Verdict> try_queue(State& state, Message& message) const;
  [[nodiscard]] Verdict refusal(const State& state) const;
  void close(Closed closed, std::optional<MonoTime> stop);
  [[nodiscard]] static std::optional<Item> take_kind(State& state, std::size_t kind);
  [[nodiscard]] static std::optional<Post> take_post_from(State& state);

  const std::string name_;
  const Bounds bounds_;
  Guarded<State> state_;
  std::atomic<bool> is_stopping_{false};
  Wake wake_;
};

/// Whole seconds that a text promises, rounded up, at least one.
[[nodiscard]] std::string in_seconds(std::chrono::nanoseconds wait);

}  // namespace broadcast
