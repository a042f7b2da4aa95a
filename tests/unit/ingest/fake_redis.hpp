#pragma once
// A Redis that says what the test wants, and what a part of the ingest needs around it: all on one
// io_context, run by the test until something has happened.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/write.hpp>

#include "host/hub/inbox.hpp"
#include "host/hub/producer_gate.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/ingest/redis_connection.hpp"

namespace broadcast::test {

inline std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}
/// `parts` are replies already.
inline std::string list(const std::vector<std::string>& parts) {
  std::string text = "*" + std::to_string(parts.size()) + "\r\n";
  for (const std::string& part : parts) text += part;
  return text;
}

class FakeRedis {
 public:
  using Command = std::vector<std::string>;
  /// Nothing: as a Redis without users greets; "": no answer.
  using Answer = std::function<std::optional<std::string>(const Command&)>;

  explicit FakeRedis(boost::asio::io_context& io)
      : io_(io), acceptor_(io, {boost::asio::ip::address_v4::loopback(), 0}) {
    accept();
  }

  Answer answer = [](const Command&) { return std::nullopt; };
  std::vector<Command> heard;
  std::size_t connections = 0;

  [[nodiscard]] RedisUrl url() const {
    return {.host = "127.0.0.1", .port = acceptor_.local_endpoint().port()};
  }
  /// To whoever connected last.
  void say(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(client_->socket, boost::asio::buffer(bytes), ignored);
  }
  [[nodiscard]] std::size_t count_of(std::string_view verb) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        heard, [&](const Command& command) { return command.at(0) == verb; }));
  }
  /// The last command of its kind.
  [[nodiscard]] Command last(std::string_view verb) const {
    for (auto command = heard.rbegin(); command != heard.rend(); ++command) {
      if (command->at(0) == verb) return *command;
    }
    return {};
  }

 private:
  struct Client {
    explicit Client(boost::asio::ip::tcp::socket accepted) : socket(std::move(accepted)) {}
    boost::asio::ip::tcp::socket socket;
    RedisReader reader{{}};  // a command is a list of strings
    std::array<char, 4096> buffer;
  };

  void accept() {
    acceptor_.async_accept(
        [this](boost::system::error_code error, boost::asio::ip::tcp::socket socket) {
          if (error) return;
          ++connections;
          client_ = std::make_shared<Client>(std::move(socket));
          read(client_);
          accept();
        });
  }
  void read(const std::shared_ptr<Client>& client) {
    client->socket.async_read_some(boost::asio::buffer(client->buffer),
                                   [this, client](boost::system::error_code error, std::size_t n) {
                                     if (error) return;
                                     on_read(*client, n);
                                     read(client);
                                   });
  }
  void on_read(Client& client, std::size_t size) {
    static_cast<void>(client.reader.feed({client.buffer.data(), size}));
    while (const RedisReplyPtr words = client.reader.take()) {
      Command command;
      for (const redisReply* const word : list_of(*words)) command.emplace_back(*text_of(*word));
      heard.push_back(command);
      const auto told = answer(command);
      say(told ? *told : command[0] == "PING" ? "+PONG\r\n" : "+OK\r\n");
    }
  }

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::shared_ptr<Client> client_;
};

struct RedisPlay {
  explicit RedisPlay(std::string_view status = "status:redis") {
    const std::size_t shard = hub.add_shard(inbox);  // before there are topics
    hub.statuses().report(status.substr(status.find(':') + 1), BroadcasterState::kDisabled, "");
    joined = hub.audience().join(status, shard).joined->topic;
  }

  [[nodiscard]] RedisConnection::Parts parts() {
    return {.io = io, .url = url, .tls = tls, .counters = counters, .limits = limits, .name = "x"};
  }
  /// Runs until it is so; false: it is not in time.
  [[nodiscard]] bool run_until(const std::function<bool()>& is_so) {
    const MonoTime until = mono_now() + std::chrono::seconds(30);
    while (!is_so()) {
      if (mono_now() >= until) return false;
      io.run_one_for(until - mono_now());
    }
    return true;
  }
  /// The newest one.
  [[nodiscard]] const std::string& shown_status() {
    std::vector<MessagePtr> messages;
    inbox.take(messages);
    if (!messages.empty()) shown = messages.back()->payload();
    return shown;
  }

  boost::asio::io_context io;
  boost::asio::ssl::context tls{boost::asio::ssl::context::tls_client};
  Counters counters;
  Inbox inbox{[] {}};
  TopicHub hub{{}, counters};
  ProducerGate gate{hub.topics(), counters};
  TopicPtr joined;
  std::string shown;
  FakeRedis redis{io};
  RedisUrl url = redis.url();
  RespBounds::Limits limits;
};

}  // namespace broadcast::test
