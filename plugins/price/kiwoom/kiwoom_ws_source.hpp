#pragma once
// Source `kiwoom_ws`: real time. Keeps one connection logged in and registered for what is wanted,
// and comes back after a pause when it ends. [plugin]; the connection itself is KiwoomSocket.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include <broadcast/backoff.hpp>

#include "plugins/price/kiwoom/kiwoom_session.hpp"
#include "plugins/price/kiwoom/kiwoom_socket.hpp"
#include "plugins/price/source.hpp"

namespace broadcast {

class KiwoomWsSource final : public PriceSource {
 public:
  /// After R10001: whoever took over would lose the session again.
  static constexpr std::chrono::nanoseconds kTakenOverPause = std::chrono::seconds(60);
  /// Between failures; each pause is jittered.
  static constexpr Backoff::Times kRetry = {.first = std::chrono::milliseconds(500),
                                            .longest = std::chrono::seconds(30)};
  /// Who stayed logged in so long begins with the first pause again.
  static constexpr std::chrono::nanoseconds kStable = std::chrono::seconds(60);

  explicit KiwoomWsSource(std::shared_ptr<KiwoomSession> session);
  ~KiwoomWsSource() override;
  KiwoomWsSource(const KiwoomWsSource&) = delete;
  KiwoomWsSource& operator=(const KiwoomWsSource&) = delete;

  [[nodiscard]] std::string_view name() const override { return "kiwoom_ws"; }
  void start(Events events) override;
  void want(const Wanted& wanted) override;

 private:
  void connect();
  void open(const std::string& token);
  void pass_on(KiwoomSocket& socket);
  void on_ready();
  void on_end(KiwoomSocket::End how, const std::string& why, const std::string& token);
  void connect_after(std::chrono::nanoseconds pause, const std::string& why);
  [[nodiscard]] std::chrono::nanoseconds next_pause();
  [[nodiscard]] KiwoomSocket::Calls calls(const std::string& token);
  void put(Quotes quotes, const Refusals& refused);
  void deliver();

  /// What has come and waits for the broadcaster's thread: the newest of each ticker, because the
  /// topics are `latest`.
  struct Arrived {
    std::map<std::string, TickerQuote> tickers;
    std::map<std::string_view, IndexUpdate> indices;  // by key
    Refusals refused;
    bool is_posted = false;
  };

  const std::shared_ptr<KiwoomSession> session_;
  const TlsUrl url_;
  Events events_;
  std::shared_ptr<KiwoomSocket> socket_;
  std::optional<std::int64_t> ready_ns_;  // while logged in: since when
  Backoff backoff_{kRetry};
  std::optional<std::uint64_t> timer_;  // while it pauses
  std::minstd_rand random_{std::random_device()()};

  std::mutex mutex_;  // over the next ones
  Arrived arrived_;   // the I/O thread fills it
  Wanted wanted_;
  bool is_want_posted_ = false;
};

}  // namespace broadcast
