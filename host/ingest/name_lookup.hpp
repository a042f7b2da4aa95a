#pragma once
// The addresses of a name, looked up on a thread of its own that nobody waits for: getaddrinfo
// cannot be broken off, and with a dead name server takes half a minute, for which Asio's resolver
// would hold up the end of the host. Owned by a socket. [ingest]

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

namespace broadcast {

class NameLookup {
 public:
  using Done =
      std::function<void(boost::system::error_code, std::vector<boost::asio::ip::tcp::endpoint>)>;

  /// Calls `done` on `io`, unless it is cancelled before.
  NameLookup(boost::asio::io_context& io, std::string host, std::uint16_t port, Done done);
  /// REQUIRES: cancelled, or done.
  ~NameLookup() = default;
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;

  /// `io` may end then.
  void cancel();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace broadcast
