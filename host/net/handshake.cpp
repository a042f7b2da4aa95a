// One file: a handshake from its accept to its answer, with every way in which it can fail.
#include "host/net/handshake.hpp"

#include <algorithm>
#include <cerrno>
#include <span>
#include <sstream>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>

#include "host/net/door_log.hpp"
#include "host/net/kernel_tls.hpp"
#include "host/net/listen_sockets.hpp"
#include "host/net/shard.hpp"
#include "host/wire/http_rules.hpp"
#include "host/wire/proxy_protocol.hpp"

namespace broadcast {

namespace {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kHeaderBytes = 8 * 1024;
constexpr std::size_t kReadBytes = 2048;
/// Each costs more than its bytes. Browsers behind two proxies send about thirty.
constexpr std::size_t kMostHeaders = 100;
constexpr std::size_t kShownTarget = 256;
constexpr std::chrono::seconds kAnswerWithin{4};
/// Those who stay behind their answer hold a descriptor, and count to no address any more. Beyond
/// so many at one listener, the one that was answered first ends.
constexpr std::size_t kMostAnswered = 64;
constexpr std::string_view kUnix = "unix";

std::string text_of(const Handshake::Peer& peer) {
  return peer ? broadcast::text_of(*peer) : std::string(kUnix);
}

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

bool is_for_page(const http::request_header<>& request) {
  return (request.method() == http::verb::get || request.method() == http::verb::head) &&
         path_of(request.target()) == "/" && request.find(http::field::upgrade) == request.end();
}

bool says_for_whom(const http::request_header<>& request) {
  return request.count(http::field::forwarded) > 0 || request.count("X-Forwarded-For") > 0;
}

/// On this machine or its own network, where proxies are. Others make such headers up.
bool is_near(const Handshake::Peer& peer) {
  static const Networks kPrivate(std::vector<std::string>{
      "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7"});
  return !peer || kPrivate.contains(peer->address());
}

}  // namespace

Handshakes::Handshakes(boost::asio::io_context& io, std::function<void()> on_room)
    : io_(io), on_room_(std::move(on_room)) {}

void Handshakes::abandon() {
  on_room_ = nullptr;
  tls_turns_.clear();
}

void Handshakes::answer(Handshake& handshake) {
  handshake.unlink();
  answered_.push_back(handshake);
  if (answered_.size() <= kMostAnswered) return;
  Handshake& first = answered_.front();
  answered_.pop_front();
  first.end();
}

void Handshakes::on_tick(MonoTime now, bool makes_room) {
  bool ends_silent = makes_room;
  for (auto at = open_.begin(); at != open_.end();) {  // the oldest first
    Handshake& handshake = *at++;
    // One a tick, or a burst of slow clients would go with those who only hold the door.
    if (ends_silent && handshake.end_if_silent()) ends_silent = false;
    handshake.end_if_late(now);
  }
  for (auto at = answered_.begin(); at != answered_.end();) {
    Handshake& handshake = *at++;
    if (makes_room) handshake.end_if_answered();  // whoever was refused and stays takes room
    handshake.end_if_late(now);
  }
}

void Handshakes::forgive(std::chrono::nanoseconds pause) {
  for (List* const list : {&open_, &answered_}) {
    for (Handshake& handshake : *list) handshake.forgive(pause);
  }
}

void Handshakes::post_tls_turn(std::shared_ptr<Handshake> handshake) {
  handshake->queued_at_ = mono_now();
  tls_turns_.push_back(std::move(handshake));
  if (tls_turns_.size() > 1) return;
  boost::asio::post(io_, [self = tls_turns_.front()->all_] { self->take_tls_turn(); });
}

/// One computes for half a millisecond, or more with a long key. Deliveries come between two.
void Handshakes::take_tls_turn() {
  if (tls_turns_.empty()) return;
  const std::shared_ptr<Handshake> next = std::move(tls_turns_.front());
  tls_turns_.pop_front();
  next->take_tls_turn();
  if (tls_turns_.empty()) return;
  boost::asio::post(io_, [self = tls_turns_.front()->all_] { self->take_tls_turn(); });
}

Handshake::Handshake(std::shared_ptr<Handshakes> all, Shard& shard, const HandshakeRules& rules,
                     const Limits& limits, Admission& admission, StreamSocket socket, Peer peer,
                     bool is_proxied, std::optional<Admission::Place> place)
    : all_(std::move(all)),
      shard_(shard),
      rules_(rules),
      admission_(admission),
      socket_(std::move(socket)),
      is_proxied_(is_proxied),
      peer_(std::move(peer)),
      place_(std::move(place)),
      until_(mono_now() + limits.handshake) {
  all_->open_.push_back(*this);
  ++all_->count_;
}

Handshake::~Handshake() {
  --all_->count_;
  if (all_->on_room_) all_->on_room_();
}

/// `why` is only called where the log has a line about it.
template <class Why>
void Handshake::note_refusal(Counter reason, Why why) {
  shard_.counters().add(reason);
  shard_.doors().refused(
      reason, [&] { return text_of(peer_) + ": " + why() + asked(); }, mono_now());
}

void Handshake::start() {
  if (rules_.proxy_protocol) {
    if (!is_proxied_) {
      return refuse({403,
                     Counter::kHandshakeProxy,
                     "Only the proxies of this host connect here (server.trusted_proxies)",
                     {}});
    }
    return read_proxy_header();
  }
  begin();
}

/// Its socket has something, or takes something. The time in the queue was the host's.
void Handshake::take_tls_turn() {
  if (!socket_.is_open()) return on_no_request();
  until_ += mono_now() - queued_at_;
  const std::span<char> buffer = shard_.sealed_buffer().first(kHeaderBytes);
  const ssize_t count = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  const bool has_nothing = count < 0 && (errno == EAGAIN || errno == EINTR);
  if (count <= 0 && !has_nothing) return on_no_request();
  if (has_nothing && is_tls_done_) return read();
  const std::string_view bytes(buffer.data(),
                               static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (!has_spoken_ && begins_with_proxy_header(bytes)) {
    tls_.reset();  // nothing of it is known to the client yet
    return refuse_proxy_header();
  }
  if (!has_nothing) {
    has_spoken_ = true;
    tls_->feed(bytes);
  }
  go_on_with_tls();
}

void Handshake::turn_away(const Admission::Refusal& full) {
  shard_.counters().add(full.limit);
  std::string text = "Try again later: " + std::string(full.text);
  if (!rules_.tls || tls_) return refuse({503, full.reason, std::move(text), {}});
  note_refusal(full.reason, [&] { return text; });  // to tell the client would cost a handshake
  end();
}

void Handshake::end_if_late(MonoTime now) {
  if (now < until_) return;
  is_late_ = true;
  end();
}

void Handshake::end_if_answered() {
  if (is_answered_) end();
}

void Handshake::end() {
  error_code ignored;
  socket_.close(ignored);
}

bool Handshake::end_if_silent() {
  error_code ignored;
  const bool has_spoken = has_spoken_ || parser_.got_some() || buffer_.size() > 0;
  if (has_spoken || is_late_ || socket_.available(ignored) > 0) return false;
  end_if_late(until_);
  return true;
}

void Handshake::read_proxy_header() {
  socket_.async_read_some(buffer_.prepare(kMostProxyHeader - buffer_.size()),
                          [self = shared_from_this()](error_code error, std::size_t bytes) {
                            self->buffer_.commit(bytes);
                            if (error || self->is_late_) return self->on_no_request();
                            self->on_proxy_bytes();
                          });
}

void Handshake::on_proxy_bytes() {
  const auto bytes = buffer_.data();
  const auto result = parse_proxy_header({static_cast<const char*>(bytes.data()), bytes.size()});
  if (std::holds_alternative<ProxyHeaderIncomplete>(result)) return read_proxy_header();
  if (const auto* const fault = std::get_if<ProxyHeaderFault>(&result)) {
    return refuse({400,
                   Counter::kHandshakeProxy,
                   "server.proxy_protocol is on, but " + std::string(fault->text),
                   {}});
  }
  const auto& header = std::get<ProxyHeader>(result);
  buffer_.consume(header.bytes);
  has_spoken_ = true;
  is_nameless_ = !header.source;
  if (header.source) peer_ = tcp::endpoint(header.source->address, header.source->port);
  begin();
}

void Handshake::begin() {
  if (!rules_.tls) return buffer_.size() > 0 ? parse() : read();
  error_code ignored;
  socket_.native_non_blocking(true, ignored);
  tls_ = std::make_unique<TlsSession>(rules_.tls, socket_.native_handle(), &kernel_tls());
  if (buffer_.size() == 0) return read();
  const auto bytes = buffer_.data();
  const std::string behind_proxy_header(static_cast<const char*>(bytes.data()), bytes.size());
  buffer_.clear();
  tls_->feed(behind_proxy_header);
  go_on_with_tls();
}

void Handshake::wait_for(StreamSocket::wait_type what) {
  socket_.async_wait(what, [self = shared_from_this()](error_code error) {
    if (error || self->is_late_) return self->on_no_request();
    self->all_->post_tls_turn(self);
  });
}

/// With what it was fed, all of which is used up.
void Handshake::go_on_with_tls() {
  if (!is_tls_done_ && !try_shake_hands()) return;
  while (true) {
    const auto room = buffer_.prepare(kHeaderBytes);
    const auto [what, count] = tls_->open({static_cast<char*>(room.data()), room.size()});
    if (what == TlsSession::Opened::kNothing) break;
    if (what != TlsSession::Opened::kBytes) return on_no_request();
    buffer_.commit(count);
  }
  return buffer_.size() > 0 ? parse() : read();
}

/// False: it is not done yet, or never will be.
bool Handshake::try_shake_hands() {
  switch (tls_->handshake()) {
    case TlsSession::Handshake::kDone:
      is_tls_done_ = true;
      return true;
    case TlsSession::Handshake::kWantsToRead:
      wait_for(StreamSocket::wait_read);
      return false;
    case TlsSession::Handshake::kWantsToWrite:
      wait_for(StreamSocket::wait_write);
      return false;
    case TlsSession::Handshake::kIsHttp:
      tls_.reset();
      refuse({400, Counter::kHandshakeTls, "TLS is spoken here: use wss:// or https://", {}});
      return false;
    case TlsSession::Handshake::kFailed:
      break;
  }
  note_refusal(Counter::kHandshakeTls, [this] { return "no TLS handshake: " + tls_->problem(); });
  place_.reset();
  all_->answer(*this);
  until_ = mono_now() + kAnswerWithin;
  stay_for_the_end();
  return false;
}

/// More of the request.
void Handshake::read() {
  if (tls_) return wait_for(StreamSocket::wait_read);
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](error_code error, std::size_t bytes) {
                            self->buffer_.commit(bytes);
                            if (error) return self->on_read_error(error);
                            self->parse();
                          });
}

