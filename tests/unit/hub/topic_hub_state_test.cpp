// What of a TopicHub survives a restart, with a store whose commits are made by hand.

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_play.hpp"
#include "tests/unit/base/captured_log.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Keeps everything in memory, and outlives the hubs that use it.
class HandStore final : public StateStore {
 public:
  std::vector<StoredTopic> load() override {
    std::vector<StoredTopic> topics;
    for (const auto& [name, topic] : kept_) topics.push_back(topic);
    return topics;
  }
  SipKey epoch_key() override { return key; }
  void start(CommitListener& listener) override { listener_ = &listener; }
  bool stop(MonoTime) override {
    commit();
    return true;
  }
  std::uint64_t try_append(PendingMessage message) override {
    if (refuses) return 0;
    waiting_.push_back(std::move(message));
    return ++ticket_;
  }
  void when_committed(std::uint64_t ticket, std::function<void(CommitOutcome)> done) override {
    if (ticket <= committed_) return done(CommitOutcome::kCommitted);
    waiters_.emplace_back(std::move(done));
  }
  void post_latest(std::vector<PendingMessage> messages) override {
    for (const PendingMessage& message : messages) {
      keep(message);
      latest_positions.push_back(message.position.id);
    }
  }
  void post_forgotten(std::string_view topic) override {
    kept_.at(std::string(topic)).messages.clear();
  }
  std::uint64_t try_keep_position(StreamPosition) override { return 0; }
  std::optional<std::string> position_of(std::string_view) override { return std::nullopt; }

  void commit() {
    const std::vector<PendingMessage> batch = std::exchange(waiting_, {});
    for (const PendingMessage& message : batch) keep(message);
    listener_->on_committed(batch);
    finish(CommitOutcome::kCommitted);
  }
  void lose() {
    refuses = true;
    listener_->on_lost(std::exchange(waiting_, {}));
    refuses = false;
    finish(CommitOutcome::kLost);
  }
  [[nodiscard]] CommitListener& listener() const { return *listener_; }
  void damage(const std::string& topic) { kept_.at(topic).messages.front().text = "???"; }

  bool refuses = false;
  SipKey key = {1, 2};
  std::vector<std::string> latest_positions;

 private:
  void finish(CommitOutcome outcome) {
    committed_ = ticket_;
    for (const auto& done : std::exchange(waiters_, {})) done(outcome);
  }
  void keep(const PendingMessage& pending) {
    StoredTopic& topic = kept_[pending.topic->name];
    topic.name = pending.topic->name;
    topic.epoch = pending.topic->epoch();
    topic.delivery = pending.message->delivery();
    topic.seq = pending.message->seq();
    if (topic.delivery == Delivery::kLatest) topic.messages.clear();
    topic.messages.push_back({.seq = topic.seq,
                              .published_ns = pending.published_ns,
                              .text = std::string(pending.message->payload())});
  }

  CommitListener* listener_ = nullptr;
  std::vector<PendingMessage> waiting_;
  std::vector<std::function<void(CommitOutcome)>> waiters_;
  std::uint64_t ticket_ = 0;
  std::uint64_t committed_ = 0;
  std::map<std::string, StoredTopic> kept_;
};

/// One life of a host.
struct Life {
  enum class Owner : std::uint8_t { kThere, kNotYet, kSwitchedOff };

