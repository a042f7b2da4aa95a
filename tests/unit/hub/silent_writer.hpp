#pragma once
// Whom an outbox of the tests belongs to: it is read by hand, and ends as a WebSocket does.

#include "host/hub/outbox.hpp"
#include "host/wire/frame.hpp"

namespace broadcast {

class SilentWriter final : public OutboxWriter {
 public:
  [[nodiscard]] MessagePtr closing_message(const CloseReason& reason) const override {
    return Message::frame_of(Opcode::kClose, close_payload(reason.code, reason.text));
  }
};

}  // namespace broadcast
