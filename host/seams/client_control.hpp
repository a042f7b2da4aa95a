#pragma once
// What a broadcaster with the permission `clients` may do to every connection (bc.clients/1 and
// bc.heartbeat/1). Implemented by host/net; handed to host/loader by host/app.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <broadcast/host_rules.hpp>

#include "host/seams/heartbeat.hpp"

namespace broadcast {

class ClientControl {
 public:
  virtual ~ClientControl() = default;

  /// [any] Open connections, a snapshot.
  [[nodiscard]] virtual std::size_t client_count() const = 0;

  /// [any] Sends one text message without topic or seq to every connection. False: an inbox is
  /// full, or `json` is larger than kMaxSendAllBytes or not UTF-8; nobody gets it then.
  [[nodiscard]] virtual bool try_send_all(std::string_view json) = 0;

  /// [any] Asks every shard to close connections without a sign of life for `idle`: a few a tick
  /// where they are many. The time that the host itself did not run is not counted. False: the
  /// previous request is still waiting.
  [[nodiscard]] virtual bool try_close_idle(std::chrono::nanoseconds idle, std::uint16_t close_code,
                                            std::string_view reason) = 0;

  /// [any] From now on clients that are silent for its interval get a WebSocket ping, and
  /// `connected` tells new ones about it. Of several setters the one that came last counts.
  virtual void set_heartbeat(const void* /*setter*/, Heartbeat /*heartbeat*/) {}
  /// [any] The setter is gone.
  virtual void end_heartbeat(const void* /*setter*/) {}
};

}  // namespace broadcast
