#pragma once
// What accepts from one listening socket for one shard, as fast as the limits allow; the rest of
// the way in is a Handshake. Part of a Shard; [shard] unless tagged.

#include <chrono>
#include <cstddef>
#include <memory>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "host/base/clock.hpp"
#include "host/base/limits.hpp"
#include "host/base/token_bucket.hpp"
#include "host/net/admission.hpp"
#include "host/net/handshake.hpp"

namespace broadcast {

class Listener {
 public:
  /// [main] Takes over `socket`, which listens. `listeners` share limits.handshakes and
  /// limits.accepts_per_second. All references outlive it.
  Listener(boost::asio::io_context& io, Shard& shard, const HandshakeRules& rules,
           const Limits& limits, Admission& admission, std::size_t listeners, int socket);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// [main] before the shard runs: accepts from now on.
  void start();
  void stop();
  /// The rules or the limits have changed.
  void on_limits();
  /// Ends handshakes that take too long; goes on after the process had run out of descriptors,
  /// which others than clients used up.
  void on_tick(MonoTime now);
  /// The host itself did not run for `pause`: it counts against no handshake.
  void forgive(std::chrono::nanoseconds pause) { handshakes_->forgive(pause); }

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

  void accept();
  void accept_when_allowed(MonoTime now);
  void welcome(StreamSocket socket);
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] double accepts_per_second() const;

  boost::asio::io_context& io_;
  Shard& shard_;
  const HandshakeRules& rules_;
  const Limits& limits_;
  Admission& admission_;
  const std::size_t listeners_;
  const bool is_unix_;
  Acceptor acceptor_;
  TokenBucket accepts_;
  boost::asio::steady_timer next_accept_;
  const std::shared_ptr<Handshakes> handshakes_;
  bool paused_ = false;          // until the next tick
  bool waits_for_room_ = false;  // among the handshakes
};

}  // namespace broadcast
