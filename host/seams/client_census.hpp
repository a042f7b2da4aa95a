#pragma once
// Which clients are behind, for operators. Implemented by host/net; handed to host/admin by
// host/app.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace broadcast {

/// One connection as it was when its shard looked.
struct ClientView {
  std::string address;                     ///< address:port of the peer
  std::size_t pending_bytes = 0;           ///< wait in its Outbox, as they count against the limit
  std::size_t pending_messages = 0;        ///< snapshots too
  std::size_t held_bytes = 0;              ///< memory for it alone
  std::chrono::milliseconds oldest{};      ///< how long the oldest of them has waited
  std::vector<std::string> subscriptions;  ///< topics and patterns, by name
};

class ClientCensus {
 public:
  virtual ~ClientCensus() = default;

  /// [any] Calls `done` once, on some shard's thread, with the `most` clients that have the most
  /// bytes pending, the slowest first. Never while the host shuts down.
  virtual void ask_slowest(std::size_t most, std::function<void(std::vector<ClientView>)> done) = 0;
  /// [any] Bytes pending in all outboxes, as of at most half a second ago.
  [[nodiscard]] virtual std::size_t pending_bytes() const = 0;
  /// [any] What limits.memory bounds, as of then.
  [[nodiscard]] virtual std::size_t held_bytes() const = 0;
  /// [any] limits.memory, in bytes, also where it is `auto`.
  [[nodiscard]] virtual std::size_t memory_limit() const = 0;
};

}  // namespace broadcast
