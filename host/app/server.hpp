#pragma once
// The composition root: builds every part in order, runs the control thread, and takes the same
// road back. Owned by main; [main].

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "host/admin/admin_server.hpp"
#include "host/app/broadcaster_plan.hpp"
#include "host/app/config.hpp"
#include "host/app/memory.hpp"
#include "host/app/operations.hpp"
#include "host/app/service_manager.hpp"
#include "host/app/tls_files.hpp"
#include "host/base/counters.hpp"
#include "host/base/crash_marker.hpp"
#include "host/hub/account.hpp"
#include "host/hub/producer_gate.hpp"
#include "host/hub/relay.hpp"
#include "host/hub/session.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/ingest/ingest.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/net/shard_group.hpp"
#include "host/store/sqlite_store.hpp"

namespace broadcast {

class Server {
 public:
  /// Builds and binds everything. Throws std::runtime_error that names what cannot be had, such as
  /// a port. `plan` is what became of the YAML's broadcasters; `trial` tries their libraries.
  Server(Config config, BroadcasterPlan plan, TrialProgram trial, ServiceManager manager = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  struct End {
    int exit_code = 0;
    /// Code of a broadcaster may still run, or a file be read: leave without destroying this.
    bool is_stuck = false;
  };
  /// Serves until SIGTERM or SIGINT, and for server.drain_delay more, then stops within
  /// server.drain. A second signal skips the delay; one while it stops ends the process. SIGHUP
  /// reads the YAML again, or if there is no file, is as SIGTERM. With plugins.strict and a
  /// broadcaster that does not start it stops at once; the log names all of them, the code is 1.
  [[nodiscard]] End run();

  /// Where it listens, for clients and for operators.
  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const { return shards_.endpoint(); }
  [[nodiscard]] boost::asio::ip::tcp::endpoint admin_endpoint() const { return admin_->endpoint(); }

 private:
  void add_broadcasters(BroadcasterPlan plan);
  [[nodiscard]] bool is_left_out(const BroadcasterPlan::Ready& ready);
  [[nodiscard]] bool have_all_started();
  void arm_tick();
  void give_back_memory_of_those_who_left();
  [[nodiscard]] bool stop();

  void tell_ready();
  void set_admin_limits();
  void await_stop();
  void arm_hangup();
  [[nodiscard]] std::string apply(const std::vector<TopicPattern>& relay);

  Counters counters_;  // the first, because it begins on a cache line
  Config config_;      // what runs; changed by operations_
  ServiceManager manager_;
  const boost::asio::ip::tcp::endpoint admin_endpoint_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  boost::asio::signal_set hangup_;
  boost::asio::steady_timer tick_;
  boost::asio::steady_timer drain_delay_;
  bool is_stopping_ = false;            // told to; until drain_delay_ it serves
  std::unique_ptr<SqliteStore> store_;  // null: nothing survives a restart
  TlsFiles tls_;
  TlsFiles admin_tls_;
  CrashMarker marker_;
  PluginStates plugin_states_;
  Accounts accounts_;
  TopicHub hub_;
  ProducerGate gate_;
  ShardGroup shards_;
  Relay relay_;
  std::unique_ptr<Ingest> ingest_;  // null: no Redis
  Broadcasters broadcasters_;
  std::size_t refused_ = 0;  // that are not among them
  MemoryKeeper memory_;
  Operations operations_;
  std::unique_ptr<AdminServer> admin_;
};

}  // namespace broadcast
