#pragma once
// What conformance is tested on: the host's own listener, shards and connections with a client that
// sends every message back, deflated where that was agreed on.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/hub/client.hpp"
#include "host/net/shard_group.hpp"

namespace broadcast {

class EchoClient final : public Client {
 public:
  explicit EchoClient(Outbox& outbox) : outbox_(outbox) {}
  /// A Shard::ClientFactory.
  static std::unique_ptr<Client> make(Shard&, Outbox& outbox, std::string_view,
                                      const std::vector<std::string>&) {
    return std::make_unique<EchoClient>(outbox);
  }

  void on_open(MonoTime) override {}
  void on_text(std::string_view text, MonoTime) override {
    outbox_.push_reply(Message::frame_of(Opcode::kText, text, compressor_));
  }
  void on_binary(std::string_view bytes, MonoTime) override {
    outbox_.push_reply(Message::frame_of(Opcode::kBinary, bytes, compressor_));
  }
  void on_shutdown(std::chrono::milliseconds) override {}
  [[nodiscard]] std::vector<std::string> subscriptions() const override { return {}; }
  void on_closed(MonoTime) override {}

 private:
  Outbox& outbox_;
  const Compressor compressor_ = make_compressor({.min_bytes = 16});
};

/// Any path, messages up to 64 MiB and room to send some of them back; on 127.0.0.1.
inline NetOptions echo_options(std::uint16_t port) {
  constexpr std::size_t kMiB = 1024 * 1024;
  return {.listen = {.address = {boost::asio::ip::make_address("127.0.0.1"), port}},
          .shards = 2,
          .rules = {.path = ""},
          .limits = {.message_bytes = 64 * kMiB, .outbox_bytes = 256 * kMiB},
          .drain = std::chrono::seconds(2)};
}

}  // namespace broadcast
