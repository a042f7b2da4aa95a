#include "host/hub/idle_topics.hpp"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;

class IdleTopicsTest : public testing::Test {
 protected:
  Topic& make(const char* name, TopicOwner* owner) {
    topics_.emplace_back(new Topic{.id = topics_.size() + 1,
                                   .name = name,
                                   .head = "",
                                   .epochs = {.kept = "", .passing = ""},
                                   .delivery = Delivery::kLatest,
                                   .owner = owner,
                                   .evictable = true});
    idle.count_one_more(owner);
    return *topics_.back();
  }
  [[nodiscard]] std::vector<std::string> names(const TopicOwner* owner) {
    std::vector<std::string> names;
    for (const auto& [number, topic] : idle.of(owner)) names.push_back(topic->name);
    return names;
  }

  FakeOwner a{"a"};
  FakeOwner b{"b"};
  IdleTopics idle;

 private:
  std::vector<std::unique_ptr<Topic>> topics_;
};

TEST_F(IdleTopicsTest, TheOneIdleForLongestStandsInFrontOfAllAndOfItsOwners) {
  Topic& first = make("first", &a);
  idle.put(first);
  idle.put(make("second", &b));
  idle.put(make("third", &a));
  EXPECT_THAT(names(nullptr), ElementsAre("first", "second", "third"));
  EXPECT_THAT(names(&a), ElementsAre("first", "third"));
  idle.put(first);
  EXPECT_THAT(names(&a), ElementsAre("third", "first"));
  idle.remove(first);
  EXPECT_THAT(names(nullptr), ElementsAre("second", "third"));
}

TEST_F(IdleTopicsTest, AnotherOwnerGetsItWithItsPlace) {
  Topic& topic = make("topic", &a);
  idle.put(topic);
  topic.owner = &b;
  idle.move(topic, &a, &b);
  EXPECT_EQ(idle.topics_of(&a), 0U);
  EXPECT_EQ(idle.topics_of(&b), 1U);
  EXPECT_THAT(names(&a), ElementsAre());
  EXPECT_THAT(names(&b), ElementsAre("topic"));
}

TEST_F(IdleTopicsTest, OneInDemandIsIdleNoMore) {
  Topic& topic = make("topic", &a);
  idle.put(topic);
  EXPECT_TRUE(idle.try_confirm_idle(topic));
  topic.state.with_lock([](Topic::State& state) { state.demanded = true; });
  EXPECT_FALSE(idle.try_confirm_idle(topic));
  EXPECT_THAT(names(nullptr), ElementsAre());
}

TEST_F(IdleTopicsTest, OnePublishedOnMeanwhileStandsBehindAllOthers) {
  Topic& topic = make("topic", &a);
  idle.put(topic);
  idle.put(make("other", &a));
  topic.state.with_lock([](Topic::State& state) { ++state.seq; });
  EXPECT_FALSE(idle.try_confirm_idle(topic));
  EXPECT_THAT(names(nullptr), ElementsAre("other", "topic"));
  EXPECT_TRUE(idle.try_confirm_idle(topic));
}

}  // namespace
}  // namespace broadcast
