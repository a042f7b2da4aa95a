#pragma once
// How a shard's touched connections are written: one system call each, or all of them with one
// submission to an io_uring. Chosen at start (`server.flush`); each shard has its own. [shard]

#include <cstddef>
#include <memory>
#include <vector>

#include "host/base/clock.hpp"
#include "host/hub/outbox.hpp"
#include "host/net/flush_mode.hpp"

namespace broadcast {

class Flusher {
 public:
  virtual ~Flusher() = default;
  /// Writes what waits in each of `touched`, as far as its socket takes it. All are Connections.
  virtual void flush(std::span<OutboxWriter* const> touched, MonoTime now) = 0;
};

/// [main] One for each shard, all of a kind. Without io_uring they write with sendmsg, and one line
/// in the log says why.
[[nodiscard]] std::vector<std::unique_ptr<Flusher>> make_flushers(FlushMode mode,
                                                                  std::size_t shards);

}  // namespace broadcast
