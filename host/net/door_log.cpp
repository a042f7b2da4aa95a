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

std::string text_of(const tcp::endpoint& endpoint) {
  std::ostringstream text;
  text << endpoint;
  return text.str();
}

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

void DoorLog::say(Counter reason, const LogThrottle::Line& line, const tcp::endpoint& peer,
                  std::string_view why) {
  spdlog::log(kLevels.at(static_cast<std::size_t>(level_of(reason))), "{}: {}: {}{}", line.name,
              text_of(peer), printable(why, kShownBytes), line.more());
}

void DoorLog::closing(const CloseReason& reason, int socket, MonoTime now) {
  const bool is_wanted = reason.counter == Counter::kClosedNormal ||
                         reason.counter == Counter::kClosedAbnormal ||
                         reason.counter == Counter::kClosedShutdown;
  if (is_wanted) return;
  const Level level = level_of(reason.counter);
  const auto said = line(level, name_of("connection closed", reason.counter), now);
  if (!said) return;
  const std::string peer = peer_of(socket);
  spdlog::log(kLevels.at(static_cast<std::size_t>(level)), "{}: {}: {} {}{}", said->name,
              peer.empty() ? "gone" : peer, reason.code, printable(reason.text, kShownBytes),
              said->more());
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

std::string peer_of(int socket) {
  tcp::endpoint peer;
  auto size = static_cast<socklen_t>(peer.capacity());
  if (::getpeername(socket, peer.data(), &size) != 0) return {};
  peer.resize(size);
  return text_of(peer);
}

}  // namespace broadcast
