#pragma once
// POST /v1/publish/{topic}: who may, where it goes, and how the owner's verdict reads as HTTP
// (publish.md, rule 8). Stands between the admin server and hub/topic_owner; knows no sockets.
// [main]

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/counters.hpp"
#include "host/hub/topic_hub.hpp"

namespace broadcast {

/// A bearer token and what it allows: "admin", "publish", "publish:<topic>" or "publish:<prefix>*".
struct AdminToken {
  std::string token;
  std::vector<std::string> scopes;
};

/// An answer before it is HTTP.
struct AdminReply {
  unsigned status = 200;
  std::string body;  ///< JSON
  std::optional<std::chrono::seconds> retry_after;
};

/// `{"error":code,"message":message}`
[[nodiscard]] AdminReply admin_error(unsigned status, std::string_view code,
                                     std::string_view message);

class PublishEndpoint {
 public:
  /// No tokens: everybody who reaches the listener may publish. References outlive the endpoint.
  PublishEndpoint(const TopicHub& hub, const std::vector<AdminToken>& tokens, Counters& counters);

  /// `authorization` is the header's value, empty without one. `done` is called exactly once: here,
  /// or on the owner's thread.
  void handle(const std::string& topic, std::string body, std::string_view authorization,
              std::function<void(AdminReply)> done);

 private:
  [[nodiscard]] std::optional<AdminReply> refuse(std::string_view topic,
                                                 std::string_view authorization) const;

  const TopicHub& hub_;
  const std::vector<AdminToken>& tokens_;
  Counters& counters_;
};

}  // namespace broadcast
