#pragma once
// An AdminServer on a thread of its own, and a producer that talks to it over a real socket.

#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "admin_play.hpp"
#include "host/admin/admin_server.hpp"
#include "host/base/log_throttle.hpp"
#include "tests/unit/base/captured_log.hpp"

namespace broadcast {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Json = nlohmann::json;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;
using testing::HasSubstr;
using testing::Not;

inline constexpr const char* kVcp = "/v1/publish/signal:vcp";

inline Request post_to(const std::string& target, std::string body = "[]") {
  Request request{http::verb::post, target, 11};
  request.set(http::field::host, "127.0.0.1");
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

inline Request get(const std::string& target) {
  Request request{http::verb::get, target, 11};
  request.set(http::field::host, "127.0.0.1");
  return request;
}

/// A producer: Beast's own client, blocking.
class Producer {
 public:
  explicit Producer(const tcp::endpoint& endpoint) : socket_(io_) { socket_.connect(endpoint); }

  void send(const Request& request) { http::write(socket_, request); }
  void send_bytes(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  /// The next answer; throws if the connection ends first.
  [[nodiscard]] Response receive() {
    Response response;
    http::read(socket_, buffer_, response);
    return response;
  }
  /// Up to the empty line.
  [[nodiscard]] std::string receive_headers() {
    std::string text;
    const std::size_t size = asio::read_until(socket_, asio::dynamic_buffer(text), "\r\n\r\n");
    EXPECT_EQ(size, text.size()) << "something came behind the headers";
    return text;
  }
  [[nodiscard]] Response ask(const Request& request) {
    send(request);
    return receive();
  }
  [[nodiscard]] Response ask_bytes(std::string_view bytes) {
    send_bytes(bytes);
    return receive();
  }
  /// Waits for it.
  [[nodiscard]] bool is_cut_off() {
    error_code error;
    char byte = 0;
    return socket_.read_some(asio::buffer(&byte, 1), error) == 0 && error;
  }
  void hang_up() { socket_.close(); }

 private:
  asio::io_context io_;
  tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

class AdminServerTest : public testing::Test {
 protected:
  AdminServerTest() {
    options.listen = {asio::ip::address_v4::loopback(), 0};
    options.after_a_guess = std::chrono::milliseconds(1);
  }
  ~AdminServerTest() override {
    if (!server) return;
    stop();
    work.reset();
    thread.join();  // nothing is left open, or this would not come back
  }

  Producer connect() {
    if (!server) {
      server.emplace(io, host.view(), topics.gate, options, topics.counters);
      thread = std::thread([this] { io.run(); });
    }
    return Producer(server->endpoint());
  }
  /// One request on a connection of its own.
  Response ask(const Request& request) { return connect().ask(request); }
  void stop() {
    std::promise<void> stopped;
    asio::post(io, [&] {
      server->stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
  }
  /// Its thread has ended afterwards, and its log can be read.
  void end() {
    stop();
    work.reset();
    thread.join();
    server->on_tick(mono_now() + LogThrottle::kEvery);
    server.reset();
    io.restart();
    io.run();
  }
  [[nodiscard]] std::uint64_t count(Counter counter) const { return topics.counters.get(counter); }
  void accept_everything() { topics.owner.answer_at_once(accepted(0)); }
  static std::string code_of(const Response& response) {
    return Json::parse(response.body()).at("error").get<std::string>();
  }

  OwnedTopics topics;
  FakeHost host{topics};
  AdminServer::Options options;
  asio::io_context io;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work{io.get_executor()};
  std::optional<AdminServer> server;
  std::thread thread;
};

}  // namespace broadcast
