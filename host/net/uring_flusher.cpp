#include "host/net/uring_flusher.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>

#include "host/base/assert.hpp"
#include "host/net/connection.hpp"

namespace broadcast {

namespace {

/// Connections in one submission.
constexpr unsigned kBatch = 256;
/// Pieces in one submission.
constexpr std::size_t kParts = kBatch * 8;
static_assert(kParts >= kPiecesPerWrite);

constexpr unsigned kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

void throw_if_failed(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
}

}  // namespace

UringFlusher::UringFlusher() : headers_(kBatch), parts_(kParts) {
  batch_.reserve(kBatch);
  throw_if_failed(io_uring_queue_init(kBatch, &ring_, 0), "io_uring_setup");
  try {
    check_that_it_works();
  } catch (...) {
    io_uring_queue_exit(&ring_);
    throw;
  }
}

UringFlusher::~UringFlusher() { io_uring_queue_exit(&ring_); }

/// A filter of system calls may allow the one and not the other.
void UringFlusher::check_that_it_works() {
  io_uring_prep_nop(io_uring_get_sqe(&ring_));
  throw_if_failed(io_uring_submit_and_wait(&ring_, 1), "io_uring_enter");
  io_uring_cqe* done = nullptr;
  throw_if_failed(io_uring_peek_cqe(&ring_, &done), "io_uring_enter");
  io_uring_cqe_seen(&ring_, done);
}

void UringFlusher::flush(std::span<OutboxWriter* const> touched, MonoTime now) {
  if (is_broken_) return rest_.flush(touched, now);
  for (OutboxWriter* writer : touched) {
    auto& connection = static_cast<Connection&>(*writer);
    if (!connection.begin_flush(now)) continue;
    if (batch_.size() == kBatch || parts_used_ + kPiecesPerWrite > kParts) submit(now);
    add(connection);
  }
  submit(now);
}

void UringFlusher::add(Connection& connection) {
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  BROADCAST_ASSERT(entry != nullptr, "a batch is no larger than the ring");
  const std::size_t index = batch_.size();
  const std::span<iovec> parts = std::span(parts_).subspan(parts_used_, kPiecesPerWrite);
  const std::size_t count = gather(connection.outbox(), parts);
  if (count == 1) {
    io_uring_prep_send(entry, connection.socket(), parts[0].iov_base, parts[0].iov_len,
                       static_cast<int>(kFlags));
  } else {
    msghdr& header = headers_[index];
    header = {};
    header.msg_iov = parts.data();
    header.msg_iovlen = count;
    parts_used_ += count;
    io_uring_prep_sendmsg(entry, connection.socket(), &header, kFlags);
  }
  entry->user_data = index;
  batch_.push_back(&connection);
}

void UringFlusher::submit(MonoTime now) {
  std::size_t open = batch_.size();
  while (open > 0) {
    const int result = io_uring_submit_and_wait(&ring_, 1);
    if (result < 0 && result != -EINTR) return give_up(-result, now);
    open -= reap(now);
  }
  batch_.clear();
  parts_used_ = 0;
}

/// Out of memory, most likely. What was not submitted goes the other way, now and from now on.
void UringFlusher::give_up(int error, MonoTime now) {
  spdlog::error("io_uring failed ({}), this shard goes on with sendmsg",
                std::generic_category().message(error));
  is_broken_ = true;
  static_cast<void>(reap(now));
  for (Connection* const connection : batch_) {
    if (connection != nullptr) rest_.send(*connection, now);
  }
}

std::size_t UringFlusher::reap(MonoTime now) {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* done = nullptr;
  io_uring_for_each_cqe(&ring_, head, done) {
    ++count;
    Connection& connection = *std::exchange(batch_[done->user_data], nullptr);
    if (connection.on_sent(done->res, now)) rest_.send(connection, now);
  }
  io_uring_cq_advance(&ring_, count);
  return count;
}

}  // namespace broadcast
