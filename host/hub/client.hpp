#pragma once
// The seam between a Connection (bytes) and what answers it: the host's Session, or the conformance
// echo. Everything here is called on the connection's shard. Implementations answer through the
// Outbox they were given, and end the connection with Outbox::close().

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/clock.hpp"

namespace broadcast {

class Client {
 public:
  virtual ~Client() = default;

  /// The handshake is done; the first frames may be queued.
  virtual void on_open(MonoTime now) = 0;
  /// One whole text message, valid UTF-8; the view lives for the call.
  virtual void on_text(std::string_view text, MonoTime now) = 0;
  virtual void on_binary(std::string_view bytes, MonoTime now) = 0;
  /// The host shuts down; the close frame follows at once.
  virtual void on_shutdown(std::chrono::milliseconds retry_after) = 0;
  /// The host itself did not run for `pause`, which ends now: what was sent meanwhile comes at
  /// once.
  virtual void on_host_pause(std::chrono::nanoseconds /*pause*/, MonoTime /*now*/) {}
  /// What it is subscribed to, by name: topics, then patterns.
  [[nodiscard]] virtual std::vector<std::string> subscriptions() const = 0;
  /// Memory that it holds beside the outbox.
  [[nodiscard]] virtual std::size_t held_bytes() const { return 0; }
  /// The connection is over; nothing more is called.
  virtual void on_closed(MonoTime now) = 0;
};

}  // namespace broadcast
