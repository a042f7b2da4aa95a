#pragma once
// Behind a proxy every client has the proxy's address, and what a request says about the real one
// may only be believed where the proxy is the operator's own. Networks is the list of those
// (server.trusted_proxies). Values in, values out. Pure; [any].

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

namespace broadcast {

class Networks {
 public:
  Networks() = default;
  /// REQUIRES: expected_network() has nothing to say about each of `texts`.
  explicit Networks(const std::vector<std::string>& texts);

  /// An IPv4 address in IPv6 (::ffff:10.0.0.1) is that IPv4 address.
  [[nodiscard]] bool contains(const boost::asio::ip::address& address) const;
  /// Whoever connects through a Unix socket.
  [[nodiscard]] bool contains_unix() const { return contains_unix_; }
  [[nodiscard]] bool empty() const { return blocks_.empty() && !contains_unix_; }

 private:
  struct Block {
    std::array<std::uint8_t, 16> bytes;  // of an IPv4 address as IPv6 has it
    unsigned bits;                       // that count
  };
  std::vector<Block> blocks_;
  bool contains_unix_ = false;
};

/// What should stand in server.trusted_proxies instead of `text`; empty: it can stand there. An
/// address, a block of them such as 10.0.0.0/8 without bits behind its prefix, or "unix".
[[nodiscard]] std::string expected_network(std::string_view text);

}  // namespace broadcast
