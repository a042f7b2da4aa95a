#pragma once
// POST /v1/reload and /v1/broadcasters/{name}/{action}: what an operation came to, as HTTP. Knows
// no sockets; [main].

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "host/admin/admin_reply.hpp"
#include "host/hub/operator_control.hpp"

namespace broadcast {

/// "enable", "disable", "restart", "replace".
[[nodiscard]] std::optional<OperatorControl::Action> action_named(std::string_view word);

/// 200; 404, 409 and 422 where nothing was changed; 500 where some of it was not:
/// `{"outcome":"done","broadcasters":[{"name":"price","did":"replaced","pause_ms":0.4,
/// "error":null}],"settings":[],"needs_restart":[],"errors":[]}`; `pause_ms`: its topics had no
/// publisher for so long.
[[nodiscard]] AdminReply reply_of(const Operation& operation);

}  // namespace broadcast
