// Threads of broadcasters ask for keys to be dropped while no Redis can be reached, and meanwhile
// the host stops: what TSan looks at.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "host/hub/topic_hub.hpp"
#include "host/ingest/ingest.hpp"

namespace broadcast {
namespace {

TEST(IngestStressTest, ManyThreadsAskTheCacheWhileItStops) {
  for (int round = 0; round < 20; ++round) {
    Counters counters;
    TopicHub hub({}, counters);
    ProducerGate gate(hub.topics(), counters);
    RedisUrl nowhere;
    nowhere.transport = RedisUrl::Transport::kUnix;
    nowhere.path = "/nowhere/redis.sock";
    Ingest ingest({.url = nowhere,
                   .channels = "ws:broadcast:*",
                   .stream = RedisStream::Options{.key = "ws:stream"},
                   .cache = nowhere},
                  gate, hub.sequencer(), hub.statuses(), counters);
    std::atomic<bool> is_over{false};
    std::vector<std::thread> broadcasters;
    for (int i = 0; i < 3; ++i) {
      broadcasters.emplace_back([&, i] {
        for (int n = 0; !is_over; ++n) {
          static_cast<void>(ingest.cache()->try_drop(std::to_string(i) + std::to_string(n % 50)));
        }
      });
    }
    ingest.start();
    // All have failed once, and more patterns were asked for than may wait.
    while (counters.get(Counter::kRedisReconnects) < 3 ||
           counters.get(Counter::kCacheErrors) == 0) {
      EXPECT_EQ(ingest.connections().size(), 3U);
    }
    ingest.stop(mono_now());
    is_over = true;
    for (std::thread& broadcaster : broadcasters) broadcaster.join();
  }
}

}  // namespace
}  // namespace broadcast
