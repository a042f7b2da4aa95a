#pragma once
// All shards: built, bound to one port, started and stopped together. What broadcasters may do to
// every client goes through here. Owned by app/server.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "host/base/guarded.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/net/admission.hpp"
#include "host/net/client_memory.hpp"
#include "host/net/door_log.hpp"
#include "host/net/listen_sockets.hpp"
#include "host/net/shard.hpp"
#include "host/seams/client_census.hpp"
#include "host/seams/client_control.hpp"

namespace broadcast {

struct NetOptions {
  ListenPlace listen;
  std::size_t shards = 1;
  FlushMode flush = FlushMode::kAuto;
  HandshakeRules rules;
  Limits limits;                               ///< of handshakes, as many as the descriptors allow
  std::size_t connections_by_descriptors = 0;  ///< as Admission has it
  std::size_t memory_bytes = SIZE_MAX;         ///< limits.memory, also where that is `auto`
  std::chrono::nanoseconds drain = std::chrono::seconds(30);
};

class ShardGroup final : public ClientControl, public ClientCensus {
 public:
  /// [main] `hub` outlives the group.
  ShardGroup(TopicHub& hub, NetOptions options, Shard::ClientFactory factory);
  ~ShardGroup() override;

  /// [main] Listens, and starts every shard. Throws std::runtime_error as ListenSockets does.
  void start();
  /// [main] Where clients connect, as ListenSockets has it. REQUIRES: start().
  [[nodiscard]] const ListenSockets& sockets() const { return *sockets_; }
  /// [main] The same. REQUIRES: start(), and that it is an address.
  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const { return sockets_->address(); }
  [[nodiscard]] std::size_t size() const { return shards_.size(); }
  /// [main] From now on: `limits`, and what goes with them (`connections_by_descriptors`,
  /// `memory_bytes`, `drain`, and of the rules `pages`, `trusted_proxies` and `tls`).
  void set_limits(const NetOptions& options);
  /// [any] Runs `use` on each shard's thread.
  void post(const std::function<void(Shard&)>& use);
  /// [main] No new connections; those that are open stay.
  void stop_accepting();
  /// [main] Says goodbye to every client and waits for the shards' threads, at most `drain`.
  void stop(std::chrono::nanoseconds drain);

  [[nodiscard]] std::size_t client_count() const override;
  [[nodiscard]] bool try_send_all(std::string_view json) override;
  [[nodiscard]] bool try_close_idle(std::chrono::nanoseconds idle, std::uint16_t close_code,
                                    std::string_view reason) override;
  void set_heartbeat(const void* setter, Heartbeat heartbeat) override;
  void end_heartbeat(const void* setter) override;
  void ask_slowest(std::size_t most, std::function<void(std::vector<ClientView>)> done) override;
  [[nodiscard]] std::size_t pending_bytes() const override;
  [[nodiscard]] std::size_t held_bytes() const override { return memory_.bytes(); }
  [[nodiscard]] std::size_t memory_limit() const override { return memory_.limit(); }
  /// [any] The shard that was longest without a tick had its last one then.
  [[nodiscard]] MonoTime ticked_at() const;
  /// [any] The shards' counters, added up.
  [[nodiscard]] std::uint64_t total(Counter counter) const;

 private:
  using Heartbeats = std::vector<std::pair<const void*, Heartbeat>>;

  void post_heartbeat();

  NetOptions options_;
  const Shard::ClientFactory factory_;
  Admission admission_;
  ClientMemory memory_;
  DoorLog doors_;
  Guarded<Heartbeats> heartbeats_;  // by setter, the one that counts last
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<ListenSockets> sockets_;
};

}  // namespace broadcast
