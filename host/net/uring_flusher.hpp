#pragma once
// One submission to an io_uring for a batch of connections: the sends themselves cost the same, but
// the kernel is entered once. No send waits (MSG_DONTWAIT), so all are done when the call returns,
// and nothing is in flight between two batches. Part of a Shard; [shard].

#include <cstddef>
#include <vector>

#include <liburing.h>
#include <sys/socket.h>

#include "host/net/flusher.hpp"

namespace broadcast {

class UringFlusher final : public Flusher {
 public:
  /// Throws std::system_error where the kernel, or whoever confines the process, does not allow it.
  UringFlusher();
  ~UringFlusher() override;

 private:
  void check_that_it_works();
  void write(std::span<Write> batch, MonoTime now) override;
  void add(const Write& one, std::size_t index);
  /// Hands the results out, and forgets whose they are; returns how many.
  [[nodiscard]] std::size_t reap(std::span<Write> batch, MonoTime now);
  void give_up(int error, std::span<Write> batch, MonoTime now);

  io_uring ring_{};
  bool is_broken_ = false;
  std::vector<msghdr> headers_;  // of writes with several pieces
};

}  // namespace broadcast
