#pragma once
// POST /v1/reload, /v1/broadcasters/{name}/{action} and /v1/topics/{topic}/forget: what an
// operation came to, as HTTP. Knows no sockets; [main].

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "host/admin/admin_reply.hpp"
#include "host/hub/topic_table.hpp"
#include "host/seams/operator_control.hpp"

namespace broadcast {

/// "enable", "disable", "restart", "replace", "forget-state".
[[nodiscard]] std::optional<OperatorControl::Action> action_named(std::string_view word);

/// 200; 404, 409 and 422 where nothing was changed; 500 where some of it was not:
/// `{"outcome":"done","broadcasters":[{"name":"price","did":"replaced","pause_ms":0.4,
/// "error":null}],"settings":[],"needs_restart":[],"errors":[]}`; `pause_ms`: its topics had no
/// publisher for so long.
[[nodiscard]] AdminReply reply_of(const Operation& operation);

/// Gives up topics of nobody, and says so in the log. 200 `{"forgotten":10,"kept":1,
/// "reasons":[{"topic":"note:a","why":"it belongs to note"}]}`; 409 where all are kept, 404 where
/// there is none.
[[nodiscard]] AdminReply forget_topics(TopicTable& topics, const std::string& topic);

}  // namespace broadcast
