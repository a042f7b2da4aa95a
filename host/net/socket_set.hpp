#pragma once
// The sockets of one shard's connections: an epoll set of its own, itself watched by the shard's
// io_context. A connection costs nothing here but its place in the kernel's set; what Asio keeps
// for a socket that waits is 850 bytes (docs/design/connections.md). Part of a Shard; [shard].

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <sys/epoll.h>

namespace broadcast {

class Connection;

class SocketSet {
 public:
  struct Ready {
    Connection* connection;
    bool to_read;  // or to see how it ended
    bool to_write;
  };
  enum class Interest : std::uint8_t { kRead, kReadAndWrite };

  /// Throws std::system_error if the process may have no more descriptors.
  explicit SocketSet(boost::asio::io_context& io);
  SocketSet(const SocketSet&) = delete;
  SocketSet& operator=(const SocketSet&) = delete;

  /// `connection` is named by ready() until remove(), but perhaps once more by a span that was
  /// given before. Throws std::system_error.
  void add(int socket, Connection& connection);
  /// Before `socket` is closed. That alone would not do: what writes to it in the ring holds it
  /// open for a moment more, and meanwhile ready() would name a connection that is gone.
  void remove(int socket);
  /// Added sockets wait to be read.
  void set_interest(int socket, Connection& connection, Interest interest);
  /// Those of which something is to be done, a turn's worth; valid until the next call.
  [[nodiscard]] std::span<const Ready> ready();
  /// Calls `use(error)` once ready() has something.
  template <class F>
  void async_wait(F&& use) {
    set_.async_wait(boost::asio::posix::stream_descriptor::wait_read, std::forward<F>(use));
  }

 private:
  /// Sockets that have their turn before the shard looks at its inbox again.
  static constexpr std::size_t kTurn = 64;

  boost::asio::posix::stream_descriptor set_;
  std::array<epoll_event, kTurn> events_;
  std::array<Ready, kTurn> ready_;
};

}  // namespace broadcast