void Handshake::on_read_error(error_code error) {
  const bool is_cut_off = error == boost::asio::error::eof && parser_.got_some();
  if (is_cut_off) return on_read(http::error::partial_message);
  on_no_request();
}

void Handshake::parse() {
  error_code error;
  parser_.header_limit(kHeaderBytes);
  buffer_.consume(parser_.put(buffer_.data(), error));
  if (error == http::error::need_more) return read();
  on_read(error);
}

/// Whose connection it is, as the request and the proxies say. False: it has been turned away.
bool Handshake::find_client(const http::request_header<>& request) {
  source_ = source_of(request, peer_ ? std::optional(peer_->address()) : std::nullopt,
                      is_nameless_ ? Networks() : rules_.trusted_proxies);
  if (!is_proxied_ && is_near(peer_) && says_for_whom(request)) {
    shard_.doors().not_believed(text_of(peer_), mono_now());
  }
  if (source_.is_contradictory) shard_.doors().contradiction(text_of(peer_), mono_now());
  const bool is_another = source_.address && (!peer_ || *source_.address != peer_->address());
  if (is_another) peer_ = tcp::endpoint(*source_.address, 0);
  if (!is_proxied_ || !peer_) return true;  // it was counted when it came
  const auto full = admission_.try_count(*place_, peer_->address());
  if (full) turn_away(*full);
  return !full;
}

