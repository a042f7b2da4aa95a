#include "host/net/connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <utility>

#include <linux/sockios.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/net/door_log.hpp"
#include "host/net/frame_gather.hpp"
#include "host/net/shard.hpp"

namespace broadcast {

namespace {

/// Answers to pings that wait: a client that floods must not keep its neighbours from their turn.
constexpr std::uint32_t kMaxPongs = 32;
/// How long the peer may take to answer a close frame that it has, and a slow one to take it.
constexpr std::chrono::seconds kCloseGrace{1};

/// The peer's kernel does not have it all yet.
bool has_unacknowledged(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

/// A frame that lies there is a sign of life, whenever its turn comes.
bool has_unread(int socket) {
  int bytes = 0;
  return ::ioctl(socket, SIOCINQ, &bytes) == 0 && bytes > 0;
}

constexpr std::uint16_t kTooLargeCode = 1009;

CloseReason reason_of(std::uint16_t code, std::string_view text) {
  switch (code) {
    case 1007:
      return {code, text, Counter::kClosedNotUtf8};
    case kTooLargeCode:
      return {code, text, Counter::kClosedTooLarge};
    default:
      return {code, text, Counter::kClosedProtocolError};
  }
}

}  // namespace

/// Of what the frame reader keeps, also if its sink throws.
class UnreadCount {
 public:
  UnreadCount(Shard& shard, const FrameReader& reader)
      : shard_(shard), reader_(reader), before_(reader.heap_bytes()) {}
  ~UnreadCount() { shard_.count_held(before_, reader_.heap_bytes()); }
  UnreadCount(const UnreadCount&) = delete;
  UnreadCount& operator=(const UnreadCount&) = delete;

 private:
  Shard& shard_;
  const FrameReader& reader_;
  const std::size_t before_;
};

/// What the frame reader found, passed on.
class FrameSink {
 public:
  FrameSink(Connection& connection, MonoTime now) : connection_(connection), now_(now) {}

  bool on_message(FrameReader::MessageKind kind, std::string_view payload) {
    if (connection_.outbox_.closing()) {  // only its close frame is waited for
      connection_.reader_.skip_messages();
      return true;
    }
    if (kind == FrameReader::MessageKind::kText) {
      connection_.client_->on_text(payload, now_);
    } else {
      connection_.client_->on_binary(payload, now_);
    }
    return connection_.make_room(now_);
  }
  bool on_ping(std::string_view payload) {
    if (!connection_.takes_control_frame(now_)) return false;
    // From then on only the newest is answered, which RFC 6455 (5.5.3) allows.
    if (connection_.pongs_ < kMaxPongs) connection_.pong_ = Outbox::Ticket{};
    connection_.outbox_.push_pong(Message::frame_of(Opcode::kPong, payload), connection_.pong_);
    connection_.pongs_ = std::min(connection_.pongs_ + 1, kMaxPongs);
    return connection_.make_room(now_);
  }
  bool on_pong(std::string_view) { return connection_.takes_control_frame(now_); }
  bool on_empty_fragment() { return connection_.takes_control_frame(now_); }

