#include "host/net/door_log.hpp"

#include <sstream>

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "host/base/printable.hpp"

namespace broadcast {

namespace {

using boost::asio::ip::tcp;

constexpr std::size_t kShownBytes = 512;

std::string text_of(const tcp::endpoint& endpoint) {
  std::ostringstream text;
  text << endpoint;
  return text.str();
}

/// A warning where the operator can do something about it.
spdlog::level::level_enum level_of(Counter reason) {
  switch (reason) {
    case Counter::kHandshakeOrigin:
    case Counter::kHandshakeFull:
    case Counter::kHandshakeFullAddress:
    case Counter::kHandshakeDescriptors:
    case Counter::kHandshakeTls:
    case Counter::kClosedInternal:
      return spdlog::level::warn;
    default:
      return spdlog::level::info;
  }
}

std::string name_of(const char* what, Counter reason) {
  return std::string(what) + " (" + reason_word(reason) + ")";
}

}  // namespace

void DoorLog::refused(Counter reason, const tcp::endpoint& peer, std::string_view why,
                      MonoTime now) {
  if (reason == Counter::kHandshakeGone) return;
  const auto said = line(name_of("handshake refused", reason), now);
  if (!said) return;
  spdlog::log(level_of(reason), "{}: {}: {}{}", said->name, text_of(peer),
              printable(why, kShownBytes), said->more());
}

void DoorLog::closing(const CloseReason& reason, int socket, MonoTime now) {
  const bool is_wanted = reason.counter == Counter::kClosedNormal ||
                         reason.counter == Counter::kClosedAbnormal ||
                         reason.counter == Counter::kClosedShutdown;
  if (is_wanted) return;
  const auto said = line(name_of("connection closed", reason.counter), now);
  if (!said) return;
  const std::string peer = peer_of(socket);
  spdlog::log(level_of(reason.counter), "{}: {}: {} {}{}", said->name, peer.empty() ? "gone" : peer,
              reason.code, printable(reason.text, kShownBytes), said->more());
}

void DoorLog::cannot_accept(std::string_view why, MonoTime now) {
  const auto said = line("server.listen", now);
  if (!said) return;
  spdlog::error("{}: cannot accept: {}. Out of descriptors? Raise the limit (ulimit -n){}",
                said->name, why, said->more());
}

void DoorLog::on_tick(MonoTime now) {
  const auto due = said_.with_lock([now](Seldom& said) { return said.due(now); });
  for (const Seldom::Line& one : due) spdlog::info("{}{}", one.name, one.more());
}

std::string peer_of(int socket) {
  tcp::endpoint peer;
  auto size = static_cast<socklen_t>(peer.capacity());
  if (::getpeername(socket, peer.data(), &size) != 0) return {};
  peer.resize(size);
  return text_of(peer);
}

}  // namespace broadcast