/// Nobody is there to be answered, or it came too late.
void Handshake::on_no_request() {
  if (is_late_) {  // closed, even if its request came in the same moment
    shard_.counters().add(Counter::kLimitHandshake);
    return note_refusal(Counter::kHandshakeTimeout,
                        [] { return "no HTTP request in time (limits.handshake)"; });
  }
  note_refusal(Counter::kHandshakeGone, [] { return ""; });
}

void Handshake::on_read(error_code error) {
  if (is_late_) return on_no_request();
  if (error == http::error::header_limit) {
    return refuse({431, Counter::kHandshakeTooLarge, "The headers are too large", {}});
  }
  if (error && !rules_.proxy_protocol && begins_with_proxy_header(buffered())) {
    return refuse_proxy_header();
  }
  if (error) {
    return refuse({400,
                   speaks_tls() ? Counter::kHandshakeTls : Counter::kHandshakeNotHttp,
                   "Not an HTTP request: " + error.message(),
                   {}});
  }
  const auto& request = parser_.get();
  if (!find_client(request)) return;
  if (std::ranges::distance(request) > static_cast<std::ptrdiff_t>(kMostHeaders)) {
    return refuse({431, Counter::kHandshakeTooLarge, "There are too many headers", {}});
  }
  if (const auto fault = framing_fault(request)) {
    return refuse({fault->status, Counter::kHandshakeBadRequest, std::string(fault->text), {}});
  }
  if (has_unknown_expectation(request)) {
    return refuse({417, Counter::kHandshakeExpectation, "Expect may only be 100-continue", {}});
  }
  if (!rules_.page.empty() && is_for_page(request)) return send_page();
  if (!rules_.path.empty() && path_of(request.target()) != rules_.path) {
    return refuse({404, Counter::kHandshakePath, "The WebSocket endpoint is " + rules_.path, {}});
  }
  UpgradeVerdict verdict = check_upgrade(request, rules_.pages, is_from_here(), source_.host);
  if (!verdict.accepted()) return refuse(std::move(verdict.refusal));
  if (shard_.is_closing()) {
    return refuse({503, Counter::kHandshakeShutdown, "The server is shutting down", {}});
  }
  if (!rules_.deflate) verdict.deflate.reset();
  accept(verdict);
}