 private:
  Connection& connection_;
  const MonoTime now_;
};

Connection::Connection(Shard& shard, int socket, std::unique_ptr<TlsSession> tls,
                       Admission::Place place, std::string peer,
                       const std::optional<DeflateTerms>& deflate, const Limits& limits)
    : shard_(shard),
      limits_(limits),
      proxied_peer_(peer.empty() ? nullptr : std::make_unique<const std::string>(std::move(peer))),
      socket_(socket),
      outbox_(limits, shard.counters(), shard.touched(), *this,
              deflate ? deflate->form : FrameForm::kPlain),
      tls_(tls ? std::make_unique<Tls>(Tls{.session = std::move(tls)}) : nullptr),
      control_frames_(control_frames_at_once()),
      reader_(limits.message_bytes, deflate ? &shard.inflater() : nullptr),
      place_(std::move(place)) {
  if (!tls_) return;
  shard_.count_held(0, tls_->session->idle_bytes());
  note_kept();
}

Connection::~Connection() {
  shard_.count_held(reader_.heap_bytes(), 0);
  if (tls_) shard_.count_held(tls_->session->idle_bytes() + tls_->kept_bytes, 0);
  if (socket_ >= 0) ::close(socket_);
}

void Connection::open(std::unique_ptr<Client> client, std::string_view response,
                      std::span<char> first_bytes, MonoTime now) {
  client_ = std::move(client);
  alive_ = now;
  shard_.sockets().add(socket_, *this);
  outbox_.push_reply(Message::bytes_of(response));
  client_->on_open(now);
  if (!first_bytes.empty()) receive(first_bytes, now);
}

void Connection::on_readable(MonoTime now) {
  if (is_over()) return;
  try {
    read_some(now);
  } catch (const std::exception& error) {
    spdlog::error("connection closed: {}", error.what());
    outbox_.close(kCloseInternal);
    if (tls_) tls_->session->forget_input();
  }
}

void Connection::read_some(MonoTime now) {
  // Once: then the others have their turn.
  const std::span<char> buffer = tls_ ? shard_.sealed_buffer() : shard_.receive_buffer();
  const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (count <= 0) {
    finish(outbox_.closing() ? outbox_.close_reason() : kCloseAbnormal, now);
    return;
  }
  const std::span<char> received = buffer.first(static_cast<std::size_t>(count));
  if (tls_) {
    open_received(received, now);
  } else {
    receive(received, now);
  }
}

/// All of it: what TLS still had could not be seen by the socket set.
void Connection::open_received(std::span<char> sealed, MonoTime now) {
  tls_->session->feed({sealed.data(), sealed.size()});
  while (!is_over()) {
    const auto [what, bytes] = tls_->session->open(shard_.receive_buffer());
    if (what == TlsSession::Opened::kBytes) {
      receive(shard_.receive_buffer().first(bytes), now);
    } else if (what == TlsSession::Opened::kNothing) {
      if (tls_->session->has_sealed()) outbox_.touch();  // its answer to new keys
      return note_kept();
    } else {
      // What its last messages were answered with goes out before; without TLS its end would have
      // come in another turn.
      if (what == TlsSession::Opened::kClosed) shard_.flush_touched(now);
      return finish(outbox_.closing() ? outbox_.close_reason() : kCloseAbnormal, now);
    }
  }
}

void Connection::note_kept() {
  const std::size_t before = std::exchange(tls_->kept_bytes, tls_->session->kept_bytes());
  shard_.count_held(before, tls_->kept_bytes);
}

std::string_view Connection::sealed() {
  if (tls_->sealed.empty()) {
    std::array<std::string_view, kPiecesPerWrite> pieces;
    const std::size_t count = outbox_.gather(pieces);
    std::string& plain = shard_.plain_buffer();
    plain.clear();
    for (std::size_t i = 0; i < count && plain.size() < TlsSession::kMostSealed; ++i) {
      plain += pieces[i].substr(0, TlsSession::kMostSealed - plain.size());
    }
    tls_->session->seal(plain);
    outbox_.consume(plain.size());
    tls_->sealed = tls_->session->take_sealed();
  }
  return std::string_view(tls_->sealed).substr(tls_->sent);
}

void Connection::consume(std::size_t bytes) {
  if (!is_sealing()) return outbox_.consume(bytes);
  tls_->sent += bytes;
  if (tls_->sent < tls_->sealed.size()) return;
  std::string().swap(tls_->sealed);  // an idle one has no buffer
  tls_->sent = 0;
}

void Connection::receive(std::span<char> bytes, MonoTime now) {
  if (peer_closed_ || reader_.done()) return;  // read on only to see the end
  FrameSink sink(*this, now);
  const std::uint32_t frames = reader_.frames();
  const UnreadCount count(shard_, reader_);
  const FrameReader::Result result = reader_.feed(bytes, sink);
  if (reader_.frames() != frames) alive_ = now;
  switch (result.kind) {
    case FrameReader::ResultKind::kContinue:
      return;
    case FrameReader::ResultKind::kClosed:
      peer_closed_ = true;
      if (sent_close_) return finish(outbox_.close_reason(), now);
      outbox_.close({result.code, "", Counter::kClosedNormal});
      return;
    case FrameReader::ResultKind::kError:
      if (result.code == kTooLargeCode) shard_.counters().add(Counter::kLimitMessage);
      outbox_.close(reason_of(result.code, result.text));
      return;
  }
}

bool Connection::takes_control_frame(MonoTime now) {
  shard_.counters().add(Counter::kControlFrames);
  const double rate = limits_.control_frames_per_second;
  const std::chrono::nanoseconds at_once(0);
  if (rate == 0 || control_frames_.take(rate, control_frames_at_once(), now) == at_once) {
    return true;
  }
  shard_.counters().add(Counter::kLimitControlFrames);
  outbox_.close(kCloseControlFlood);
  return false;
}

bool Connection::make_room(MonoTime now) {
  if (is_half_full()) shard_.flush_touched(now);
  return !is_over();
}

MessagePtr Connection::closing_message(const CloseReason& reason) const {
  return Message::frame_of(Opcode::kClose, close_payload(reason.code, reason.text));
}

Connection::Waiting& Connection::waiting(MonoTime now) {
  if (!waiting_) {
    waiting_ = std::make_unique<Waiting>(Waiting{.progress = now});
    shard_.put_with_waiting(*this);
  }
  return *waiting_;
}

bool Connection::begin_flush(MonoTime now) {
  outbox_.untouch();
  if (is_over() || has_nothing_to_send()) return false;
  if (outbox_.closing() && waiting(now).give_up_at == MonoTime{}) {
    waiting_->give_up_at = now + (is_shut_down_   ? shard_.drain_time()
                                  : was_emptied() ? std::chrono::nanoseconds(kCloseGrace)
                                                  : limits_.write_stall);
    shard_.doors().closing(
        outbox_.close_reason(), [this] { return peer(); }, now);
  }
  // The armed wait goes on from here, unless it comes too late for a burst.
  return !outbox_.blocked() || is_half_full();
}

bool Connection::on_sent(ssize_t result, MonoTime now) {
  if (result == -EINTR) return true;
  if (result == -EAGAIN || result == -EWOULDBLOCK) {
    outbox_.set_blocked(true);
    waiting(now);
    set_waits_writable(true);
    return false;
  }
  if (result < 0) {
    finish(outbox_.closing() ? outbox_.close_reason() : kCloseAbnormal, now);
    return false;
  }
  if (waiting_) waiting_->progress = now;
  consume(static_cast<std::size_t>(result));
  if (!has_nothing_to_send()) return true;
  outbox_.set_blocked(false);
  pongs_ = 0;
  if (!outbox_.closing()) return false;
  end_of_sending(now);
  return !is_over() && !has_nothing_to_send();
}

void Connection::on_writable(MonoTime now) {
  if (is_over()) return;
  alive_ = now;  // its pongs come behind what it has still to read; limits.write_stall watches that
  set_waits_writable(false);
  outbox_.set_blocked(false);
  if (tls_ && std::exchange(tls_->ends_later, false)) return end_of_sending(now);
  outbox_.touch();
}

void Connection::set_waits_writable(bool waits) {
  if (std::exchange(waits_writable_, waits) == waits) return;
  shard_.sockets().set_interest(
      socket_, *this, waits ? SocketSet::Interest::kReadAndWrite : SocketSet::Interest::kRead);
}

void Connection::end_of_sending(MonoTime now) {
  // Otherwise the client could not tell our end from one that somebody in between has made.
  if (tls_ && !tls_->has_ended) {
    tls_->has_ended = tls_->session->try_seal_end();
    tls_->ends_later = !tls_->has_ended;
    if (tls_->ends_later) {
      outbox_.set_blocked(true);
      waiting(now);
      return set_waits_writable(true);
    }
    if (tls_->session->has_sealed()) return;  // it is written first
  }
  if (peer_closed_) {
    finish(outbox_.close_reason(), now);
    return;
  }
  if (std::exchange(sent_close_, true)) return;
  waiting(now).answer_until = now + kCloseGrace;
  // Half-closed, not closed: unread input would turn into a reset that overtakes our close frame.
  ::shutdown(socket_, SHUT_WR);
}

void Connection::on_tick(MonoTime now) {
  if (outbox_.closing()) return close_in_time(now);
  if (!outbox_.blocked()) {
    waiting_.reset();
    shard_.put_with_idle(*this);
  } else if (now - waiting_->progress >= limits_.write_stall) {
    shard_.counters().add(Counter::kLimitWriteStall);
    outbox_.close(kCloseSlow);
  }
}

void Connection::close_in_time(MonoTime now) {
  if (waiting_->give_up_at == MonoTime{}) return;
  if (sent_close_ && has_unacknowledged(socket_)) waiting_->answer_until = now + kCloseGrace;
  if (now >= waiting_->give_up_at) return reset(now);
  if (sent_close_ && now >= waiting_->answer_until) finish(outbox_.close_reason(), now);
}

void Connection::announce_shutdown(std::chrono::milliseconds retry_after) {
  if (!is_over() && !outbox_.closing()) client_->on_shutdown(retry_after);
}

bool Connection::try_shut_down() {
  if (is_over() || outbox_.closing()) return false;
  is_shut_down_ = true;
  outbox_.close(kCloseShutdown);
  return true;
}

bool Connection::close_if_idle(std::chrono::nanoseconds idle, const CloseReason& reason,
                               MonoTime now) {
  if (is_over() || outbox_.closing() || outbox_.blocked()) return false;
  if (now - alive_ < idle || has_unread(socket_)) return false;
  outbox_.close(reason);
  return true;
}

void Connection::ping_if_silent(std::chrono::nanoseconds interval, const MessagePtr& ping,
                                MonoTime from, MonoTime now) {
  if (is_over() || outbox_.blocked() || now - alive_ < interval) return;
  if ((now - alive_) / interval != (from - alive_) / interval) outbox_.push_reply(ping);
}

void Connection::forgive(std::chrono::nanoseconds pause, MonoTime now) {
  alive_ = std::min(alive_ + pause, now);
  if (client_) client_->on_host_pause(pause, now);
  if (limits_.control_frames_per_second > 0) {
    control_frames_.give(pause, limits_.control_frames_per_second, control_frames_at_once(), now);
  }
  if (!waiting_) return;
  waiting_->progress += pause;
  if (waiting_->give_up_at != MonoTime{}) waiting_->give_up_at += pause;
  if (waiting_->answer_until != MonoTime{}) waiting_->answer_until += pause;
}

std::string Connection::peer() const { return proxied_peer_ ? *proxied_peer_ : peer_of(socket_); }

ClientView Connection::view(MonoTime now) const {
  return {.address = peer(),
          .pending_bytes = outbox_.pending_bytes(),
          .pending_messages = outbox_.pending_messages(),
          .held_bytes = held_bytes(),
          .oldest = outbox_.oldest(now),
          .subscriptions = client_->subscriptions()};
}

std::size_t Connection::held_bytes() const {
  const std::size_t of_client = client_ ? client_->held_bytes() : 0;
  const std::size_t of_tls =
      tls_ ? tls_->session->idle_bytes() + tls_->kept_bytes + sealed_bytes() : 0;
  return outbox_.own_bytes() + of_client + reader_.heap_bytes() + of_tls;
}

bool Connection::was_emptied() const {
  if (!outbox_.closing()) return false;
  const Counter why = outbox_.close_reason().counter;
  return why == Counter::kClosedSlow || why == Counter::kClosedMemory;
}

void Connection::reset(MonoTime now) {
  if (is_over()) return;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  finish(outbox_.closing() ? outbox_.close_reason() : kCloseAbnormal, now);
}

void Connection::finish(const CloseReason& reason, MonoTime now) {
  if (is_over()) return;
  shard_.sockets().remove(socket_);
  ::close(std::exchange(socket_, -1));
  if (client_) client_->on_closed(now);
  shard_.counters().add(reason.counter);
  shard_.remove(*this);
}

}  // namespace broadcast
