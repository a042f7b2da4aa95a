#pragma once
// The bytes of one connection to the admin listener, plain or by TLS, and its deadline: what Beast
// reads requests from and writes answers to, the same for both. Owned by an AdminExchange; [main].

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "host/wire/tls.hpp"

namespace broadcast {

/// Models Asio's AsyncReadStream and AsyncWriteStream.
class AdminStream {
 public:
  using executor_type = boost::beast::tcp_stream::executor_type;

  /// No `tls`: plain. Throws std::bad_alloc.
  AdminStream(boost::asio::ip::tcp::socket socket, std::shared_ptr<const TlsContext> tls)
      : tcp_(std::move(socket)), context_(std::move(tls)) {
    if (context_) tls_.emplace(tcp_, context_->new_session());
  }

  [[nodiscard]] executor_type get_executor() { return tcp_.get_executor(); }
  [[nodiscard]] boost::asio::ip::tcp::socket& socket() { return tcp_.socket(); }
  [[nodiscard]] bool is_tls() const { return tls_.has_value(); }
  /// Of what is begun from now on.
  void expires_after(std::chrono::nanoseconds duration) { tcp_.expires_after(duration); }
  void expires_never() { tcp_.expires_never(); }
  void close() { tcp_.close(); }

  /// Before anything else. REQUIRES: is_tls().
  template <class Handler>
  void async_handshake(Handler handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::move(handler));
  }
  /// Says that nothing follows, and calls `handler` at once if it is plain.
  template <class Handler>
  void async_end(Handler handler) {
    if (!tls_) return handler(boost::system::error_code());
    tls_->async_shutdown(std::move(handler));
  }
  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      tcp_.async_read_some(buffers, std::forward<Handler>(handler));
    }
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_write_some(buffers, std::forward<Handler>(handler));
    } else {
      tcp_.async_write_some(buffers, std::forward<Handler>(handler));
    }
  }
  /// Below TLS: whoever spoke plain HTTP is told so, and what comes behind the end is thrown away.
  [[nodiscard]] boost::beast::tcp_stream& tcp() { return tcp_; }

 private:
  boost::beast::tcp_stream tcp_;
  const std::shared_ptr<const TlsContext> context_;
  std::optional<boost::asio::ssl::stream<boost::beast::tcp_stream&>> tls_;
};

}  // namespace broadcast
