#include "tools/broadcastctl/topic_stream.hpp"

#include <atomic>
#include <csignal>
#include <thread>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "host/app/config.hpp"
#include "host/base/clock.hpp"
#include "tools/broadcastctl/terminal.hpp"
#include "tools/broadcastctl/topic_line.hpp"

namespace broadcast {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;

constexpr std::uint16_t kShutdown = websocket::close_code::going_away;
/// A broadcaster that pings closes who does not answer.
constexpr std::string_view kPing = R"("type":"ping")";
constexpr std::string_view kPong = R"({"type":"pong"})";

}  // namespace

struct TopicStream::Connection {
  Connection(const tcp::endpoint& host, const std::vector<std::string>& topics) {
    socket.next_layer().connect(host);
    socket.read_message_max(0);
    end = ::fcntl(socket.next_layer().native_handle(), F_DUPFD_CLOEXEC, 0);
    socket.handshake("localhost:" + std::to_string(host.port()), ServerConfig().path);
    send(nlohmann::json{{"type", "subscribe"}, {"topics", topics}}.dump());
    thread = std::thread([this] { run(); });
  }

  ~Connection() {
    if (end >= 0) ::close(end);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view text) { socket.write(asio::buffer(text)); }

  void run() {
    sigset_t all;  // signals are for [main]: here they would break off a read
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    boost::system::error_code error;
    for (beast::flat_buffer buffer; socket.read(buffer, error), !error; buffer.clear()) {
      const std::string message = beast::buffers_to_string(buffer.data());
      const std::string line = topic_line(message, wall_now_ns());
      if (!line.empty()) print_line(cut_to_width(line, terminal_columns()));
      if (message.find(kPing) != std::string::npos) socket.write(asio::buffer(kPong), error);
    }
    if (is_ending || socket.reason().code == kShutdown) return;
    print_line("The view has ended: " + std::string(socket.reason().reason.c_str()) + " (" +
               error.message() + "); the host goes on.");
  }

  asio::io_context io;
  websocket::stream<tcp::socket> socket{io};
  int end = -1;  // the same socket, which the thread does not close: for who ends it
  std::atomic<bool> is_ending = false;
  std::thread thread;
};

TopicStream::TopicStream(const tcp::endpoint& host, const std::vector<std::string>& topics)
    : connection_(std::make_unique<Connection>(host, topics)) {}

TopicStream::~TopicStream() {
  connection_->is_ending = true;
  ::shutdown(connection_->end, SHUT_RDWR);
  connection_->thread.join();
}

}  // namespace broadcast
