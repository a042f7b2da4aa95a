#pragma once
// One gathered write a connection: what every kernel allows. Part of a Shard; [shard].

#include <span>

#include <sys/types.h>
#include <sys/uio.h>

#include "host/net/flusher.hpp"

namespace broadcast {

/// Bytes, or an errno below zero.
[[nodiscard]] ssize_t send_parts(int socket, std::span<iovec> parts);

class SendmsgFlusher final : public Flusher {
  void write(std::span<Write> batch, MonoTime now) override;
};

}  // namespace broadcast
