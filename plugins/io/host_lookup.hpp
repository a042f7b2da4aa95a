#pragma once
// A name looked up by glibc's own threads (getaddrinfo_a). Asio's resolver would do it in a thread
// of ours, which must be joined before the library is unloaded: with a dead name server that takes
// half a minute. A lookup that is still under way when it is given up is left to glibc, with the
// few hundred bytes that it writes to.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

namespace broadcast {

class HostLookup {
 public:
  /// Starts it; `port` is a number.
  HostLookup(const std::string& host, const std::string& port);
  ~HostLookup();
  HostLookup(const HostLookup&) = delete;
  HostLookup& operator=(const HostLookup&) = delete;

  struct Found {
    std::vector<boost::asio::ip::tcp::endpoint> endpoints;
    std::string error;  ///< if there are none
  };
  /// Nothing: not finished. Ask again; nobody is woken.
  [[nodiscard]] std::optional<Found> poll() const;

 private:
  struct Request;
  std::unique_ptr<Request> request_;
};

}  // namespace broadcast
