#pragma once
// The admin listener: HTTP for producers and operators, on the control thread. This is who gets in;
// a connection is an admin_exchange. Which path goes where, routes knows; what is answered,
// publish_endpoint, operator_view and metrics. Owned by app/server; [main].

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "host/admin/operator_view.hpp"
#include "host/admin/publish_endpoint.hpp"
#include "host/base/clock.hpp"
#include "host/wire/tls.hpp"

namespace broadcast {

class AdminServer {
 public:
  /// Connections beyond the limit that stay until they have asked, and been answered: what probes
  /// ask, or to wait. The newest takes the place of the oldest.
  static constexpr std::size_t kProbes = 16;

  struct Options {
    boost::asio::ip::tcp::endpoint listen;
    int passed = -1;                        ///< not -1: this socket, which listens, instead
    std::shared_ptr<const TlsContext> tls;  ///< of connections from now on; null: plain
    std::vector<AdminToken> tokens;
    std::size_t body_bytes = 256 * 1024;
    std::chrono::nanoseconds answer_within = std::chrono::seconds(5);   ///< then 504
    std::chrono::nanoseconds operate_within = std::chrono::minutes(2);  ///< the same for operators
    std::chrono::nanoseconds after_a_guess = std::chrono::seconds(1);  ///< is told that it is wrong
    std::chrono::nanoseconds idle = std::chrono::seconds(60);  ///< of a kept-alive connection
    std::size_t connections = 256;  ///< at once; beyond them idle ones end, then new ones wait
  };

  /// Binds and listens. Throws std::runtime_error naming the address and the reason. References
  /// outlive the server, and `io` outlives every topic owner's last verdict.
  AdminServer(boost::asio::io_context& io, HostView host, ProducerGate& gate, Options options,
              Counters& counters);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const;
  /// From now on: `tls`, `tokens`, `body_bytes` and `connections` of them.
  void set_limits(Options options);
  /// Now and then: says in the log what was kept back of refusals.
  void on_tick(MonoTime now);
  void stop_accepting();
  /// Some producer has sent a request and has not had the whole answer.
  [[nodiscard]] bool is_answering() const;
  /// Accepts no more, and ends what is open.
  void stop();

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace broadcast