  explicit Life(StateStore& store, Owner is = Owner::kThere)
      : hub({.limits = {.topics = 1}, .accept_unknown = is == Owner::kSwitchedOff}, counters),
        shard(hub) {
    hub.on_tick(at(0s), 0);
    hub.open_store(store);
    if (is == Owner::kThere) claim();
  }
  ~Life() { hub.close_store(); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  void claim() {
    EXPECT_FALSE(hub.topics().try_claim(
        owner, "libx.so",
        {{"signal:vcp", "", Delivery::kAll}, {"price:{ticker}", "", Delivery::kLatest}}));
  }
  Published publish(std::string_view topic, int n) {
    return hub.publisher().publish(owner, topic, R"({"type":"x","n":)" + std::to_string(n) + "}");
  }
  Counters counters;
  FakeOwner owner{"x"};
  TopicHub hub;
  TestShard shard;
};

std::string text(std::string_view topic, int seq, int n) {
  return R"({"topic":")" + std::string(topic) + R"(","seq":)" + std::to_string(seq) +
         R"(,"type":"x","n":)" + std::to_string(n) + "}";
}

class TopicHubStateTest : public testing::Test {
 protected:
  HandStore store;
};

TEST_F(TopicHubStateTest, AMessageIsDeliveredAndAcknowledgedOnceItIsCommitted) {
  Life life(store);
  const TopicPtr topic = life.hub.audience().join("signal:vcp", 0).joined->topic;
  std::vector<std::string> story;
  const Published published = life.publish("signal:vcp", 1);
  life.hub.sequencer().when_committed(published.commit, [&](CommitOutcome outcome) {
    story.push_back(outcome == CommitOutcome::kCommitted ? "acknowledged" : "lost");
    story.insert(story.begin(), std::to_string(life.shard.take().size()) + " delivered");
  });
  EXPECT_EQ(published.seq, 1U);
  EXPECT_TRUE(published.durable);
  EXPECT_THAT(life.shard.take(), IsEmpty());
  EXPECT_EQ(life.hub.audience().peek(topic).seq, 0U);
  store.commit();
  EXPECT_THAT(story, ElementsAre("1 delivered", "acknowledged"));
  EXPECT_EQ(life.hub.audience().peek(topic).seq, 1U);
  life.hub.audience().leave(topic, 0, at(0s));
}

TEST_F(TopicHubStateTest, WhoJoinsBeforeTheCommitGetsTheMessageLive) {
  Life life(store);
  life.publish("signal:vcp", 1);
  const auto joined = life.hub.audience().join("signal:vcp", 0).joined.value();
  EXPECT_EQ(joined.seq, 0U);
  EXPECT_FALSE(joined.last);
  store.commit();
  EXPECT_THAT(life.shard.take(), ElementsAre(text("signal:vcp", 1, 1)));
  life.hub.audience().leave(joined.topic, 0, at(0s));
}

TEST_F(TopicHubStateTest, ALostMessageWasSeenByNobodyAndItsNumberIsUsedAgain) {
  Life life(store);
  const TopicPtr topic = life.hub.audience().join("signal:vcp", 0).joined->topic;
  life.publish("signal:vcp", 1);
  store.commit();
  bool kept = true;
  life.publish("signal:vcp", 2);
  life.hub.sequencer().when_committed(life.publish("signal:vcp", 3).commit, [&](CommitOutcome is) {
    kept = is == CommitOutcome::kCommitted;
  });
  store.lose();
  EXPECT_FALSE(kept);
  EXPECT_EQ(life.publish("signal:vcp", 4).seq, 2U);
  store.commit();
  EXPECT_THAT(life.shard.take(), ElementsAre(text("signal:vcp", 1, 1), text("signal:vcp", 2, 4)));
  life.hub.audience().leave(topic, 0, at(0s));
}

TEST_F(TopicHubStateTest, AStoreThatIsFullMakesThePublisherBusyAndLeavesNoTrace) {
  Life life(store);
  life.shard.inbox().set_bounds({.messages = 2});
  store.refuses = true;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(life.publish("signal:vcp", i).status, PublishStatus::kBusy);
  }
  store.refuses = false;
  EXPECT_EQ(life.publish("signal:vcp", 1).seq, 1U) << "places were given back";
  store.commit();
  EXPECT_EQ(life.publish("signal:vcp", 1).status, PublishStatus::kOk);
  EXPECT_EQ(life.publish("signal:vcp", 1).status, PublishStatus::kOk);
  EXPECT_EQ(life.publish("signal:vcp", 1).status, PublishStatus::kBusy) << "two places a shard";
  store.lose();
  EXPECT_EQ(life.publish("signal:vcp", 1).status, PublishStatus::kOk);
}

TEST_F(TopicHubStateTest, NumbersEpochAndHistoryOfAllTopicsGoOnAfterARestart) {
  std::string epoch;
  {
    Life life(store);
    for (int i = 1; i <= 3; ++i) life.publish("signal:vcp", i);
    store.commit();
    epoch = life.hub.audience().join("signal:vcp", 0).joined->topic->epoch();
  }
  Life life(store);
  const Since since{epoch, 1};
  const auto joined =
      life.hub.audience().join("signal:vcp", 0, FrameForm::kPlain, &since).joined.value();
  EXPECT_EQ(joined.topic->epoch(), epoch);
  EXPECT_EQ(joined.seq, 3U);
  ASSERT_TRUE(joined.recovered);
  ASSERT_EQ(joined.missed.size(), 2U);
  EXPECT_EQ(joined.missed[0]->payload(), text("signal:vcp", 2, 2));
  EXPECT_EQ(life.publish("signal:vcp", 4).seq, 4U);
}

TEST_F(TopicHubStateTest, ATopicWithoutAMessageKeepsItsEpochAcrossARestart) {
  std::string epoch;
  {
    Life life(store);
    epoch = life.hub.audience().join("signal:vcp", 0).joined->epoch;
    EXPECT_NE(life.hub.audience().join("price:a", 0).joined->epoch, epoch);
  }
  EXPECT_THAT(store.load(), IsEmpty()) << "nothing was written for it";
  Life life(store);
  for (int i = 1; i <= 3; ++i) life.publish("signal:vcp", i);
  store.commit();
  const Since since{epoch, 0};
  const auto joined =
      life.hub.audience().join("signal:vcp", 0, FrameForm::kPlain, &since).joined.value();
  EXPECT_TRUE(joined.recovered);
  EXPECT_EQ(joined.missed.size(), 3U);
}

