#pragma once
// POST /v1/publish/{topic}: who may, where it goes, and how the owner's verdict reads as HTTP.
// Stands between the admin server and hub/topic_owner; knows no sockets. [main]

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/admin/access.hpp"
#include "host/base/counters.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

class PublishEndpoint {
 public:
  /// No tokens: everybody who reaches the listener may publish. References outlive the endpoint.
  PublishEndpoint(const TopicTable& topics, const std::vector<AdminToken>& tokens,
                  Counters& counters);

  /// Why nothing is taken for `topic`, which is known before the body is; counted.
  /// `authorization` is the header's value, empty without one.
  [[nodiscard]] std::optional<AdminReply> refuse(const std::string& topic,
                                                 std::string_view authorization);
  /// `done` is called exactly once: here, or on the owner's thread.
  void handle(const std::string& topic, std::string body, std::string_view authorization,
              std::function<void(AdminReply)> done);

 private:
  const TopicTable& topics_;
  const std::vector<AdminToken>& tokens_;
  Counters& counters_;
};

}  // namespace broadcast
