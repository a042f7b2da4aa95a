// floor_epoll: the floor with one send() for each subscriber.

#include <cerrno>
#include <cstdio>
#include <exception>

#include <sys/socket.h>

#include "bench/floor.hpp"

namespace broadcast {
namespace {

class EpollFloor final : public Floor {
 public:
  using Floor::Floor;

 private:
  void send_to(std::span<const int> sockets, std::string_view frames) override {
    for (const int socket : sockets) {
      const ssize_t sent = send(socket, frames.data(), frames.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      on_sent(socket, sent < 0 ? -errno : sent, frames.size());
    }
  }
};

}  // namespace
}  // namespace broadcast

int main(int argc, char** argv) {
  try {
    broadcast::EpollFloor(broadcast::Floor::read_options(argc, argv, "floor_epoll")).run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "floor_epoll: %s\n", error.what());
    return 1;
  }
}