TEST_F(TopicHubStateTest, AnotherStoreMakesOtherEpochs) {
  HandStore other;
  other.key = {3, 4};
  Life life(store);
  Life elsewhere(other);
  EXPECT_NE(life.hub.audience().join("signal:vcp", 0).joined->epoch,
            elsewhere.hub.audience().join("signal:vcp", 0).joined->epoch);
}

TEST_F(TopicHubStateTest, ALatestTopicBeginsANewEpochAtEachStart) {
  std::string epoch;
  {
    Life life(store);
    epoch = life.hub.audience().join("price:a", 0).joined->epoch;
  }
  Life life(store);
  EXPECT_NE(life.hub.audience().join("price:a", 0).joined->epoch, epoch);
}

TEST_F(TopicHubStateTest, AnEpochThatMayHaveBeenUsedIsNotDerivedAgain) {
  const std::vector<TopicPattern> latest = {{"signal:vcp", "", Delivery::kLatest}};
  std::string used;
  {
    Life life(store);
    used = life.hub.audience().join("signal:vcp", 0).joined->epoch;
    life.publish("signal:vcp", 1);
    store.commit();
  }
  {
    Life life(store, Life::Owner::kNotYet);
    EXPECT_FALSE(life.hub.topics().try_claim(life.owner, "libx.so", latest));
    life.publish("signal:vcp", 1);
  }
  std::string next;
  {
    Life life(store);
    next = life.hub.audience().join("signal:vcp", 0).joined->epoch;
    EXPECT_NE(next, used);
  }
  Life life(store);
  EXPECT_EQ(life.hub.audience().join("signal:vcp", 0).joined->epoch, next)
      << "it still has no message";
}

TEST_F(TopicHubStateTest, WhoListensUnderAPatternIsToldWhereARestoredTopicGoesOn) {
  {
    Life life(store);
    for (int i = 1; i <= 2; ++i) life.publish("signal:vcp", i);
    store.commit();
  }
  Life life(store, Life::Owner::kSwitchedOff);
  TestClient client(life.shard, {.topics = {"signal:*"}});
  static_cast<void>(client.read());
  life.claim();
  life.publish("signal:vcp", 3);
  life.shard.drain();
  store.commit();
  life.shard.drain();
  const std::vector<Json> texts = client.read();
  ASSERT_EQ(texts.size(), 3U);
  EXPECT_EQ(texts[0].at("reason"), "new");
  EXPECT_EQ(texts[0].at("seq"), 2);
  EXPECT_EQ(texts[0].at("delivery"), "all");
  EXPECT_EQ(texts[1].at("seq"), 2) << "the last value";
  EXPECT_EQ(texts[2].at("seq"), 3);
}

TEST_F(TopicHubStateTest, NumbersGoOnWhereAClientIsThereBeforeTheOwner) {
  std::string epoch;
  {
    Life life(store);
    life.publish("signal:vcp", 1);
    store.commit();
    epoch = life.hub.audience().join("signal:vcp", 0).joined->topic->epoch();
  }
  Life life(store, Life::Owner::kSwitchedOff);
  const auto joined = life.hub.audience().join("signal:vcp", 0).joined.value();
  EXPECT_EQ(joined.topic->epoch(), epoch);
  EXPECT_EQ(joined.seq, 1U);
  life.claim();
  EXPECT_EQ(life.publish("signal:vcp", 2).seq, 2U);
  EXPECT_TRUE(life.hub.audience().join("price:a", 0).joined)
      << "it does not count against the limit any more";
}

TEST_F(TopicHubStateTest, LastValuesAreSnapshotsInANewEpoch) {
  std::string epoch;
  {
    Life life(store);
    for (int i = 1; i <= 3; ++i) life.publish("price:a", i);
    epoch = life.hub.audience().join("price:a", 0).joined->topic->epoch();
  }
  Life life(store);
  ASSERT_TRUE(life.hub.topics().try_watch("price:", 0));
  EXPECT_EQ(life.hub.audience().topics_under("price:", SIZE_MAX).topics.size(), 1U)
      << "those under a pattern are there";
  const Since since{epoch, 3};
  const auto joined =
      life.hub.audience().join("price:a", 0, FrameForm::kPlain, &since).joined.value();
  EXPECT_NE(joined.topic->epoch(), epoch);
  EXPECT_EQ(joined.seq, 0U);
  EXPECT_FALSE(joined.recovered);
  EXPECT_EQ(joined.last->payload(), text("price:a", 0, 3));
  EXPECT_EQ(life.publish("price:a", 4).seq, 1U);
  life.hub.topics().unwatch("price:", 0);
}

