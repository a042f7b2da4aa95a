#pragma once
// Redis Pub/Sub into the hub: PSUBSCRIBE, and each message to the gate. A producer
// gets no answer there, so what is refused is counted, logged at most once a minute a channel, and
// shown on status:redis; the subscription goes on. [ingest]

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "host/base/counters.hpp"
#include "host/base/log_throttle.hpp"
#include "host/hub/producer_gate.hpp"
#include "host/hub/status_board.hpp"
#include "host/ingest/redis_connection.hpp"

namespace broadcast {

class RedisSubscriber final : public RedisConnection::User {
 public:
  static constexpr std::string_view kStatusName = "redis";

  struct Options {
    std::string channels;  ///< "ws:broadcast:*": what stands for the star is the topic
    std::size_t payload_bytes = 256 * 1024;
  };

  /// References outlive the subscriber.
  RedisSubscriber(const RedisConnection::Parts& parts, Options options, ProducerGate& gate,
                  StatusBoard& statuses);
  RedisSubscriber(const RedisSubscriber&) = delete;
  RedisSubscriber& operator=(const RedisSubscriber&) = delete;

  void start();
  void stop();
  /// About once a second: what subscribers of status:redis see.
  void on_tick(MonoTime now);
  [[nodiscard]] const RedisConnection& connection() const { return connection_; }

 private:
  /// What verdicts find when they come: null once it stopped.
  struct Verdicts {
    RedisSubscriber* subscriber;
  };

  void on_ready() override;
  void on_reply(const redisReply& reply) override;
  void on_down() override {
    is_subscribed_ = false;
    shown_ = {};  // once it is back, that is said at once
  }
  void on_message(std::string_view channel, std::optional<std::string_view> payload, MonoTime now);
  void refuse(std::string_view channel, Refusal refusal, std::string_view why, MonoTime now);

  boost::asio::io_context& io_;
  Counters& counters_;
  const Options options_;
  const std::size_t prefix_bytes_;
  ProducerGate& gate_;
  StatusBoard& statuses_;
  RedisConnection connection_;
  LogThrottle log_throttle_;
  bool is_subscribed_ = false;
  std::array<std::uint64_t, kRefusals> refused_{};  // since the status said so last
  MonoTime shown_{};                                // when it did
  std::shared_ptr<Verdicts> verdicts_;
};

}  // namespace broadcast
