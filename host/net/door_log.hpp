#pragma once
// What the log says about clients that were turned away or are being closed: of each reason the
// first at once, with its address, and then a line a minute with how many more there were. How many
// exactly, the counters know. Shared by all shards; [any].

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/log_throttle.hpp"
#include "host/hub/close_reason.hpp"

namespace broadcast {

class DoorLog {
 public:
  /// `why` is called only where a line is written; its text may quote what the client said. Those
  /// who left by themselves are not worth a line.
  template <class Why>
  void refused(Counter reason, const boost::asio::ip::tcp::endpoint& peer, Why why, MonoTime now) {
    if (reason == Counter::kHandshakeGone) return;
    if (const auto said = refusal_line(reason, now)) say(reason, *said, peer, why());
  }
  /// `socket` still belongs to the client that is being closed. What clients and operators wanted
  /// is not worth a line.
  void closing(const CloseReason& reason, int socket, MonoTime now);
  /// A listener could not take who waits.
  void cannot_accept(std::string_view why, MonoTime now);
  /// Now and then: says what was kept back.
  void on_tick(MonoTime now);

 private:
  /// In the order of spdlog's levels from info on.
  enum class Level : std::uint8_t { kInfo, kWarning, kError };
  using ByLevel = std::array<LogThrottle, 3>;
  [[nodiscard]] static Level level_of(Counter reason);
  [[nodiscard]] std::optional<LogThrottle::Line> line(Level level, std::string_view name,
                                                      MonoTime now);
  [[nodiscard]] std::optional<LogThrottle::Line> refusal_line(Counter reason, MonoTime now);
  static void say(Counter reason, const LogThrottle::Line& line,
                  const boost::asio::ip::tcp::endpoint& peer, std::string_view why);

  Guarded<ByLevel> said_;
};

/// The address of who is connected to `socket`, empty if it is gone already.
[[nodiscard]] std::string peer_of(int socket);

}  // namespace broadcast
