#pragma once
// One thread, one io_context, and the connections that live on it: accepts, drains its inbox of
// published messages, walks the topic index, and flushes each touched connection once. Owned by
// ShardGroup. Public functions are [shard] unless tagged.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include "host/base/counters.hpp"
#include "host/base/limits.hpp"
#include "host/base/owner_thread.hpp"
#include "host/hub/inbox.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/hub/topic_index.hpp"
#include "host/net/client_memory.hpp"
#include "host/net/connection.hpp"
#include "host/net/door_log.hpp"
#include "host/net/flusher.hpp"
#include "host/net/listener.hpp"
#include "host/net/socket_set.hpp"
#include "host/seams/heartbeat.hpp"

namespace broadcast {

class Shard {
 public:
  /// Makes what answers a new connection; `network` is whose it is. [shard]
  using ClientFactory =
      std::function<std::unique_ptr<Client>(Shard& shard, Outbox& outbox, std::string_view network,
                                            std::vector<std::string> first_topics)>;

  /// [main] All references but `limits` and `rules` outlive the shard. Registers its inbox with
  /// `hub`.
  Shard(TopicHub& hub, const Limits& limits, std::chrono::nanoseconds drain_time,
        const HandshakeRules& rules, Admission& admission, ClientMemory& memory, DoorLog& doors,
        const ClientFactory& factory, std::unique_ptr<Flusher> flusher);
  /// [main]
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /// [main] Starts the thread and accepts from `sockets`, which it takes over; `listeners` is how
  /// many all shards have together.
  void start(const std::vector<int>& sockets, std::size_t listeners);
  /// [any] From now on. A connection keeps the largest message that it was opened with.
  void post_limits(const Limits& limits, std::chrono::nanoseconds drain_time,
                   const HandshakeRules& rules);
  /// [any]
  void post_stop_accepting();
  /// [any] Stops accepting, tells every client, and closes some at a time until half of what is
  /// left to `deadline` has passed; the thread ends when the last one is gone, or at `deadline`.
  void post_shut_down(MonoTime deadline);
  /// [main] Waits for the thread.
  void join();

  [[nodiscard]] Inbox& inbox() { return inbox_; }                       ///< [any]
  [[nodiscard]] std::size_t connection_count() const { return open_; }  ///< [any]
  /// [any] False: the previous request still waits.
  [[nodiscard]] bool try_close_idle(std::chrono::nanoseconds idle, std::uint16_t code,
                                    std::string reason);

  /// [any] Calls `done` on the shard's thread with the `most` clients that have the most pending.
  void post_ask_slowest(std::size_t most, std::function<void(std::vector<ClientView>)> done);
  /// [any] When it last came to its tick, which it does twice a second; the epoch: not yet.
  [[nodiscard]] MonoTime ticked_at() const { return ticked_at_; }
  /// [any] In all outboxes at the last tick.
  [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_; }

  /// A socket whose upgrade was accepted.
  struct Upgraded {
    int socket;
    std::unique_ptr<TlsSession> tls;  ///< null: plain
    Admission::Place place;
    std::string network;                    ///< network_of() the client's address
    std::string peer;                       ///< as Connection has it
    std::optional<DeflateTerms> deflate;    ///< what it agreed on
    std::string response;                   ///< still to be sent, before anything else
    std::vector<std::string> first_topics;  ///< of the query string
    std::span<char> first_bytes;            ///< came behind the request
  };
  /// Takes it over. REQUIRES: not is_closing().
  void adopt(Upgraded upgraded);
  /// It is over. Freed once nobody can know it any more.
  void remove(Connection& connection);
  /// Its on_tick() is called from now on, or no more.
  void put_with_waiting(Connection& connection);
  void put_with_idle(Connection& connection);
  /// From now on; none: nobody is pinged.
  void set_heartbeat(const std::optional<Heartbeat>& heartbeat);
  [[nodiscard]] const std::optional<Heartbeat>& heartbeat() const { return heartbeat_; }
  /// Takes over no more.
  [[nodiscard]] bool is_closing() const { return deadline_ != MonoTime::max(); }
  /// Flushes every connection whose outbox got something.
  void flush_touched(MonoTime now);

