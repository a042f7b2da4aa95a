#pragma once
// What a host that runs answered, in words: of an operation, and of its list of broadcasters.
// Pure; [any].

#include <string>

#include <nlohmann/json.hpp>

#include "tools/broadcastctl/admin_client.hpp"

namespace broadcast {

struct OperationReport {
  std::string done;   ///< lines: what was done, and what takes effect after a restart
  std::string wrong;  ///< lines; empty: nothing
};

/// Of POST /v1/reload and /v1/broadcasters/{name}/{action}. Throws CannotRun: no such broadcaster.
[[nodiscard]] OperationReport operation_report(const AdminAnswer& answer);

/// Of POST /v1/topics/{topic}/forget. Throws CannotRun: no such topic.
[[nodiscard]] OperationReport forget_report(const AdminAnswer& answer);
/// Where that is asked for. Throws CannotRun: `topic` is neither a topic nor a pattern.
[[nodiscard]] std::string forget_target(const std::string& topic);

/// Of GET /v1/broadcasters: a line each.
[[nodiscard]] std::string broadcaster_list(const nlohmann::ordered_json& body);

}  // namespace broadcast
