#pragma once
// A server that behaves as Kiwoom's does, over real TLS with an authority of its own, and
// misbehaves as it is told: REST and WebSocket on one port of this machine. Told by JSON, from C++
// and, through kiwoom_stand_in, from Python. A thread of its own.
//
//   {"do":"set", ...}             settings, below
//   {"do":"kill_token"}           as if somebody else had issued one
//   {"do":"fault", "faults":[..]} what the next REST answers have: path (only there), status, body,
//                                 delay_ms, never (no answer), pad (bytes), close (after it)
//   {"do":"cut", "after":n}       the next connection is cut after n bytes of TLS from here
//   {"do":"send", "text":..}      to every session that is logged in
//   {"do":"send_binary", "text":..}
//   {"do":"real", "type", "item", "values"}  to those that have registered it
//   {"do":"answer_late"}          what was kept back while `reg` was late
//   {"do":"take_over"}            SYSTEM R10001 to all, and the end of their connections
//   {"do":"drop"}                 all connections end without a word
//   {"do":"wait", "stat":name, "at_least":n}  answered when that is so
//   {"do":"stats"}
//
// It knows the sectors 001 (KOSPI, about 2600), 101 (KOSDAQ, 850) and 201 (KOSPI 200, 350).
// Settings: secret, token_life_s, issue_style (new: kills the older token; same: inside its life
// the same one again), killed_style (return_code, 401), killed (the body that refuses a token),
// now_ns (0: the clock), limit (a second; 0: none), limit_style (429, return_code), unknown (codes
// without a row), rows ({code: {field: text}}), row_limit, ping_ms (0: none), login (ok, refuse,
// silent), reg (ok; silent: nothing is done; lost: done and never answered; late: done, and
// answered when it is told to), reg_refuse (items), rate (REAL messages a second over all
// registered tickers). Every command is answered with the stats.

#include <cstdint>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/kiwoom/certificates.hpp"

namespace broadcast::test {

class KiwoomStandIn {
 public:
  /// `certificate` is shown to clients.
  explicit KiwoomStandIn(const Certificate& certificate);
  ~KiwoomStandIn();
  KiwoomStandIn(const KiwoomStandIn&) = delete;
  KiwoomStandIn& operator=(const KiwoomStandIn&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// [any] Waits for it to be done.
  nlohmann::json control(nlohmann::json command);

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace broadcast::test