  [[nodiscard]] const Limits& limits() const { return limits_; }
  /// How long a client gets to take what waits for it when the host stops.
  [[nodiscard]] std::chrono::nanoseconds drain_time() const { return drain_time_; }
  [[nodiscard]] TopicIndex& index() { return index_; }
  /// [any] The hub's number of it.
  [[nodiscard]] std::size_t number() const { return index_.shard(); }
  /// [any] Runs `use` on the shard's thread.
  void post(std::function<void()> use);
  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }  ///< [any]
  [[nodiscard]] DoorLog& doors() { return doors_; }                     ///< [any]
  [[nodiscard]] TouchedList& touched() { return touched_; }
  [[nodiscard]] SocketSet& sockets() { return sockets_; }
  [[nodiscard]] std::span<char> receive_buffer() { return receive_buffer_; }
  /// What was received before it is decrypted, and what is to be sent before it is encrypted.
  [[nodiscard]] std::span<char> sealed_buffer() { return sealed_buffer_; }
  [[nodiscard]] std::string& plain_buffer() { return plain_buffer_; }
  [[nodiscard]] Inflater& inflater() { return inflater_; }
  /// What its connections hold beside queues: TLS, and messages that have not come whole.
  void count_held(std::size_t before, std::size_t now) { held_bytes_ += now - before; }

 private:
  using Connections =
      boost::intrusive::list<Connection, boost::intrusive::constant_time_size<false>>;

  void run();
  void wait_for_sockets();
  void on_sockets();
  void drain();
  /// Delivers a lot of what the inbox has. True: there may be more.
  [[nodiscard]] bool deliver_lot();
  /// For the values that wait for their slot (max_rate).
  void arm_slots();
  void arm_tick();
  void on_tick();
  void forgive_pause(MonoTime now);
  void ping_the_silent(MonoTime now);
  void close_the_idle(MonoTime now);
  void keep_within_memory(MonoTime now);
  [[nodiscard]] std::size_t close_the_largest(ClientMemory::Duty duty, MonoTime now);
  void shut_down(MonoTime deadline);
  void close_next(MonoTime now);
  template <class F>
  void for_each_connection(F use);
  [[nodiscard]] std::vector<ClientView> slowest(std::size_t most);
  void free_the_gone();

  Counters counters_;
  OwnerThread owner_;
  Limits limits_;
  std::chrono::nanoseconds drain_time_;
  HandshakeRules rules_;
  Admission& admission_;
  ClientMemory& memory_;
  DoorLog& doors_;
  const ClientFactory& factory_;
  boost::asio::io_context io_{1};
  Inbox inbox_;
  TopicIndex index_;
  TouchedList touched_;
  std::vector<OutboxWriter*> flushing_;
  const std::unique_ptr<Flusher> flusher_;
  std::vector<char> receive_buffer_;
  std::vector<char> sealed_buffer_;  // empty without TLS
  std::string plain_buffer_;
  std::size_t held_bytes_ = 0;
  Inflater inflater_;
  std::vector<MessagePtr> drained_;
  std::size_t delivered_ = 0;  // of them
  SocketSet sockets_;
  Connections idle_;     // nothing waits for them
  Connections waiting_;  // those that the tick looks at
  Connections gone_;     // removed, and freed before the next turn
  std::vector<std::unique_ptr<Listener>> listeners_;
  boost::asio::steady_timer tick_;
  MonoTime tick_due_ = MonoTime::max();
  std::chrono::nanoseconds cpu_at_tick_{};  // of this thread, when the tick was armed
  std::optional<Heartbeat> heartbeat_;
  MonoTime pinged_at_{};   // when ping_the_silent() looked last
  const MessagePtr ping_;  // the one for all
  struct CloseIdle {
    std::chrono::nanoseconds idle;
    std::uint16_t code;
    std::string reason;
  };
  std::optional<CloseIdle> close_idle_;  // asked for, and some may be left
  boost::asio::steady_timer slots_;
  MonoTime slots_at_ = MonoTime::max();  // what it is armed for
  MonoTime deadline_ = MonoTime::max();  // of a shutdown in progress
  MonoTime all_closed_by_{};             // then
  MonoTime said_goodbye_at_{};           // to some of them
  std::mt19937 random_{std::random_device{}()};
  std::thread thread_;
  // Shared.
  std::atomic<std::size_t> open_{0};
  std::atomic<std::size_t> pending_bytes_{0};
  std::atomic<MonoTime> ticked_at_{MonoTime()};
  std::atomic<bool> close_idle_waits_{false};
  std::atomic<bool> has_publications_{false};  // a drain() is on its way
};

/// [any] How many of `open` clients a shard that stops closes at this tick, for all to be closed
/// after `left`.
[[nodiscard]] std::size_t goodbyes_at_tick(std::size_t open, std::chrono::nanoseconds left);

}  // namespace broadcast
