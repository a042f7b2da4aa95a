#include "host/net/frame_gather.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "host/base/assert.hpp"

namespace broadcast {

namespace {

bool is_same(const iovec& a, const iovec& b) {
  return a.iov_base == b.iov_base && a.iov_len == b.iov_len;
}

}  // namespace

std::size_t gather(const Outbox& outbox, std::span<iovec> parts) {
  std::array<std::string_view, kPiecesPerWrite> pieces;
  const std::size_t count =
      outbox.gather(std::span(pieces).first(std::min(pieces.size(), parts.size())));
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
  }
  return count;
}

FrameGather::FrameGather(std::size_t most_pieces) : parts_(most_pieces) {}

std::span<iovec> FrameGather::take(const Outbox& outbox) {
  BROADCAST_ASSERT(has_room(), "a gather without room was given an outbox");
  std::span<iovec> parts = std::span(parts_).subspan(used_);
  parts = parts.first(gather(outbox, parts));
  if (parts.size() > 1) {
    if (!std::ranges::equal(parts, last_, is_same)) {
      last_ = parts;
      joined_ = {};
    } else {
      if (joined_.iov_len == 0) joined_ = join(parts);
      parts = parts.first(1);
      parts[0] = joined_;
    }
  }
  used_ += parts.size();
  return parts;
}

std::span<iovec> FrameGather::take(std::string_view bytes) {
  BROADCAST_ASSERT(has_room(), "a gather without room was given bytes");
  last_ = {};
  parts_[used_] = {const_cast<char*>(bytes.data()), bytes.size()};
  return std::span(parts_).subspan(used_++, 1);
}

iovec FrameGather::join(std::span<const iovec> parts) {
  std::size_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  char* to = buffers_.emplace_back(std::make_unique_for_overwrite<char[]>(bytes)).get();
  const iovec joined{to, bytes};
  for (const iovec& part : parts) {
    std::memcpy(to, part.iov_base, part.iov_len);
    to += part.iov_len;
  }
  return joined;
}

void FrameGather::clear() {
  used_ = 0;
  last_ = {};
  buffers_.clear();
}

}  // namespace broadcast
