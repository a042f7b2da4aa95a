#pragma once
// One WebSocket connection from its name lookup to its end: LOGIN, registrations, PING, REAL.
// Never reconnects: that is its source's business. Everything [io] but the constructor; alive while
// an operation of its own is under way.

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "plugins/io/tls_connect.hpp"
#include "plugins/price/kiwoom/kiwoom_quotes.hpp"
#include "plugins/price/kiwoom/kiwoom_registrations.hpp"

namespace broadcast {

class KiwoomSocket : public std::enable_shared_from_this<KiwoomSocket> {
 public:
  static constexpr std::size_t kMessageBytes = 1024 * 1024;
  static constexpr std::size_t kWaitingMessages = 64;

  struct Patience {
    std::chrono::nanoseconds connect;
    std::chrono::nanoseconds answer;  ///< to the upgrade and to LOGIN
    /// An answer to REG or REMOVE is told as late after `late`, and a REAL message of what was to
    /// be registered is taken in its place; after `lost` the message is sent again, which is
    /// doubled from one time to the next. Answers a minute and a half late were seen beside a feed
    /// that was well, so a missing one holds up registrations and nothing else.
    std::chrono::nanoseconds late;
    std::chrono::nanoseconds lost;
    /// Without a message of any kind, PING included, the connection is dead. The server's period is
    /// not documented (ten seconds were seen): this is several of them, and a source without data
    /// is replaced much earlier.
    std::chrono::nanoseconds silence;
  };
  enum class End {
    kBroken,
    kTokenRefused,  ///< at LOGIN
    kTakenOver,     ///< R10001: another connection with this key
  };
  struct Options {
    TlsUrl url;
    Patience patience;
    std::string token;
    std::vector<std::string> secrets;  ///< left out of every text
  };
  struct Calls {
    std::function<std::int64_t()> wall_ns;
    std::function<void()> on_ready;                           ///< logged in
    std::function<void(End, const std::string& why)> on_end;  ///< once, and nothing afterwards
    std::function<void(Quotes, const Refusals&)> on_quotes;
    std::function<void(const std::string& item)> on_item_refused;
    std::function<void(const std::string& text)> on_warning;  ///< and it goes on
  };

  /// [any] `io` outlives this.
  KiwoomSocket(IoThread& io, Options options, Calls calls);
  KiwoomSocket(const KiwoomSocket&) = delete;
  KiwoomSocket& operator=(const KiwoomSocket&) = delete;

  void start();
  /// What is to be registered, from now on or from the LOGIN on.
  void want(const Wanted& wanted);

 private:
  using WebSocket = boost::beast::websocket::stream<TlsStream>;

  void upgrade(TlsStream stream);
  void log_in();
  void read();
  void on_text(const std::string& text);
  void on_message(std::string_view trnm, const nlohmann::json& message, const std::string& text);
  void on_login(const nlohmann::json& message);
  void on_registered(std::string_view trnm, const nlohmann::json& message);
  void on_real(const nlohmann::json& message);
  void take_as_answer(const nlohmann::json& message);
  void on_system(const nlohmann::json& message);
  void refuse_one();
  void register_next();
  void send(std::string text);
  void write();
  void await_registered();
  void on_late();
  void on_lost();
  void expect(const char* what);
  void on_unanswered(std::chrono::nanoseconds patience, std::function<void()> run);
  void note_answer();
  void watch_silence(std::chrono::steady_clock::duration left);
  void end(End how, const std::string& why);

  IoThread& io_;
  const Options options_;
  const Calls calls_;
  std::optional<WebSocket> socket_;
  boost::beast::flat_buffer buffer_;
  std::deque<std::string> waiting_;  // the first one is being written
  boost::asio::steady_timer answer_timer_;
  boost::asio::steady_timer silence_timer_;
  std::chrono::steady_clock::time_point last_read_;
  KiwoomRegistrations registrations_;
  std::chrono::nanoseconds lost_patience_;
  bool is_late_ = false;  // the answer to REG or REMOVE that is waited for
  bool is_late_told_ = false;
  KiwoomReal real_;
  bool is_ready_ = false;
  bool is_over_ = false;
};

}  // namespace broadcast
