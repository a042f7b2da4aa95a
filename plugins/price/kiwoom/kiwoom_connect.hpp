#pragma once
// From an address to a TLS connection whose certificate is that host's. [io]

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "plugins/price/kiwoom/kiwoom_io.hpp"

namespace broadcast {

using KiwoomStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

struct KiwoomUrl {
  std::string host;
  std::string port;
  std::string path;

  /// "https://host[:port]" or "wss://host[:port]/path". Throws std::invalid_argument that says what
  /// was expected.
  [[nodiscard]] static KiwoomUrl parse(const std::string& url, const std::string& scheme);
  /// As in the HTTP header.
  [[nodiscard]] std::string host_header() const;
};

/// The connection, or null and why there is none.
using KiwoomConnected = std::function<void(std::unique_ptr<KiwoomStream>, std::string error)>;

/// Looks the name up, connects, shakes hands: within `patience` all together. `io` outlives it.
void connect_tls(KiwoomIo& io, const KiwoomUrl& url, std::chrono::nanoseconds patience,
                 KiwoomConnected done);

}  // namespace broadcast
