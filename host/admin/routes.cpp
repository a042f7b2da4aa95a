#include "host/admin/routes.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include "host/admin/metrics.hpp"
#include "host/admin/operate_endpoint.hpp"
#include "host/wire/upgrade.hpp"

namespace broadcast {

namespace {

using boost::beast::http::verb;

constexpr std::string_view kPublishPath = "/v1/publish/";
constexpr std::string_view kReloadPath = "/v1/reload";
constexpr std::string_view kBroadcasterPath = "/v1/broadcasters/";
constexpr std::string_view kTopicPath = "/v1/topics/";
constexpr std::string_view kForget = "/forget";

/// For what is known at once; others keep `done`, and all are called alike.
template <auto Reply>  // NOLINTNEXTLINE(performance-unnecessary-value-param)
void at_once(const HostView& host, std::string_view target, std::function<void(AdminReply)> done) {
  if constexpr (requires { Reply(host, target); }) {
    done(Reply(host, target));
  } else if constexpr (requires { Reply(host); }) {
    done(Reply(host));
  } else {
    done(Reply());
  }
}

constexpr Page kPages[] = {
    {"/livez", true, at_once<livez>},
    {"/readyz", true, at_once<readyz>},
    {"/metrics", false, at_once<metrics_reply>},
    {"/v1/topics", false, at_once<topics_reply>},
    {"/v1/broadcasters", false, at_once<broadcasters_reply>},
    {"/v1/clients", false, clients_reply},
    {"/ws/stats", false, at_once<stats_reply>},
};

std::string what_there_is() {
  std::string text =
      "The paths are: POST /v1/publish/{topic}, /v1/reload, /v1/topics/{topic}/forget and "
      "/v1/broadcasters/{name}/enable|disable|restart|replace|forget-state, and GET";
  for (const Page& page : kPages) {
    text += page.path == std::begin(kPages)->path ? " " : ", ";
    text += page.path;
  }
  return text;
}

AdminReply not_allowed(std::string_view message, std::string_view allow) {
  AdminReply reply = admin_error(405, "method_not_allowed", message);
  reply.allow = allow;
  return reply;
}

/// "{name}/{action}" behind kBroadcasterPath.
std::optional<Operate> operation_of(std::string_view path) {
  const std::size_t slash = path.find('/');
  if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
  const auto action = action_named(path.substr(slash + 1));
  if (!action) return std::nullopt;
  return Operate{std::string(path.substr(0, slash)), *action};
}

}  // namespace

Route route_of(verb method, std::string_view target) {
  const std::string path = path_of(target);
  if (path.starts_with(kPublishPath) && path.size() > kPublishPath.size()) {
    if (method != verb::post) return not_allowed("Publish with POST", "POST");
    return PublishOn{path.substr(kPublishPath.size())};
  }
  std::optional<Operate> operate;
  if (path == kReloadPath) operate.emplace();
  if (path.starts_with(kBroadcasterPath))
    operate = operation_of(std::string_view(path).substr(kBroadcasterPath.size()));
  if (operate) {
    if (method != verb::post) return not_allowed("Change it with POST", "POST");
    return *std::move(operate);
  }
  if (path.starts_with(kTopicPath) && path.ends_with(kForget) &&
      path.size() > kTopicPath.size() + kForget.size()) {
    if (method != verb::post) return not_allowed("Forget it with POST", "POST");
    const std::size_t name_bytes = path.size() - kTopicPath.size() - kForget.size();
    return ForgetTopics{path.substr(kTopicPath.size(), name_bytes)};
  }
  const auto* const page = std::ranges::find(kPages, path, &Page::path);
  if (page == std::end(kPages)) return admin_error(404, "not_found", what_there_is());
  if (method != verb::get && method != verb::head) {
    return not_allowed("Read it with GET", "GET, HEAD");
  }
  return page;
}

}  // namespace broadcast
