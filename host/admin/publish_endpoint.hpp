#pragma once
// POST /v1/publish/{topic}: who may, and how what hub/producer_gate answers reads as HTTP. Stands
// between the admin server and the gate; knows no sockets. [main]

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/admin/access.hpp"
#include "host/hub/producer_gate.hpp"

namespace broadcast {

class PublishEndpoint {
 public:
  /// No tokens: everybody who reaches the listener may publish. References outlive the endpoint.
  PublishEndpoint(ProducerGate& gate, const std::vector<AdminToken>& tokens);

  /// Why nothing is taken for `topic`, which is known before the body is; counted.
  /// `authorization` is the header's value, empty without one.
  [[nodiscard]] std::optional<AdminReply> refuse(const std::string& topic,
                                                 std::string_view authorization);
  /// `done` is called exactly once: here, or on the owner's thread.
  void handle(const std::string& topic, std::string_view body, std::string_view authorization,
              const std::function<void(AdminReply)>& done);

 private:
  [[nodiscard]] std::optional<AdminReply> refuse_token(const std::string& topic,
                                                       std::string_view authorization);

  ProducerGate& gate_;
  const std::vector<AdminToken>& tokens_;
};

}  // namespace broadcast
