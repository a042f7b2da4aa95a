#pragma once
// What touched connections are to be written, as pieces for the kernel. Subscribers of one topic
// mostly wait for the same frames: from the second connection in a row on, these are put together
// once and written as one piece. Part of a Flusher; [shard].

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <sys/uio.h>

#include "host/hub/outbox.hpp"

namespace broadcast {

/// Frames in one write.
inline constexpr std::size_t kPiecesPerWrite = 64;

/// Fills `parts` from the front of the queue; returns how many.
[[nodiscard]] std::size_t gather(const Outbox& outbox, std::span<iovec> parts);

class FrameGather {
 public:
  explicit FrameGather(std::size_t most_pieces);

  /// For another take().
  [[nodiscard]] bool has_room() const { return used_ + kPiecesPerWrite <= parts_.size(); }
  /// What waits at the front of `outbox`. Until clear() no outbox that was taken from may change.
  /// REQUIRES: has_room().
  [[nodiscard]] std::span<iovec> take(const Outbox& outbox);
  /// One piece that is this connection's alone. `bytes` outlive clear(). REQUIRES: has_room().
  [[nodiscard]] std::span<iovec> take(std::string_view bytes);
  void clear();

 private:
  [[nodiscard]] iovec join(std::span<const iovec> parts);

  std::vector<iovec> parts_;  // used_ of them
  std::size_t used_ = 0;
  std::span<const iovec> last_;  // if they were several
  iovec joined_{};               // last_ as one piece; empty: nobody else had them yet
  std::vector<std::unique_ptr<char[]>> buffers_;
};

}  // namespace broadcast
