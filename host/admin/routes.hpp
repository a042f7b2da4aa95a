#pragma once
// Which request to the admin listener goes where: one table of what can be read, and the few things
// that are written. Knows no sockets; [main].

#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include <boost/beast/http/verb.hpp>

#include "host/admin/admin_reply.hpp"
#include "host/admin/operator_view.hpp"
#include "host/seams/operator_control.hpp"

namespace broadcast {

/// What can be read, and how.
struct Page {
  std::string_view path;
  bool is_open;  ///< to whoever reaches the listener, tokens or not: for probes
  /// `done` may be called at once, or later on [any].
  void (*reply)(const HostView&, std::string_view target, std::function<void(AdminReply)> done);
};

struct PublishOn {
  std::string topic;
};
/// What operators change: a broadcaster, or by a reload whatever differs.
struct Operate {
  std::string broadcaster;  ///< empty: a reload
  OperatorControl::Action action{};
};

/// A topic of nobody, or all of them under a pattern, are given up.
struct ForgetTopics {
  std::string topic;
};

/// Or the refusal: 404 says what there is, 405 which methods are allowed.
using Route = std::variant<AdminReply, const Page*, PublishOn, Operate, ForgetTopics>;
[[nodiscard]] Route route_of(boost::beast::http::verb method, std::string_view target);

}  // namespace broadcast
