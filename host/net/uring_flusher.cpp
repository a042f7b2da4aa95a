#include "host/net/uring_flusher.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>

#include "host/base/assert.hpp"
#include "host/net/connection.hpp"

namespace broadcast {

namespace {

constexpr unsigned kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

void throw_if_failed(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
}

}  // namespace

UringFlusher::UringFlusher() : headers_(kBatch) {
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

void UringFlusher::write(std::span<Write> batch, MonoTime now) {
  if (is_broken_) {
    for (const Write& one : batch) write_rest(*one.connection, now);
    return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) add(batch[i], i);
  std::size_t open = batch.size();
  while (open > 0) {
    const int result = io_uring_submit_and_wait(&ring_, 1);
    if (result < 0 && result != -EINTR) return give_up(-result, batch, now);
    open -= reap(batch, now);
  }
}

void UringFlusher::add(const Write& one, std::size_t index) {
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  BROADCAST_ASSERT(entry != nullptr, "a batch is no larger than the ring");
  const int socket = one.connection->socket();
  if (one.parts.size() == 1) {
    io_uring_prep_send(entry, socket, one.parts[0].iov_base, one.parts[0].iov_len,
                       static_cast<int>(kFlags));
  } else {
    msghdr& header = headers_[index];
    header = {};
    header.msg_iov = one.parts.data();
    header.msg_iovlen = one.parts.size();
    io_uring_prep_sendmsg(entry, socket, &header, kFlags);
  }
  entry->user_data = index;
}

/// Out of memory, most likely. What was not submitted goes the other way, now and from now on.
void UringFlusher::give_up(int error, std::span<Write> batch, MonoTime now) {
  spdlog::error("io_uring failed ({}); this shard continues with sendmsg",
                std::generic_category().message(error));
  is_broken_ = true;
  static_cast<void>(reap(batch, now));
  for (const Write& one : batch) {
    if (one.connection != nullptr) write_rest(*one.connection, now);
  }
}

std::size_t UringFlusher::reap(std::span<Write> batch, MonoTime now) {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* done = nullptr;
  io_uring_for_each_cqe(&ring_, head, done) {
    ++count;
    Connection& connection = *std::exchange(batch[done->user_data].connection, nullptr);
    if (connection.on_sent(done->res, now)) write_rest(connection, now);
  }
  io_uring_cq_advance(&ring_, count);
  return count;
}

}  // namespace broadcast
