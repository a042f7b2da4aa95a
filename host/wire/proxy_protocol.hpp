#pragma once
// A proxy that only passes bytes on cannot say in an HTTP header whose they are: it says so in
// front of them, by the PROXY protocol of HAProxy, version 1 (a line) or 2 (binary). Values in,
// values out. Pure; [any].
//
// Source: https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include <boost/asio/ip/address.hpp>

namespace broadcast {

/// A header is no larger: so much is read before it must have ended. The addresses take 216 bytes
/// at the most; the rest is for what proxies add.
inline constexpr std::size_t kMostProxyHeader = 2048;

/// One end of a connection.
struct ProxiedPeer {
  boost::asio::ip::address address;
  std::uint16_t port = 0;
  bool operator==(const ProxiedPeer&) const = default;
};

struct ProxyHeader {
  std::size_t bytes = 0;  ///< in front of what the client has sent
  /// Who the client is; nothing: the proxy speaks for itself (its health check), or does not know.
  std::optional<ProxiedPeer> source;
};
/// It may become one when more bytes have come.
struct ProxyHeaderIncomplete {};
/// It is none.
struct ProxyHeaderFault {
  std::string_view text;  ///< static: "a PROXY header of version 1 is longer than 107 bytes"
};
using ProxyHeaderResult = std::variant<ProxyHeader, ProxyHeaderIncomplete, ProxyHeaderFault>;

/// Whoever sent it means to send one.
[[nodiscard]] bool begins_with_proxy_header(std::string_view bytes);

/// Reads the header in front of `bytes`, all that has come so far.
[[nodiscard]] ProxyHeaderResult parse_proxy_header(std::string_view bytes);

}  // namespace broadcast
