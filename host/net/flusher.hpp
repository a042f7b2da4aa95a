#pragma once
// How a shard's touched connections are written: one system call each, or all of them with one
// submission to an io_uring. Chosen at start (`server.flush`); each shard has its own. [shard]

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "host/base/clock.hpp"
#include "host/hub/outbox.hpp"
#include "host/net/flush_mode.hpp"
#include "host/net/frame_gather.hpp"

namespace broadcast {

class Connection;

class Flusher {
 public:
  Flusher();
  virtual ~Flusher() = default;
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  /// Writes what waits in each of `touched`, as far as its socket takes it. All are Connections.
  void flush(std::span<OutboxWriter* const> touched, MonoTime now);

 protected:
  /// Connections in one call of write().
  static constexpr std::size_t kBatch = 256;
  struct Write {
    Connection* connection;
    std::span<iovec> parts;
  };
  /// Each connection is told what came of its write (on_sent()), and is written until it has
  /// enough.
  virtual void write(std::span<Write> batch, MonoTime now) = 0;
  /// Writes with sendmsg until nothing waits or the socket takes no more.
  static void write_rest(Connection& connection, MonoTime now);

 private:
  void write_batch(MonoTime now);

  FrameGather gather_;
  std::vector<Write> batch_;
};

/// [main] One for each shard, all of a kind. Without io_uring they write with sendmsg, and one line
/// in the log says why.
[[nodiscard]] std::vector<std::unique_ptr<Flusher>> make_flushers(FlushMode mode,
                                                                  std::size_t shards);

}  // namespace broadcast
