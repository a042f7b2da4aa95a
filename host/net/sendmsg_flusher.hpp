#pragma once
// One gathered sendmsg a connection: what every kernel allows, and what goes on where a ring has
// left something over. Part of a Shard, or of its UringFlusher; [shard].

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include <sys/uio.h>

#include "host/net/flusher.hpp"

namespace broadcast {

class Connection;

/// What one system call takes at most.
inline constexpr std::size_t kPiecesPerWrite = 64;

/// Fills `parts` from the front of the queue; returns how many.
[[nodiscard]] std::size_t gather(const Outbox& outbox, std::span<iovec> parts);

class SendmsgFlusher final : public Flusher {
 public:
  void flush(std::span<OutboxWriter* const> touched, MonoTime now) override;
  /// Sends until nothing waits or the socket takes no more. REQUIRES: something waits.
  void send(Connection& connection, MonoTime now);

 private:
  std::array<iovec, kPiecesPerWrite> parts_;
};

}  // namespace broadcast
