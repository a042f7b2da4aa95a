#pragma once
// What operators ask the host: is it alive, is it ready, what does it serve. Answers as JSON; knows
// no sockets. Owned by AdminServer; [main].

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/admin/admin_reply.hpp"
#include "host/base/counters.hpp"
#include "host/hub/status_board.hpp"
#include "host/hub/topic_table.hpp"
#include "host/seams/broadcaster_control.hpp"
#include "host/seams/client_census.hpp"
#include "host/seams/client_control.hpp"
#include "host/seams/operator_control.hpp"

namespace broadcast {

/// Each connection to Redis and whether it is ready.
using RedisConnections = std::vector<std::pair<std::string, bool>>;

/// Where the answers come from. References outlive the view.
struct HostView {
  TopicTable& topics;
  const StatusBoard& statuses;
  const BroadcasterControl& broadcasters;
  const ClientControl& clients;
  ClientCensus& census;
  OperatorControl& operators;
  std::function<std::uint64_t(Counter)> count;  ///< of the whole process
  std::size_t shards = 0;
  std::string version;
  std::function<RedisConnections()> redis = {};  ///< empty: there is none
  std::function<bool()> is_stopping = {};        ///< it is told to, and still serves; empty: never
};

/// The process serves requests; whether it has anything to say is the next question.
[[nodiscard]] AdminReply livez();
/// 200 when every broadcaster that is switched on runs, none is down or stale, and the host has not
/// been told to stop, otherwise 503; with the reasons. A degraded one is ready: it serves, and what
/// degrades it, such as a database that all hosts share, would take them all out of the balancer
/// and turn degraded into down.
[[nodiscard]] AdminReply readyz(const HostView& host);
/// Topics by name; the query `target` may have prefix= and limit= (1000).
[[nodiscard]] AdminReply topics_reply(const HostView& host, std::string_view target);
[[nodiscard]] AdminReply broadcasters_reply(const HostView& host);
/// The clients that are furthest behind, when all shards have answered; the query may have limit=
/// (20) and sort=pending. `done` is called on [any], or at once.
void clients_reply(const HostView& host, std::string_view target,
                   std::function<void(AdminReply)> done);
/// What the dashboard's tooling has always read.
[[nodiscard]] AdminReply stats_reply(const HostView& host);

}  // namespace broadcast
