// Boost.Beast's client as a peer that knows nothing of our frames, on a real ShardGroup whose
// client sends every message back.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <gtest/gtest.h>

#include "host/base/counters.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/net/shard_group.hpp"
#include "tests/conformance/echo_client.hpp"

namespace broadcast {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::chrono::seconds kDeadline{60};

std::string text_of(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(' ' + i % 95);
  return text;
}

std::string blob_of(std::size_t size) {
  std::string blob;
  for (std::size_t i = 0; i < size; ++i) blob += static_cast<char>(i * 31 % 256);
  return blob;
}

/// A client whose every step ends or fails within the deadline.
class Peer {
 public:
  using Stream = websocket::stream<beast::tcp_stream>;

  explicit Peer(const tcp::endpoint& server) : stream_(io_) {
    run([&](auto done) { beast::get_lowest_layer(stream_).async_connect(server, done); });
    stream_.read_message_max(0);
    stream_.control_callback([this](websocket::frame_type kind, beast::string_view payload) {
      if (kind == websocket::frame_type::pong) pongs_.emplace_back(payload);
    });
    websocket::permessage_deflate offer;
    offer.client_enable = true;
    offer.compLevel = 1;
    stream_.set_option(offer);
    websocket::response_type response;
    run([&](auto done) { stream_.async_handshake(response, "127.0.0.1", "/", done); });
    extensions_ = response[beast::http::field::sec_websocket_extensions];
  }

  void send_text(std::string_view text) {
    stream_.text(true);
    send(text);
  }
  void send_binary(std::string_view bytes) {
    stream_.binary(true);
    send(bytes);
  }
  /// One frame of a message.
  void send_some(std::string_view part, Fragment fragment) {
    run([&](auto done) {
      stream_.async_write_some(fragment == Fragment::kLast, boost::asio::buffer(part),
                               [done](error_code error, std::size_t) { done(error); });
    });
  }
  void ping(std::string_view payload) {
    run([&](auto done) { stream_.async_ping({payload.data(), payload.size()}, done); });
  }
  [[nodiscard]] std::string receive() {
    beast::flat_buffer buffer;
    last_error_ = run(
        [&](auto done) {
          stream_.async_read(buffer, [done](error_code error, std::size_t) { done(error); });
        },
        Errors::kAllowed);
    return beast::buffers_to_string(buffer.data());
  }
  void close(const websocket::close_reason& reason) {
    run([&](auto done) { stream_.async_close(reason, done); });
  }

  Stream& stream() { return stream_; }
  [[nodiscard]] const std::vector<std::string>& pongs() const { return pongs_; }
  [[nodiscard]] const std::string& extensions() const { return extensions_; }
  [[nodiscard]] error_code last_error() const { return last_error_; }

 private:
  enum class Errors : bool { kFail, kAllowed };

  void send(std::string_view bytes) {
    run([&](auto done) {
      stream_.async_write(boost::asio::buffer(bytes),
                          [done](error_code error, std::size_t) { done(error); });
    });
  }

  template <class Start>
  error_code run(Start start, Errors errors = Errors::kFail) {
    auto result = std::make_shared<std::optional<error_code>>();
    start([result](error_code error) { *result = error; });
    io_.restart();
    while (!*result && io_.run_one_for(kDeadline) > 0) {
    }
    const error_code error = result->value_or(boost::asio::error::timed_out);
    EXPECT_TRUE(!error || errors == Errors::kAllowed) << error.message();
    return error;
  }

  boost::asio::io_context io_;
  Stream stream_;
  std::vector<std::string> pongs_;
  std::string extensions_;
  error_code last_error_;
};

class BeastPeerTest : public testing::Test {
 protected:
  BeastPeerTest() { shards_.start(); }
  ~BeastPeerTest() override { shards_.stop(std::chrono::seconds(1)); }
  [[nodiscard]] tcp::endpoint server() const { return shards_.endpoint(); }

  Counters counters_;
  TopicHub hub_{{}, counters_};
  ShardGroup shards_{hub_, echo_options(0), EchoClient::make};
};

TEST_F(BeastPeerTest, AgreesOnCompression) {
  EXPECT_EQ(Peer(server()).extensions(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=15");
}

TEST_F(BeastPeerTest, GetsTextAndBinaryBack) {
  Peer peer(server());
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 127UL, 65535UL, 65536UL, 4 * kMiB}) {
    peer.send_text(text_of(size));
    EXPECT_EQ(peer.receive(), text_of(size)) << size;
    EXPECT_TRUE(peer.stream().got_text());
    peer.send_binary(blob_of(size));
    EXPECT_EQ(peer.receive(), blob_of(size)) << size;
    EXPECT_TRUE(peer.stream().got_binary());
  }
}

TEST_F(BeastPeerTest, MayFragmentAsItLikes) {
  Peer peer(server());
  peer.stream().auto_fragment(true);
  for (const std::size_t size : {16UL, 1000UL, 4096UL}) {
    peer.stream().write_buffer_bytes(size);
    peer.send_text(text_of(100'000));
    EXPECT_EQ(peer.receive(), text_of(100'000));
  }
}

TEST_F(BeastPeerTest, GetsItsPongInTheMiddleOfAMessage) {
  Peer peer(server());
  peer.stream().text(true);
  peer.send_some("one ", Fragment::kMore);
  peer.ping("first");
  peer.send_some("two ", Fragment::kMore);
  peer.ping(std::string(125, 'x'));
  peer.send_some("three", Fragment::kLast);
  EXPECT_EQ(peer.receive(), "one two three");
  EXPECT_EQ(peer.pongs(), (std::vector<std::string>{"first", std::string(125, 'x')}));
}

TEST_F(BeastPeerTest, ClosesWithAnyCodeOfItsOwn) {
  for (const unsigned code : {1000U, 1001U, 1008U, 1011U, 3000U, 4000U, 4999U}) {
    Peer peer(server());
    peer.close({static_cast<websocket::close_code>(code), "goodbye"});
    EXPECT_EQ(peer.stream().reason().code, code);
  }
}

TEST_F(BeastPeerTest, ClosesWithoutACode) {
  Peer peer(server());
  peer.close({});
  EXPECT_EQ(peer.stream().reason().code, websocket::close_code::none);
}

TEST_F(BeastPeerTest, IsToldWhenTheServerStops) {
  Peer peer(server());
  peer.send_text("hello");
  EXPECT_EQ(peer.receive(), "hello");
  std::thread stopping([&] { shards_.stop(kDeadline); });
  EXPECT_EQ(peer.receive(), "");
  EXPECT_EQ(peer.last_error(), websocket::error::closed);
  EXPECT_EQ(peer.stream().reason().code, 1001);
  stopping.join();
}

}  // namespace
}  // namespace broadcast
