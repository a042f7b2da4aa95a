// One file: a handshake from its accept to its answer, with every way in which it can fail.
#include "host/net/listener.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/intrusive/list.hpp>
#include <poll.h>

#include "host/net/shard.hpp"
#include "host/wire/http_rules.hpp"
#include "host/wire/upgrade.hpp"

namespace broadcast {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using boost::system::error_code;
using UnsentLimit = boost::asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;
using ReusePort = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

/// A handshake as the tick sees it.
class PendingHandshake : public boost::intrusive::list_base_hook<
                             boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void end_if_late(MonoTime now) = 0;
  virtual void end_if_answered() = 0;
  virtual void end() = 0;
  /// True: it had sent nothing yet, and is ended.
  [[nodiscard]] virtual bool end_if_silent() = 0;
  virtual void forgive(std::chrono::nanoseconds pause) = 0;

 protected:
  ~PendingHandshake() = default;
};

constexpr std::size_t kHeaderBytes = 8 * 1024;
constexpr std::size_t kShownTarget = 256;
constexpr std::chrono::seconds kAnswerWithin{4};
/// Those who stay behind their answer hold a descriptor, and count to no address any more. Beyond
/// so many at one listener, the one that was answered first ends.
constexpr std::size_t kAnswered = 64;
/// What waits should wait in the Outbox, where it can still be conflated, and not in the kernel.
constexpr int kUnsentBytes = 64 * 1024;

/// What a listener may accept of a second at once.
double accepts_at_once(double per_second) { return std::max(1.0, per_second); }

std::string switching_protocols(const UpgradeVerdict& verdict) {
  std::string response =
      "HTTP/1.1 101 Switching Protocols\r\n"
      "Upgrade: websocket\r\n"
      "Connection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      verdict.accept_key + "\r\n";
  if (verdict.deflate) response += "Sec-WebSocket-Extensions: " + verdict.deflate->answer + "\r\n";
  return response += "\r\n";
}

}  // namespace

/// What outlives the listener with the handshakes in progress.
struct Listener::Progress {
  using List =
      boost::intrusive::list<PendingHandshake, boost::intrusive::constant_time_size<false>>;

  /// `pending` is being answered, which is its end.
  void answer(PendingHandshake& pending) {
    pending.unlink();
    answered.push_back(pending);
    if (answered.size() <= kAnswered) return;
    PendingHandshake& first = answered.front();
    answered.pop_front();
    first.end();
  }

  List open;                      // in order of their coming, as the next
  List answered;                  // at most kAnswered
  std::size_t count = 0;          // of both, and of those that are ending
  std::function<void()> on_room;  // accepts again
};

