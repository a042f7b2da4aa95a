#pragma once
// One shard's acceptor, and the handshakes in progress: reads the HTTP request with Beast, upgrades
// it or answers why not, and hands the socket on. What a handshake needs is freed with it. Part of
// a Shard; [shard] unless tagged.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "host/base/clock.hpp"
#include "host/base/limits.hpp"
#include "host/base/token_bucket.hpp"
#include "host/net/admission.hpp"
#include "host/wire/origin.hpp"

namespace broadcast {

class Shard;

struct ListenerOptions {
  std::string path = "/ws";  ///< empty: any
  PageRules pages;           ///< which of them may connect
  bool deflate = true;       ///< permessage-deflate for those who offer it
  std::string page;          ///< HTML at `/`; empty: none
  std::size_t shards = 1;    ///< that share limits.handshakes and limits.accepts_per_second
};

/// In the kernel's backlog. Without descriptors an accept fails whether somebody does or not.
[[nodiscard]] bool somebody_waits(boost::asio::ip::tcp::acceptor& acceptor);

class Listener {
 public:
  Listener(boost::asio::io_context& io, Shard& shard, const ListenerOptions& options,
           const Limits& limits, Admission& admission);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// [main] With SO_REUSEPORT, so that every shard has its own. Throws boost::system::system_error.
  boost::asio::ip::tcp::endpoint bind(const boost::asio::ip::tcp::endpoint& endpoint);
  /// [main] before the shard runs: accepts from now on.
  void start();
  void stop();
  /// `options` or `limits` have changed.
  void on_limits();
  /// Ends handshakes that take too long; goes on after the process had run out of descriptors,
  /// which others than clients used up.
  void on_tick(MonoTime now);
  /// The host itself did not run for `pause`: it counts against no handshake.
  void forgive(std::chrono::nanoseconds pause);

 private:
  class Handshake;
  struct Progress;

  void accept();
  void accept_when_allowed(MonoTime now);
  void welcome(boost::asio::ip::tcp::socket socket);
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] double accepts_per_second() const;

  boost::asio::io_context& io_;
  Shard& shard_;
  const ListenerOptions& options_;
  const Limits& limits_;
  Admission& admission_;
  boost::asio::ip::tcp::acceptor acceptor_;
  TokenBucket accepts_;
  boost::asio::steady_timer next_accept_;
  const std::shared_ptr<Progress> progress_;
  bool paused_ = false;          // until the next tick
  bool waits_for_room_ = false;  // among the handshakes
};

}  // namespace broadcast
