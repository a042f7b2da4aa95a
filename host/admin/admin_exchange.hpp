#pragma once
// One connection to the admin listener: a request, its answer, and again while it is kept alive.
// The body is read once path, token and size are good. Kept alive by its handlers; [main].

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "host/admin/admin_reply.hpp"
#include "host/admin/admin_server.hpp"
#include "host/admin/admin_stream.hpp"
#include "host/admin/routes.hpp"
#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/base/log_throttle.hpp"

namespace broadcast {

class AdminExchange;

/// What the connections share. They keep it.
struct AdminShared {
  /// References outlive it.
  AdminShared(boost::asio::io_context& context, HostView view, ProducerGate& gate,
              AdminServer::Options chosen, Counters& own)
      : io(context),
        host(std::move(view)),
        options(std::move(chosen)),
        counters(own),
        publish(gate, options.tokens) {}
  AdminShared(const AdminShared&) = delete;
  AdminShared& operator=(const AdminShared&) = delete;
  /// Counts it, and tells the log of the first one in a minute; `what` is only called then.
  void note_refusal(Counter reason, const std::function<std::string()>& what);

  boost::asio::io_context& io;
  const HostView host;
  AdminServer::Options options;
  Counters& counters;
  PublishEndpoint publish;
  std::unordered_set<AdminExchange*> open;
  LogThrottle log_throttle;
};

class AdminExchange : public std::enable_shared_from_this<AdminExchange> {
 public:
  enum class Place : std::uint8_t {
    kAny,    ///< one of admin.connections
    kProbe,  ///< beyond them: /livez and /readyz are answered, whoever else comes is told to wait
  };

  AdminExchange(std::shared_ptr<AdminShared> shared, boost::asio::ip::tcp::socket socket,
                Place place);
  ~AdminExchange() { leave(); }
  AdminExchange(const AdminExchange&) = delete;
  AdminExchange& operator=(const AdminExchange&) = delete;

  void start();
  void close();

  [[nodiscard]] Place place() const { return place_; }
  [[nodiscard]] bool is_answering() const { return answering_; }
  /// Nothing is lost if it ends: it has not sent the head of a request that may change something,
  /// nor a whole one for what not everybody may read.
  [[nodiscard]] bool is_idle() const { return !is_busy_; }
  [[nodiscard]] MonoTime waits_since() const { return waits_since_; }

 private:
  using Error = boost::system::error_code;

  void leave();
  void on_no_tls(Error error);
  void read();
  void on_head(Error error);
  void read_body();
  void on_body(Error error);
  void on_bad_request(Error error);
  [[nodiscard]] std::optional<AdminReply> refuse_head() const;
  [[nodiscard]] bool comes_from_a_page() const;
  [[nodiscard]] bool is_for_everybody() const;
  void handle();
  void operate(const Operate& wanted);
  std::function<void(AdminReply)> answer_in_time(std::string_view reason,
                                                 std::chrono::nanoseconds within);
  void give_up_after(std::chrono::nanoseconds within, std::uint64_t turn, std::string_view reason);
  void answer_turn(std::uint64_t turn, const AdminReply& reply);
  void refuse(const AdminReply& reply);
  void last_answer(const AdminReply& reply);
  void answer(const AdminReply& reply);
  void write_later(const AdminReply& reply);
  void write(const AdminReply& reply);
  void on_written(Error error);
  void say_farewell();
  void read_out();
  void note_refusal(Counter reason, const AdminReply& reply);

  const std::shared_ptr<AdminShared> shared_;
  const Place place_;
  AdminStream stream_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  Route route_;
  MonoTime waits_since_ = mono_now();
  std::uint64_t turn_ = 0;
  bool answered_ = false;
  bool answering_ = false;
  bool keep_alive_ = false;
  bool is_head_ = false;
  bool is_http_1_0_ = false;
  bool is_busy_ = false;  // with a request that it may make
  bool is_over_ = false;  // closed; what is under way ends by itself
};

}  // namespace broadcast
