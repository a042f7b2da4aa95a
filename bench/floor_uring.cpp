// floor_uring: the floor with one submission for all subscribers.

#include <cstdio>
#include <exception>
#include <system_error>

#include <liburing.h>
#include <sys/socket.h>

#include "bench/floor.hpp"

namespace broadcast {
namespace {

constexpr unsigned kEntries = 4096;  // more subscribers are so many submissions

class UringFloor final : public Floor {
 public:
  explicit UringFloor(const Options& options) : Floor(options) {
    const int error = io_uring_queue_init(kEntries, &ring_, IORING_SETUP_SINGLE_ISSUER);
    if (error < 0) {
      throw std::system_error(-error, std::generic_category(), "io_uring is not to be had");
    }
    io_uring_register_ring_fd(&ring_);
  }
  ~UringFloor() override { io_uring_queue_exit(&ring_); }

 private:
  void send_to(std::span<const int> sockets, std::string_view frames) override {
    for (const int socket : sockets) {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      if (sqe == nullptr) {
        submit(frames.size());
        sqe = io_uring_get_sqe(&ring_);
      }
      io_uring_prep_send(sqe, socket, frames.data(), frames.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      sqe->user_data = static_cast<__u64>(socket);
      ++waiting_;
    }
    submit(frames.size());
  }

  void submit(std::size_t wanted) {
    if (waiting_ > 0) io_uring_submit(&ring_);
    while (waiting_ > 0) {  // none blocks, so all are there already
      io_uring_cqe* cqe = nullptr;
      if (io_uring_wait_cqe(&ring_, &cqe) < 0) continue;
      on_sent(static_cast<int>(cqe->user_data), cqe->res, wanted);
      io_uring_cqe_seen(&ring_, cqe);
      --waiting_;
    }
  }

  io_uring ring_{};
  std::size_t waiting_ = 0;
};

}  // namespace
}  // namespace broadcast

int main(int argc, char** argv) {
  try {
    broadcast::UringFloor(broadcast::Floor::read_options(argc, argv, "floor_uring")).run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "floor_uring: %s\n", error.what());
    return 1;
  }
}
