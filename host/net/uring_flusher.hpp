#pragma once
// One submission to an io_uring for all touched connections: the sends themselves cost the same,
// but the kernel is entered once. No send waits (MSG_DONTWAIT), so all are done when the call
// returns, and nothing is in flight between two flushes. Part of a Shard; [shard].

#include <cstddef>
#include <vector>

#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "host/net/flusher.hpp"
#include "host/net/sendmsg_flusher.hpp"

namespace broadcast {

class UringFlusher final : public Flusher {
 public:
  /// Throws std::system_error where the kernel, or whoever confines the process, does not allow it.
  UringFlusher();
  ~UringFlusher() override;
  UringFlusher(const UringFlusher&) = delete;
  UringFlusher& operator=(const UringFlusher&) = delete;

  void flush(std::span<OutboxWriter* const> touched, MonoTime now) override;

 private:
  void check_that_it_works();
  void add(Connection& connection);
  void submit(MonoTime now);
  /// Hands the results out; returns how many.
  [[nodiscard]] std::size_t reap(MonoTime now);
  void give_up(int error, MonoTime now);

  io_uring ring_{};
  bool is_broken_ = false;
  std::vector<Connection*> batch_;  // null: its result is there
  std::vector<msghdr> headers_;     // of those with several pieces
  std::vector<iovec> parts_;        // of all of them
  std::size_t parts_used_ = 0;
  SendmsgFlusher rest_;
};

}  // namespace broadcast
