// What one turn of a shard does, on real sockets.

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/guarded.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/net/shard_group.hpp"
#include "tests/unit/hub/asked_topics.hpp"

namespace broadcast {
namespace {

using boost::asio::ip::tcp;
using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr std::chrono::seconds kDeadline{60};

class NoteOwner final : public TopicOwner {
 public:
  [[nodiscard]] std::string_view owner_name() const override { return "note"; }
  void post_message(ProducerMessage, std::function<void(Verdict)>) override {}
  void post_demand(std::string_view, std::int64_t) override {}
};

/// What clients have seen.
struct Seen {
  Guarded<std::vector<std::uint64_t>> deliveries;  // made before each command
  std::promise<void> all;
};

/// Listens to "note", and publishes on it for each command.
class Talker final : public Client {
 public:
  Talker(TopicHub& hub, NoteOwner& owner, Shard& shard, Outbox& outbox, Seen& seen)
      : hub_(hub), owner_(owner), shard_(shard), subscriptions_(outbox), seen_(seen) {}

  void on_open(MonoTime) override {
    const auto answer = shard_.index().subscribe(subscriptions_, topic_named("note"), {});
    EXPECT_FALSE(answer.error);
  }
  void on_text(std::string_view, MonoTime) override {
    const std::uint64_t deliveries = shard_.counters().get(Counter::kDeliveries);
    EXPECT_EQ(hub_.publisher().publish(owner_, "note", R"({"type":"x"})").status,
              PublishStatus::kOk);
    const bool is_last = seen_.deliveries.with_lock([&](auto& seen) {
      seen.push_back(deliveries);
      return seen.size() == 3;
    });
    if (is_last) seen_.all.set_value();
  }
  void on_binary(std::string_view, MonoTime) override {}
  void on_shutdown(std::chrono::milliseconds) override {}
  [[nodiscard]] std::vector<std::string> subscriptions() const override { return {}; }
  void on_closed(MonoTime now) override { shard_.index().unsubscribe_all(subscriptions_, now); }

 private:
  TopicHub& hub_;
  NoteOwner& owner_;
  Shard& shard_;
  Subscriptions subscriptions_;
  Seen& seen_;
};

tcp::socket connect(boost::asio::io_context& io, const tcp::endpoint& server) {
  tcp::socket socket(io);
  socket.connect(server);
  const std::string_view request =
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  boost::asio::write(socket, boost::asio::buffer(request));
  std::string response;
  boost::asio::read_until(socket, boost::asio::dynamic_buffer(response), "\r\n\r\n");
  return socket;
}

TEST(ShardTurnTest, WhatIsPublishedIsDeliveredBeforeTheNextCommandOfTheTurn) {
  Counters counters;
  TopicHub hub({}, counters);
  NoteOwner owner;
  Seen seen;
  ShardGroup shards(
      hub,
      {.listen = {.address = {boost::asio::ip::make_address("127.0.0.1"), 0}},
       .rules = {.path = ""}},
      [&](Shard& shard, Outbox& outbox, std::string_view, const std::vector<std::string>&) {
        return std::make_unique<Talker>(hub, owner, shard, outbox, seen);
      });
  ASSERT_FALSE(hub.topics().try_claim(owner, "libnote.so", {{"note", "", Delivery::kLatest}}));
  shards.start();
  boost::asio::io_context io;
  std::vector<tcp::socket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect(io, shards.endpoint()));
  // All three have sent something when the shard's next turn begins.
  std::promise<void> held;
  std::promise<void> release;
  shards.post([&](Shard&) {
    held.set_value();
    release.get_future().wait_for(kDeadline);
  });
  ASSERT_EQ(held.get_future().wait_for(kDeadline), std::future_status::ready);
  constexpr std::array<unsigned char, 7> kText{0x81, 0x81, 0, 0, 0, 0, 'x'};
  for (tcp::socket& client : clients) boost::asio::write(client, boost::asio::buffer(kText));
  release.set_value();
  ASSERT_EQ(seen.all.get_future().wait_for(kDeadline), std::future_status::ready);
  seen.deliveries.with_lock(
      [](const auto& deliveries) { EXPECT_THAT(deliveries, ElementsAre(0, 3, 6)); });
  shards.stop(kDeadline);
}

TEST(GoodbyesTest, AFewAreClosedAtOnceAndACrowdBitByBit) {
  EXPECT_EQ(goodbyes_at_tick(3, 15s), 500);
  EXPECT_EQ(goodbyes_at_tick(15'000, 15s), 500);
  EXPECT_EQ(goodbyes_at_tick(30'000, 15s), 1000);
  EXPECT_EQ(goodbyes_at_tick(30'001, 15s), 1001) << "nobody is left over";
  EXPECT_EQ(goodbyes_at_tick(30'000, 0s), 30'000) << "there is no time";
  EXPECT_EQ(goodbyes_at_tick(30'000, -1s), 30'000);
}

}  // namespace
}  // namespace broadcast
