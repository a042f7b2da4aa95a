#pragma once
// What the log says about clients that were turned away or are being closed: of each reason the
// first at once, with its address, and then a line a minute with how many more there were. How many
// exactly, the counters know. Shared by all shards; [any].

#include <array>
#include <atomic>
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
#include "host/wire/tls.hpp"

namespace broadcast {

class DoorLog {
 public:
  /// `why` is called only where a line is written; its text begins with the peer, and may quote
  /// what the client said. Those who left by themselves are not worth a line.
  template <class Why>
  void refused(Counter reason, Why why, MonoTime now) {
    if (reason == Counter::kHandshakeGone) return;
    if (const auto said = refusal_line(reason, now)) say(reason, *said, why());
  }
  /// `peer` is called only where a line is written, and says whose connection it is; empty: gone.
  /// What clients and operators wanted is not worth a line.
  template <class Peer>
  void closing(const CloseReason& reason, Peer peer, MonoTime now) {
    if (const auto said = closing_line(reason, now)) say_closing(reason, *said, peer());
  }
  /// `proxy` sends two headers that name different clients.
  void contradiction(std::string_view proxy, MonoTime now);
  /// `peer`, which is near and no trusted proxy, says for whom it speaks.
  void not_believed(std::string_view peer, MonoTime now);
  /// The first one says what `session` is encrypted with, and by whom.
  void encrypted(const TlsSession& session);
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
  [[nodiscard]] std::optional<LogThrottle::Line> closing_line(const CloseReason& reason,
                                                              MonoTime now);
  static void say_closing(const CloseReason& reason, const LogThrottle::Line& line,
                          std::string_view peer);
  static void say(Counter reason, const LogThrottle::Line& line, std::string_view why);

  Guarded<ByLevel> said_;
  std::atomic<bool> said_encryption_{false};
};

/// "192.0.2.1:4711".
[[nodiscard]] std::string text_of(const boost::asio::ip::tcp::endpoint& endpoint);
/// The address of who is connected to `socket`, "unix" for a Unix socket; empty: gone already.
[[nodiscard]] std::string peer_of(int socket);

}  // namespace broadcast
