#pragma once
// Who a request is from, where proxies stand between: Forwarded (RFC 7239) or X-Forwarded-For, read
// from the right, where the nearest proxy writes, and only as far as the proxies are trusted. What
// stands further left may be made up by the client. Values in, values out. Pure; [any].

#include <optional>
#include <string>

#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include "host/wire/networks.hpp"

namespace broadcast {

struct RequestSource {
  /// Of the client, or of the last proxy that is known; nothing: it came through a Unix socket, and
  /// no proxy said from whom.
  std::optional<boost::asio::ip::address> address;
  bool is_proxied = false;  ///< a trusted proxy stands between
  /// As the client has asked for it, if a trusted proxy says so; else the Host header.
  std::string host;
  /// Both headers are there and name different clients, so neither was believed: the proxy passes
  /// one of them on as the client has sent it.
  bool is_contradictory = false;
};

/// `peer`: the other end of the socket; nothing: it is a Unix socket.
[[nodiscard]] RequestSource source_of(const boost::beast::http::request_header<>& request,
                                      const std::optional<boost::asio::ip::address>& peer,
                                      const Networks& trusted);

}  // namespace broadcast