/// One socket from accept to the end of its HTTP part.
class Listener::Handshake final : public PendingHandshake,
                                  public std::enable_shared_from_this<Handshake> {
 public:
  Handshake(Listener& listener, tcp::socket socket, const tcp::endpoint& peer,
            std::optional<Admission::Place> place)
      : shard_(listener.shard_),
        options_(listener.options_),
        progress_(listener.progress_),
        socket_(std::move(socket)),
        peer_(peer),
        place_(std::move(place)),
        until_(mono_now() + listener.limits_.handshake) {
    progress_->open.push_back(*this);
    ++progress_->count;
  }
  ~Handshake() {
    --progress_->count;
    if (progress_->on_room) progress_->on_room();
  }
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  void read() {
    parser_.header_limit(kHeaderBytes);
    http::async_read_header(
        socket_, buffer_, parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
  }

  /// Instead of read(): a limit is met before anything is read, however long it may take to come.
  void turn_away(const Admission::Refusal& full) {
    shard_.counters().add(full.limit);
    refuse({503, full.reason, "Try again later: " + std::string(full.text), {}});
  }

  void end_if_late(MonoTime now) override {
    if (now < until_) return;
    is_late_ = true;
    end();
  }

  void end_if_answered() override {
    if (is_answered_) end();
  }

  void end() override {
    error_code ignored;
    socket_.close(ignored);
  }

  [[nodiscard]] bool end_if_silent() override {
    error_code ignored;
    const bool has_spoken = parser_.got_some() || buffer_.size() > 0 || is_late_;
    if (has_spoken || socket_.available(ignored) > 0) return false;
    end_if_late(until_);
    return true;
  }

  void forgive(std::chrono::nanoseconds pause) override { until_ += pause; }

 private:
  void on_read(error_code error) {
    if (is_late_) {  // closed, even if its request came in the same moment
      shard_.counters().add(Counter::kLimitHandshake);
      return note_refusal(Counter::kHandshakeTimeout,
                          [] { return "no HTTP request in time (limits.handshake)"; });
    }
    if (error == http::error::header_limit) {
      return refuse({431, Counter::kHandshakeTooLarge, "The headers are too large", {}});
    }
    const bool gone = error == http::error::end_of_stream ||
                      error.category() == boost::asio::error::get_system_category();
    if (error && gone) {  // nobody to answer
      return note_refusal(Counter::kHandshakeGone, [] { return ""; });
    }
    if (error) {
      return refuse({400,
                     speaks_tls() ? Counter::kHandshakeTls : Counter::kHandshakeNotHttp,
                     "Not an HTTP request: " + error.message(),
                     {}});
    }
    const auto& request = parser_.get();
    if (const auto fault = framing_fault(request)) {
      return refuse({fault->status, Counter::kHandshakeBadRequest, std::string(fault->text), {}});
    }
    if (has_unknown_expectation(request)) {
      return refuse({417, Counter::kHandshakeExpectation, "Expect may only be 100-continue", {}});
    }
    if (!options_.page.empty() && is_for_page(request)) return send_page();
    if (!options_.path.empty() && path_of(request.target()) != options_.path) {
      return refuse(
          {404, Counter::kHandshakePath, "The WebSocket endpoint is " + options_.path, {}});
    }
    UpgradeVerdict verdict = check_upgrade(request, options_.pages, is_from_here());
    if (!verdict.accepted()) return refuse(std::move(verdict.refusal));
    if (shard_.is_closing()) {
      return refuse({503, Counter::kHandshakeShutdown, "The server is shutting down", {}});
    }
    if (!options_.deflate) verdict.deflate.reset();
    accept(verdict);
  }

  void accept(const UpgradeVerdict& verdict) {
    const auto first = buffer_.data();  // what a hasty client sent behind its request
    shard_.adopt({.socket = socket_.release(),
                  .place = *std::move(place_),
                  .network = network_of(peer_.address()).to_string(),
                  .deflate = verdict.deflate,
                  .response = switching_protocols(verdict),
                  .first_topics = subscribe_topics_of(parser_.get().target()),
                  .first_bytes = {static_cast<char*>(first.data()), first.size()}});
  }

  void refuse(UpgradeRefusal refusal) {
    note_refusal(refusal.reason,
                 [&] { return std::to_string(refusal.status) + " " + refusal.text; });
    response_.result(refusal.status);
    for (const auto& [name, value] : refusal.headers) response_.set(name, value);
    if (refusal.status == 503) response_.set(http::field::retry_after, "1");
    response_.set(http::field::content_type, "text/plain; charset=utf-8");
    response_.body() = std::move(refusal.text) + "\n";
    send();
  }

  /// `why` is only called where the log has a line about it.
  template <class Why>
  void note_refusal(Counter reason, Why why) {
    shard_.counters().add(reason);
    shard_.doors().refused(
        reason, peer_, [&] { return why() + asked(); }, mono_now());
  }

  /// What it asked for, as far as that was read. Not the query string, which may hold a secret.
  [[nodiscard]] std::string asked() const {
    if (!parser_.is_header_done()) return {};
    const auto& request = parser_.get();
    std::string text = ". It asked for ";
    const std::string_view target = request.target();
    text.append(request.method_string()).append(" ");
    text.append(path_of(target.substr(0, kShownTarget)));
    for (const http::field name : {http::field::host, http::field::origin}) {
      if (request.count(name) == 0) continue;
      text.append(", ").append(http::to_string(name)).append(": ").append(request[name]);
    }
    return text;
  }

  /// The first bytes are a ClientHello: TLS ends at a proxy, and not here.
  [[nodiscard]] bool speaks_tls() const {
    constexpr std::string_view kHandshakeOfTls3 = "\x16\x03";
    const auto bytes = buffer_.data();
    return std::string_view(static_cast<const char*>(bytes.data()), bytes.size())
        .starts_with(kHandshakeOfTls3);
  }

  /// From this machine: to its loopback, or from the address that it was sent to.
  [[nodiscard]] bool is_from_here() const {
    error_code ignored;
    const auto address = socket_.local_endpoint(ignored).address();
    const bool is_v4 = address.is_v6() && address.to_v6().is_v4_mapped();
    return address == peer_.address() || address.is_loopback() ||
           (is_v4 && make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).is_loopback());
  }

  [[nodiscard]] static bool is_for_page(const http::request_header<>& request) {
    return (request.method() == http::verb::get || request.method() == http::verb::head) &&
           path_of(request.target()) == "/" && request.find(http::field::upgrade) == request.end();
  }

  void send_page() {
    shard_.counters().add(Counter::kPagesServed);
    response_.result(http::status::ok);
    response_.set(http::field::content_type, "text/html; charset=utf-8");
    response_.set(http::field::cache_control, "no-cache");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set("Content-Security-Policy", "frame-ancestors 'none'");
    response_.body() = options_.page;
    send();
  }

  /// The response, and the end of the connection.
  void send() {
    place_.reset();  // for somebody who stays
    progress_->answer(*this);
    response_.version(11);
    response_.keep_alive(false);
    response_.prepare_payload();
    if (parser_.get().method() == http::verb::head) response_.body().clear();
    until_ = mono_now() + kAnswerWithin;
    http::async_write(socket_, response_,
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error) return;
                        error_code ignored;
                        self->socket_.shutdown(tcp::socket::shutdown_send, ignored);
                        self->is_answered_ = true;
                        self->read_out();
                      });
  }

  /// Unread input would turn the close into a reset that overtakes the answer.
  void read_out() {
    socket_.async_read_some(buffer_.prepare(kHeaderBytes),
                            [self = shared_from_this()](error_code error, std::size_t) {
                              if (!error) self->read_out();
                            });
  }

  Shard& shard_;
  const ListenerOptions& options_;
  const std::shared_ptr<Progress> progress_;
  tcp::socket socket_;
  const tcp::endpoint peer_;
  beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
  std::optional<Admission::Place> place_;  // empty: it is being answered
  MonoTime until_;
  bool is_late_ = false;
  bool is_answered_ = false;  // and reads on only to see the end
};

