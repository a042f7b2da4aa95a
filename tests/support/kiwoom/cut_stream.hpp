#pragma once
// A TCP socket that is cut after so many bytes written: the layer below TLS.

#include <cstddef>
#include <limits>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/buffers_prefix.hpp>
#include <boost/beast/core/role.hpp>

namespace broadcast::test {

class CutStream {
 public:
  using next_layer_type = boost::asio::ip::tcp::socket;
  using lowest_layer_type = next_layer_type::lowest_layer_type;
  using executor_type = next_layer_type::executor_type;

  explicit CutStream(next_layer_type socket) : socket_(std::move(socket)) {}

  void cut_after(std::size_t bytes) { left_ = bytes; }

  executor_type get_executor() { return socket_.get_executor(); }
  next_layer_type& next_layer() { return socket_; }
  const next_layer_type& next_layer() const { return socket_; }
  lowest_layer_type& lowest_layer() { return socket_.lowest_layer(); }
  const lowest_layer_type& lowest_layer() const { return socket_.lowest_layer(); }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return socket_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    if (left_ == 0) {
      boost::system::error_code ignored;
      socket_.close(ignored);
    }
    const auto some = boost::beast::buffers_prefix(left_, buffers);
    left_ -= boost::beast::buffer_bytes(some);  // on loopback, a small write is whole
    return socket_.async_write_some(some, std::forward<Handler>(handler));
  }

 private:
  next_layer_type socket_;
  std::size_t left_ = std::numeric_limits<std::size_t>::max();
};

// How Beast ends a connection whose peer says goodbye.
inline void teardown(boost::beast::role_type, CutStream& stream, boost::system::error_code& error) {
  stream.next_layer().close(error);
}
template <class Handler>
void async_teardown(boost::beast::role_type, CutStream& stream, Handler&& handler) {
  boost::system::error_code ignored;
  stream.next_layer().close(ignored);
  boost::asio::post(stream.get_executor(), [done = std::forward<Handler>(handler)]() mutable {
    done(boost::system::error_code());
  });
}

}  // namespace broadcast::test
