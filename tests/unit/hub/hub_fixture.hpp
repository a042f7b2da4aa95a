#pragma once
// A hub of two shards and the owners of HubPlay, for the tests of the hub's parts.

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "host/hub/audience.hpp"
#include "hub_play.hpp"

namespace broadcast {

inline constexpr std::size_t kShardA = 0;
inline constexpr std::size_t kShardB = 1;

class HubTest : public testing::Test {
 protected:
  [[nodiscard]] Joined join(std::string_view topic, std::size_t shard = kShardA) {
    Audience::JoinResult result = hub.audience().join(topic, shard);
    if (!result.joined) throw std::runtime_error("cannot join " + std::string(topic));
    return *std::move(result.joined);
  }
  [[nodiscard]] SubscribeError refusal(std::string_view topic) {
    const Audience::JoinResult result = hub.audience().join(topic, kShardA);
    EXPECT_FALSE(result.joined) << topic;
    return result.error;
  }
  void leave(const Joined& joined, MonoTime now = at(0s), std::size_t shard = kShardA) {
    hub.audience().leave(joined.topic, shard, now);
  }
  /// The status topic's last value.
  [[nodiscard]] Json status(const std::string& broadcaster) {
    const Joined joined = join("status:" + broadcaster);
    leave(joined);
    return Json::parse(joined.last->payload());
  }
  void fill_a_with_notes() {
    play.a.inbox().set_bounds({.messages = 2, .bytes = 10'000});
    notes_.push_back(join("note:a"));
    for (int i = 0; i < 2; ++i) ASSERT_EQ(play.publish("note:a").status, PublishStatus::kOk);
  }

  HubPlay play;
  TopicHub& hub = play.hub;
  std::vector<Joined> notes_;
};

}  // namespace broadcast