bool somebody_waits(tcp::acceptor& acceptor) {
  pollfd waiting{.fd = acceptor.native_handle(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) > 0;
}

Listener::Listener(boost::asio::io_context& io, Shard& shard, const ListenerOptions& options,
                   const Limits& limits, Admission& admission)
    : io_(io),
      shard_(shard),
      options_(options),
      limits_(limits),
      admission_(admission),
      acceptor_(io),
      accepts_(accepts_at_once(accepts_per_second())),
      next_accept_(io),
      progress_(std::make_shared<Progress>()) {
  progress_->on_room = [this] {
    if (waits_for_room_ && has_room()) accept_when_allowed(mono_now());
  };
}

Listener::~Listener() { progress_->on_room = nullptr; }

tcp::endpoint Listener::bind(const tcp::endpoint& endpoint) {
  acceptor_.open(endpoint.protocol());
  acceptor_.set_option(tcp::acceptor::reuse_address(true));
  acceptor_.set_option(ReusePort(true));
  // These two for what it accepts, which inherits them.
  acceptor_.set_option(tcp::no_delay(true));
  acceptor_.set_option(UnsentLimit(kUnsentBytes));
  acceptor_.bind(endpoint);
  return acceptor_.local_endpoint();
}

void Listener::start() {
  acceptor_.listen();
  accept_when_allowed(mono_now());
}

void Listener::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  next_accept_.cancel();
}