void Handshake::accept(const UpgradeVerdict& verdict) {
  const auto first = buffer_.data();  // what a hasty client sent behind its request
  shard_.adopt({.socket = socket_.release(),
                .tls = std::move(tls_),
                .place = *std::move(place_),
                .network = peer_ ? network_of(peer_->address()).to_string() : std::string(kUnix),
                .peer = is_proxied_ ? text_of(peer_) : "",
                .deflate = verdict.deflate,
                .response = switching_protocols(verdict),
                .first_topics = subscribe_topics_of(parser_.get().target()),
                .first_bytes = {static_cast<char*>(first.data()), first.size()}});
}

void Handshake::refuse(UpgradeRefusal refusal) {
  note_refusal(refusal.reason, [&] { return std::to_string(refusal.status) + " " + refusal.text; });
  response_.result(refusal.status);
  for (const auto& [name, value] : refusal.headers) response_.set(name, value);
  if (refusal.status == 503) response_.set(http::field::retry_after, "1");
  response_.set(http::field::content_type, "text/plain; charset=utf-8");
  response_.body() = std::move(refusal.text) + "\n";
  send();
}

/// What it asked for, as far as that was read. Not the query string, which may hold a secret.
std::string Handshake::asked() const {
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

void Handshake::refuse_proxy_header() {
  refuse(
      {400,
       Counter::kHandshakeProxy,
       "This begins with a PROXY header, but server.proxy_protocol is off: switch it on, or have "
       "the proxy send none",
       {}});
}

std::string_view Handshake::buffered() const {
  const auto bytes = buffer_.data();
  return {static_cast<const char*>(bytes.data()), bytes.size()};
}

/// The first bytes are a ClientHello: TLS ends at a proxy, and not here.
bool Handshake::speaks_tls() const {
  constexpr std::string_view kHandshakeOfTls3 = "\x16\x03";
  return buffered().starts_with(kHandshakeOfTls3);
}

/// From this machine: to its loopback, or from the address that it was sent to. Not what a proxy
/// passes on as bytes, and no page comes by a Unix socket but through a proxy.
bool Handshake::is_from_here() {
  if (!peer_ || rules_.proxy_protocol) return false;
  const auto local = local_address_of(socket_.native_handle());
  if (!local) return false;
  const auto address = local->address();
  const bool is_v4 = address.is_v6() && address.to_v6().is_v4_mapped();
  return address == peer_->address() || address.is_loopback() ||
         (is_v4 && make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).is_loopback());
}

