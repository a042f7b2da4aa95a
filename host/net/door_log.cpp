#include "host/net/door_log.hpp"

#include <array>
#include <sstream>

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "host/base/printable.hpp"

namespace broadcast {

namespace {

using boost::asio::ip::tcp;

constexpr std::size_t kShownBytes = 512;

std::string name_of(const char* what, Counter reason) {
  return std::string(what) + " (" + reason_word(reason) + ")";
}

constexpr std::array kLevels{spdlog::level::info, spdlog::level::warn, spdlog::level::err};

}  // namespace

/// A warning where the operator can do something about it.
DoorLog::Level DoorLog::level_of(Counter reason) {
  switch (reason) {
    case Counter::kHandshakeOrigin:
    case Counter::kHandshakeFull:
    case Counter::kHandshakeFullAddress:
    case Counter::kHandshakeDescriptors:
    case Counter::kHandshakeTls:
    case Counter::kHandshakeProxy:
    case Counter::kClosedInternal:
    case Counter::kClosedMemory:
      return Level::kWarning;
    default:
      return Level::kInfo;
  }
}

std::optional<LogThrottle::Line> DoorLog::line(Level level, std::string_view name, MonoTime now) {
  return said_.with_lock(
      [&](ByLevel& said) { return said.at(static_cast<std::size_t>(level)).line(name, now); });
}

std::optional<LogThrottle::Line> DoorLog::refusal_line(Counter reason, MonoTime now) {
  return line(level_of(reason), name_of("handshake refused", reason), now);
}

void DoorLog::say(Counter reason, const LogThrottle::Line& line, std::string_view why) {
  spdlog::log(kLevels.at(static_cast<std::size_t>(level_of(reason))), "{}: {}{}", line.name,
              printable(why, kShownBytes), line.more());
}

std::optional<LogThrottle::Line> DoorLog::closing_line(const CloseReason& reason, MonoTime now) {
  const bool is_wanted = reason.counter == Counter::kClosedNormal ||
                         reason.counter == Counter::kClosedAbnormal ||
                         reason.counter == Counter::kClosedShutdown;
  if (is_wanted) return std::nullopt;
  return line(level_of(reason.counter), name_of("connection closed", reason.counter), now);
}

void DoorLog::say_closing(const CloseReason& reason, const LogThrottle::Line& line,
                          std::string_view peer) {
  spdlog::log(kLevels.at(static_cast<std::size_t>(level_of(reason.counter))), "{}: {}: {} {}{}",
              line.name, peer.empty() ? "gone" : peer, reason.code,
              printable(reason.text, kShownBytes), line.more());
}

void DoorLog::contradiction(std::string_view proxy, MonoTime now) {
  const auto said = line(Level::kWarning, "server.trusted_proxies: contradictory headers", now);
  if (!said) return;
  spdlog::warn(
      "{}: {} sends Forwarded and X-Forwarded-For that name different clients, so these count as "
      "the proxy; have it delete the header that it does not write itself{}",
      said->name, proxy, said->more());
}

void DoorLog::not_believed(std::string_view peer, MonoTime now) {
  const auto said = line(Level::kWarning, "server.trusted_proxies: not believed", now);
  if (!said) return;
  spdlog::warn(
      "{}: {} sends Forwarded or X-Forwarded-For, so all who come through it count as one client; "
      "if it is your proxy, add it to server.trusted_proxies{}",
      said->name, peer, said->more());
}

void DoorLog::encrypted(const TlsSession& session) {
  if (said_encryption_.load(std::memory_order_relaxed) || said_encryption_.exchange(true)) return;
  spdlog::info(
      "server.tls: {}; {}", session.cipher(),
      session.is_sealing()
          ? "the host encrypts, because this kernel has no module tls, or it is not TLS 1.3"
          : "the kernel encrypts");
}

void DoorLog::cannot_accept(std::string_view why, MonoTime now) {
  const auto said = line(Level::kError, "server.listen: cannot accept", now);
  if (!said) return;
  spdlog::error("{}: {}. Out of descriptors? Raise the limit (ulimit -n){}", said->name, why,
                said->more());
}

void DoorLog::on_tick(MonoTime now) {
  for (std::size_t level = 0; level < kLevels.size(); ++level) {
    const auto due = said_.with_lock([&](ByLevel& said) { return said.at(level).due(now); });
    for (const LogThrottle::Line& one : due) spdlog::log(kLevels.at(level), "{}", one.rest());
  }
}

std::string text_of(const tcp::endpoint& endpoint) {
  std::ostringstream text;
  text << endpoint;
  return text.str();
}

std::string peer_of(int socket) {
  tcp::endpoint peer;
  auto size = static_cast<socklen_t>(peer.capacity());
  if (::getpeername(socket, peer.data(), &size) != 0) return {};
  if (peer.data()->sa_family == AF_UNIX) return "unix";
  peer.resize(size);
  return text_of(peer);
}

}  // namespace broadcast