void Listener::on_limits() {
  // Whatever holds it up now, the next tick goes by them.
  if (next_accept_.cancel() > 0 || std::exchange(waits_for_room_, false)) paused_ = true;
}

void Listener::on_tick(MonoTime now) {
  bool makes_room = waits_for_room_ && somebody_waits(acceptor_);
  for (auto at = progress_->open.begin(); at != progress_->open.end();) {  // the oldest first
    PendingHandshake& handshake = *at++;
    // One a tick, or a burst of slow clients would go with those who only hold the door.
    if (makes_room && handshake.end_if_silent()) makes_room = false;
    handshake.end_if_late(now);
  }
  for (auto at = progress_->answered.begin(); at != progress_->answered.end();) {
    PendingHandshake& handshake = *at++;
    if (waits_for_room_) handshake.end_if_answered();  // whoever was refused and stays takes room
    handshake.end_if_late(now);
  }
  if (std::exchange(paused_, false)) accept_when_allowed(now);
}

void Listener::forgive(std::chrono::nanoseconds pause) {
  for (auto* list : {&progress_->open, &progress_->answered}) {
    for (PendingHandshake& handshake : *list) handshake.forgive(pause);
  }
}

bool Listener::has_room() const {
  return progress_->count < (limits_.handshakes + options_.shards - 1) / options_.shards;
}

double Listener::accepts_per_second() const {
  return limits_.accepts_per_second / static_cast<double>(options_.shards);
}

/// Who comes beyond accepts_per_second or handshakes waits in the kernel's backlog.
void Listener::accept_when_allowed(MonoTime now) {
  if (!acceptor_.is_open()) return;
  waits_for_room_ = !has_room();
  if (waits_for_room_) {
    return shard_.counters().add(Counter::kLimitHandshakes);
  }
  const double rate = accepts_per_second();
  if (rate == 0) return accept();
  const std::chrono::nanoseconds wait = accepts_.take(rate, accepts_at_once(rate), now);
  if (wait == std::chrono::nanoseconds(0)) return accept();
  next_accept_.expires_at(now + wait);
  next_accept_.async_wait([this](error_code error) {
    if (error) return;
    if (somebody_waits(acceptor_)) shard_.counters().add(Counter::kLimitAccepts);
    accept_when_allowed(mono_now());
  });
}

void Listener::accept() {
  acceptor_.async_accept(io_, [this](error_code error, tcp::socket socket) {
    if (error == boost::asio::error::operation_aborted) return;
    if (error) {  // what it lacks will not be there at once: on_tick() goes on
      if (somebody_waits(acceptor_)) {
        shard_.doors().cannot_accept(::strerrordesc_np(error.value()), mono_now());
      }
      paused_ = true;
      return;
    }
    welcome(std::move(socket));
    accept_when_allowed(mono_now());
  });
}

void Listener::welcome(tcp::socket socket) {
  error_code ignored;
  const tcp::endpoint peer = socket.remote_endpoint(ignored);
  auto entered = admission_.try_enter(peer.address());
  auto* const place = std::get_if<Admission::Place>(&entered);
  const auto handshake = std::make_shared<Handshake>(
      *this, std::move(socket), peer,
      place != nullptr ? std::optional(std::move(*place)) : std::nullopt);
  if (place != nullptr) return handshake->read();
  handshake->turn_away(std::get<Admission::Refusal>(entered));
}

}  // namespace broadcast
