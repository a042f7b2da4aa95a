#pragma once
// From an address to a TLS connection whose certificate is that host's: the look-up of its name,
// TCP and the handshake have one deadline. [io]

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "plugins/io/io_thread.hpp"

namespace broadcast {

using TlsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

struct TlsUrl {
  std::string host;
  std::string port;
  std::string path;

  /// "https://host[:port]" or "wss://host[:port]/path". Throws std::invalid_argument that says what
  /// was expected.
  [[nodiscard]] static TlsUrl parse(const std::string& url, const std::string& scheme);
  /// As in the HTTP header.
  [[nodiscard]] std::string host_header() const;
};

/// The connection, or null and why there is none.
using TlsConnected = std::function<void(std::unique_ptr<TlsStream>, std::string error)>;

/// Looks the name up, connects, shakes hands: within `patience` all together. `io` outlives it.
void connect_tls(IoThread& io, const TlsUrl& url, std::chrono::nanoseconds patience,
                 TlsConnected done);

}  // namespace broadcast
