#pragma once
// The composition root: builds every part in order, runs the control thread, and takes the same
// road back. Owned by main; [main].

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "host/admin/admin_server.hpp"
#include "host/app/broadcaster_plan.hpp"
#include "host/app/config.hpp"
#include "host/base/counters.hpp"
#include "host/hub/session.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/net/shard_group.hpp"

namespace broadcast {

class Server {
 public:
  /// Builds and binds everything. Throws std::runtime_error that names what cannot be had: a port,
  /// or, with plugins.strict, a broadcaster. `plan` is what became of the YAML's broadcasters.
  Server(const Config& config, BroadcasterPlan plan);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  enum class End : bool {
    kClean,
    kStuck,  ///< a broadcaster's callback has not returned: leave without destroying the server
  };
  /// Serves until SIGTERM or SIGINT, then stops within server.drain.
  [[nodiscard]] End run();

 private:
  void add_broadcasters(BroadcasterPlan plan);
  void arm_tick();
  [[nodiscard]] End stop();

  const Config& config_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  boost::asio::steady_timer tick_;
  Counters counters_;
  TopicHub hub_;
  const SessionLimits session_limits_;
  ShardGroup shards_;
  Broadcasters broadcasters_;
  std::unique_ptr<AdminServer> admin_;
};

}  // namespace broadcast
