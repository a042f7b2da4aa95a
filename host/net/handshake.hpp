#pragma once
// One client from its accept to its answer: PROXY header, TLS, the HTTP request, and then an
// upgraded socket for its shard, a page, or why not. What a handshake needs is freed with it.
// Started by a Listener; kept alive by its handlers; [shard].

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/intrusive/list.hpp>

#include "host/base/clock.hpp"
#include "host/base/limits.hpp"
#include "host/net/admission.hpp"
#include "host/wire/forwarded.hpp"
#include "host/wire/networks.hpp"
#include "host/wire/origin.hpp"
#include "host/wire/tls.hpp"
#include "host/wire/upgrade.hpp"

namespace broadcast {

class Handshake;
class Shard;

/// TCP or Unix.
using StreamSocket = boost::asio::generic::stream_protocol::socket;

/// What a handshake goes by.
struct HandshakeRules {
  std::string path = "/ws";               ///< empty: any
  PageRules pages;                        ///< which of them may connect
  Networks trusted_proxies;               ///< they are believed whose a connection is
  bool proxy_protocol = false;            ///< every connection begins with a PROXY header
  bool deflate = true;                    ///< permessage-deflate for those who offer it
  std::string page;                       ///< HTML at `/`; empty: none
  std::shared_ptr<const TlsContext> tls;  ///< of connections from now on; null: plain
};

/// Unlinks itself.
using HandshakeHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// Those of one listener that are in progress. The last of them keeps it, so it may outlive the
/// listener.
class Handshakes {
 public:
  /// `on_room` is called when one has ended.
  Handshakes(boost::asio::io_context& io, std::function<void()> on_room);
  Handshakes(const Handshakes&) = delete;
  Handshakes& operator=(const Handshakes&) = delete;

  /// The listener is gone: nobody has another turn.
  void abandon();
  /// Also those that are being answered, or are ending.
  [[nodiscard]] std::size_t count() const { return count_; }
  /// Ends those that take too long. `makes_room`: also one that has sent nothing yet, and those
  /// that were answered and stay.
  void on_tick(MonoTime now, bool makes_room);
  /// The host itself did not run for `pause`: it counts against nobody.
  void forgive(std::chrono::nanoseconds pause);

 private:
  friend class Handshake;
  using List = boost::intrusive::list<Handshake, boost::intrusive::base_hook<HandshakeHook>,
                                      boost::intrusive::constant_time_size<false>>;

  /// `handshake` is being answered, which is its end.
  void answer(Handshake& handshake);
  /// TLS computes: one handshake a turn of the loop, and deliveries come in between.
  void post_tls_turn(std::shared_ptr<Handshake> handshake);
  void take_tls_turn();

  boost::asio::io_context& io_;
  std::function<void()> on_room_;
  List open_;  // in order of their coming, as the next
  List answered_;
  std::size_t count_ = 0;
  std::deque<std::shared_ptr<Handshake>> tls_turns_;
};

class Handshake final : public HandshakeHook, public std::enable_shared_from_this<Handshake> {
 public:
  using Peer = std::optional<boost::asio::ip::tcp::endpoint>;

  /// `peer`: the other end of `socket`; nothing: a Unix socket. `is_proxied`: it is a proxy of the
  /// operator's. No `place`: turn_away() follows. All but `limits` outlive it.
  Handshake(std::shared_ptr<Handshakes> all, Shard& shard, const HandshakeRules& rules,
            const Limits& limits, Admission& admission, StreamSocket socket, Peer peer,
            bool is_proxied, std::optional<Admission::Place> place);
  ~Handshake();
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  void start();
  /// A limit is met. At its accept, instead of start(): however long its request may take to come.
  void turn_away(const Admission::Refusal& full);

 private:
  friend class Handshakes;
  using Error = boost::system::error_code;

  // What Handshakes does with it.

  void end_if_late(MonoTime now);
  void end_if_answered();
  void end();
  /// True: it had sent nothing yet, and is ended.
  [[nodiscard]] bool end_if_silent();
  void forgive(std::chrono::nanoseconds pause) { until_ += pause; }
  void take_tls_turn();

  // In the order in which they come.

  void read_proxy_header();
  void on_proxy_bytes();
  void begin();
  void wait_for(StreamSocket::wait_type what);
  void go_on_with_tls();
  [[nodiscard]] bool try_shake_hands();
  void read();
  void on_read_error(Error error);
  void parse();
  [[nodiscard]] bool find_client(const boost::beast::http::request_header<>& request);
  void on_no_request();
  void on_read(Error error);
  void accept(const UpgradeVerdict& verdict);
  void refuse(UpgradeRefusal refusal);
  template <class Why>
  void note_refusal(Counter reason, Why why);
  [[nodiscard]] std::string asked() const;
  void refuse_proxy_header();
  [[nodiscard]] std::string_view buffered() const;
  [[nodiscard]] bool speaks_tls() const;
  [[nodiscard]] bool is_from_here();
  void send_page();
  void send();
  void stay_for_the_end();
  void seal_answer();
  void read_out();

  const std::shared_ptr<Handshakes> all_;
  Shard& shard_;
  const HandshakeRules& rules_;
  Admission& admission_;
  StreamSocket socket_;
  const bool is_proxied_;
  bool is_nameless_ = false;  // a PROXY header has said that nobody is known
  Peer peer_;                 // whose connection it is, as far as that is known
  RequestSource source_;
  boost::beast::flat_buffer buffer_;
  boost::beast::http::request_parser<boost::beast::http::empty_body> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  std::string answer_;  // that, as it is written
  std::unique_ptr<TlsSession> tls_;
  bool is_tls_done_ = false;
  std::optional<Admission::Place> place_;  // empty: it is being answered
  MonoTime until_;
  MonoTime queued_at_{};     // for its turn
  bool has_spoken_ = false;  // what was read, below its request
  bool is_late_ = false;
  bool is_answered_ = false;  // and reads on only to see the end
};

}  // namespace broadcast