TEST_F(TopicHubStateTest, LastValuesAreGivenToTheStoreOnceATickAndOnlyIfTheyChanged) {
  Life life(store);
  life.publish("price:a", 1);
  EXPECT_THAT(store.load(), IsEmpty());
  life.hub.on_tick(at(1s), 1);
  EXPECT_EQ(store.load().at(0).messages.at(0).text, text("price:a", 1, 1));
  store.damage("price:a");
  life.hub.on_tick(at(2s), 2);
  EXPECT_EQ(store.load().at(0).messages.at(0).text, "???") << "written again without a change";
}

TEST_F(TopicHubStateTest, APositionDoesNotOvertakeTheLastValueItBelongsTo) {
  Life life(store);
  static_cast<void>(
      life.hub.publisher().publish(life.owner, "price:a", R"({"type":"x","n":1})", {"s", "1-0#1"}));
  EXPECT_THAT(store.latest_positions, ElementsAre("1-0#1"));
  EXPECT_EQ(store.load().at(0).messages.at(0).text, text("price:a", 1, 1));
}

TEST_F(TopicHubStateTest, AKeptMessageThatCannotBeReadIsNoPartOfARecovery) {
  std::string epoch;
  {
    Life life(store);
    for (int i = 1; i <= 3; ++i) life.publish("signal:vcp", i);
    store.commit();
    epoch = life.hub.audience().join("signal:vcp", 0).joined->topic->epoch();
  }
  store.damage("signal:vcp");
  Life life(store);
  const Since gone{epoch, 0};
  EXPECT_FALSE(
      life.hub.audience().join("signal:vcp", 0, FrameForm::kPlain, &gone).joined->recovered);
  const Since there{epoch, 1};
  EXPECT_EQ(
      life.hub.audience().join("signal:vcp", 0, FrameForm::kPlain, &there).joined->missed.size(),
      2U);
}

TEST_F(TopicHubStateTest, WhoHasMoreThanWasEverGivenIsAnsweredCountedAndTold) {
  const test::CapturedLog log;
  Life life(store);
  life.publish("signal:vcp", 1);
  store.commit();
  const std::string epoch(life.hub.audience().join("signal:vcp", 0).joined->epoch);
  for (int i = 0; i < 3; ++i) {
    const Since since{epoch, 5};
    const auto joined = life.hub.audience().join("signal:vcp", 0, FrameForm::kPlain, &since).joined;
    EXPECT_FALSE(joined->recovered);
    EXPECT_EQ(joined->seq, 1U);
    EXPECT_EQ(joined->epoch, epoch) << "whatever a client says";
    EXPECT_FALSE(life.hub.audience().peek(joined->topic, 1, &since).recovered);
  }
  EXPECT_EQ(life.counters.get(Counter::kSinceAhead), 6U);
  EXPECT_EQ(log.count_of(
                "warning signal:vcp: a client says that it has received number 5, which the host"),
            1);
  const Since other{"another", 5};
  EXPECT_FALSE(
      life.hub.audience().join("signal:vcp", 0, FrameForm::kPlain, &other).joined->recovered);
  EXPECT_EQ(life.counters.get(Counter::kSinceAhead), 6U);
}

TEST_F(TopicHubStateTest, WhatWasCommittedIsRecalledForAFileThatIsWrittenAnew) {
  const auto stored = [](const char* name, std::string epoch, Delivery delivery) {
    return StoredTopic{
        .name = name, .epoch = std::move(epoch), .delivery = delivery, .messages = {}};
  };
  const auto recalled = [&](StoredTopic topic) {
    store.listener().recall(topic);
    std::vector<std::string> texts;
    for (const StoredMessage& message : topic.messages) texts.push_back(message.text);
    return texts;
  };
  StoredTopic signal;
  const std::vector<std::string> both{text("signal:vcp", 1, 1), text("signal:vcp", 2, 2)};
  {
    Life life(store);
    for (int n = 1; n <= 2; ++n) life.publish("signal:vcp", n);
    store.commit();
    life.publish("signal:vcp", 3);
    signal =
        stored("signal:vcp", std::string(life.hub.audience().join("signal:vcp", 0).joined->epoch),
               Delivery::kAll);
    EXPECT_EQ(recalled(signal), both) << "and not what is under way";
    EXPECT_THAT(recalled(stored("signal:vcp", "another", Delivery::kAll)), IsEmpty());
    store.lose();
    life.publish("price:1", 7);
    EXPECT_THAT(recalled(stored("price:1", "any", Delivery::kLatest)),
                ElementsAre(text("price:1", 1, 7)));
    life.hub.on_tick(at(1s), 0);
  }
  const Life nobody_asks(store, Life::Owner::kNotYet);
  EXPECT_EQ(recalled(signal), both);
}

}  // namespace
}  // namespace broadcast
