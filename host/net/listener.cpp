#include "host/net/listener.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <variant>

#include "host/net/listen_sockets.hpp"
#include "host/net/shard.hpp"

namespace broadcast {

namespace {

using boost::system::error_code;

/// What a listener may accept of a second at once.
double accepts_at_once(double per_second) { return std::max(1.0, per_second); }

}  // namespace

Listener::Listener(boost::asio::io_context& io, Shard& shard, const HandshakeRules& rules,
                   const Limits& limits, Admission& admission, std::size_t listeners, int socket)
    : io_(io),
      shard_(shard),
      rules_(rules),
      limits_(limits),
      admission_(admission),
      listeners_(listeners),
      is_unix_(!local_address_of(socket)),
      acceptor_(io, {is_unix_ ? AF_UNIX : AF_INET, 0}, socket),
      accepts_(accepts_at_once(accepts_per_second())),
      next_accept_(io),
      handshakes_(std::make_shared<Handshakes>(io, [this] {
        if (waits_for_room_ && has_room()) accept_when_allowed(mono_now());
      })) {}

Listener::~Listener() { handshakes_->abandon(); }

void Listener::start() { accept_when_allowed(mono_now()); }

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
  handshakes_->on_tick(now, waits_for_room_ && somebody_waits(acceptor_.native_handle()));
  if (std::exchange(paused_, false)) accept_when_allowed(now);
}

bool Listener::has_room() const {
  return handshakes_->count() < (limits_.handshakes + listeners_ - 1) / listeners_;
}

double Listener::accepts_per_second() const {
  return limits_.accepts_per_second / static_cast<double>(listeners_);
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
    if (somebody_waits(acceptor_.native_handle())) shard_.counters().add(Counter::kLimitAccepts);
    accept_when_allowed(mono_now());
  });
}

void Listener::accept() {
  acceptor_.async_accept(io_, [this](error_code error, StreamSocket socket) {
    if (error == boost::asio::error::operation_aborted) return;
    if (error) {  // what it lacks will not be there at once: on_tick() goes on
      if (somebody_waits(acceptor_.native_handle())) {
        shard_.doors().cannot_accept(::strerrordesc_np(error.value()), mono_now());
      }
      paused_ = true;
      return;
    }
    welcome(std::move(socket));
    accept_when_allowed(mono_now());
  });
}

void Listener::welcome(StreamSocket socket) {
  const Handshake::Peer peer = peer_address_of(socket.native_handle());
  if (!peer && !is_unix_) return shard_.counters().add(Counter::kHandshakeGone);
  const bool is_proxied = peer ? rules_.trusted_proxies.contains(peer->address())
                               : rules_.trusted_proxies.contains_unix();
  // Whose connection it is, a proxy says later.
  const auto counted_as = peer && !is_proxied ? std::optional(peer->address()) : std::nullopt;
  auto entered = admission_.try_enter(counted_as);
  auto* const place = std::get_if<Admission::Place>(&entered);
  const auto handshake = std::make_shared<Handshake>(
      handshakes_, shard_, rules_, limits_, admission_, std::move(socket), peer, is_proxied,
      place != nullptr ? std::optional(std::move(*place)) : std::nullopt);
  if (place != nullptr) return handshake->start();
  handshake->turn_away(std::get<Admission::Refusal>(entered));
}

}  // namespace broadcast
