#pragma once
// The host's numbers as Prometheus reads them, made from what the parts count anyway when somebody
// asks. Labels have few values: nothing that clients or producers choose becomes one. [main]

#include "host/admin/operator_view.hpp"

namespace broadcast {

/// docs/operations.md has every name.
[[nodiscard]] AdminReply metrics_reply(const HostView& host);

}  // namespace broadcast