void Handshake::send_page() {
  shard_.counters().add(Counter::kPagesServed);
  response_.result(http::status::ok);
  response_.set(http::field::content_type, "text/html; charset=utf-8");
  response_.set(http::field::cache_control, "no-cache");
  response_.set("X-Content-Type-Options", "nosniff");
  response_.set("Content-Security-Policy", "frame-ancestors 'none'");
  response_.body() = rules_.page;
  send();
}

/// The response, and the end of the connection.
void Handshake::send() {
  place_.reset();  // for somebody who stays
  all_->answer(*this);
  response_.version(11);
  response_.keep_alive(false);
  response_.prepare_payload();
  if (parser_.get().method() == http::verb::head) response_.body().clear();
  until_ = mono_now() + kAnswerWithin;
  std::ostringstream text;
  text << response_;
  answer_ = std::move(text).str();
  if (tls_ && tls_->is_sealing()) seal_answer();
  boost::asio::async_write(socket_, boost::asio::buffer(answer_),
                           [self = shared_from_this()](error_code error, std::size_t) {
                             if (error || !self->socket_.is_open()) return;
                             const bool kernel_seals = self->tls_ && !self->tls_->is_sealing();
                             if (kernel_seals) static_cast<void>(self->tls_->try_seal_end());
                             self->stay_for_the_end();
                           });
}

void Handshake::stay_for_the_end() {
  error_code ignored;
  socket_.shutdown(StreamSocket::shutdown_send, ignored);
  is_answered_ = true;
  read_out();
}

void Handshake::seal_answer() {
  for (std::string_view rest = answer_; !rest.empty();) {
    const std::string_view record = rest.substr(0, TlsSession::kMostSealed);
    tls_->seal(record);
    rest.remove_prefix(record.size());
  }
  static_cast<void>(tls_->try_seal_end());
  answer_ = tls_->take_sealed();
}

/// Unread input would turn the close into a reset that overtakes the answer.
void Handshake::read_out() {
  socket_.async_read_some(buffer_.prepare(kHeaderBytes),
                          [self = shared_from_this()](error_code error, std::size_t) {
                            if (!error) self->read_out();
                          });
}

}  // namespace broadcast
