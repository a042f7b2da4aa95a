#include "host/net/socket_set.hpp"

#include <cerrno>
#include <system_error>

namespace broadcast {

namespace {

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

}  // namespace

SocketSet::SocketSet(boost::asio::io_context& io)
    : set_(io, checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

void SocketSet::add(int socket, Connection& connection) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
  checked(::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
}

void SocketSet::set_interest(int socket, Connection& connection, Interest interest) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
  if (interest == Interest::kReadAndWrite) event.events |= EPOLLOUT;
  checked(::epoll_ctl(set_.native_handle(), EPOLL_CTL_MOD, socket, &event), "epoll_ctl");
}

void SocketSet::remove(int socket) {
  // Fails where it was not added: then there is nothing to remove.
  ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, socket, nullptr);
}

std::span<const SocketSet::Ready> SocketSet::ready() {
  const int count =
      ::epoll_wait(set_.native_handle(), events_.data(), static_cast<int>(events_.size()), 0);
  std::size_t filled = 0;
  for (; static_cast<int>(filled) < count; ++filled) {
    const epoll_event& event = events_[filled];
    ready_[filled] = {.connection = static_cast<Connection*>(event.data.ptr),
                      .to_read = (event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0,
                      .to_write = (event.events & EPOLLOUT) != 0};
  }
  return std::span(ready_).first(filled);
}

}  // namespace broadcast
