// What clients make the host hold: answers that wait, each once, and subscriptions.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;

class AnswersTest : public testing::Test {
 protected:
  [[nodiscard]] std::size_t held() const { return touched_.answers.bytes(); }

  const std::string text_ = std::string(10'000, 'x');
  const Limits limits_{.outbox_bytes = 1'000'000};
  Counters counters_;
  TouchedList touched_;
  SilentWriter writer_;
  std::unique_ptr<Outbox> a_ = std::make_unique<Outbox>(limits_, counters_, touched_, writer_);
  std::unique_ptr<Outbox> b_ = std::make_unique<Outbox>(limits_, counters_, touched_, writer_);
};

TEST_F(AnswersTest, LargeOnesThatAreTheSameAreHeldOnce) {
  a_->push_answer(text_);
  const std::size_t once = held();
  EXPECT_GE(once, text_.size());
  for (int i = 0; i < 50; ++i) b_->push_answer(text_);
  EXPECT_EQ(held(), once);
  EXPECT_GE(b_->own_bytes(), 50 * text_.size()) << "whom to close first is another question";
  EXPECT_GE(b_->pending_bytes(), 50 * text_.size()) << "as is how much may wait";
  EXPECT_EQ(texts_of(write_all(*a_)), std::vector{text_});
  touched_.answers.forget_the_old();
  EXPECT_EQ(held(), once) << "the other still waits for it";
  EXPECT_EQ(texts_of(write_all(*b_)), std::vector(50, text_));
  touched_.answers.forget_the_old();
  EXPECT_EQ(held(), 0U);
}

TEST_F(AnswersTest, OnesThatDifferAreHeldEachUntilTheyAreReadOrTheirClientGoes) {
  for (int i = 0; i < 20; ++i) {
    a_->push_answer(std::to_string(i) + text_);
    a_->push_answer("small");
    b_->push_answer(text_ + std::to_string(i));
  }
  EXPECT_GE(held(), 40 * text_.size());
  static_cast<void>(write_all(*a_));
  touched_.answers.forget_the_old();
  EXPECT_GE(held(), 20 * text_.size());
  EXPECT_LT(held(), 21 * text_.size());
  b_.reset();
  touched_.answers.forget_the_old();
  EXPECT_EQ(held(), 0U);
}

TEST_F(AnswersTest, OneThatFindsNoRoomIsNotHeld) {
  const Limits small{.outbox_bytes = 100};
  Outbox outbox(small, counters_, touched_, writer_);
  outbox.push_answer("a text that does not fit, because it has more than thirty-six bytes");
  EXPECT_TRUE(outbox.closing());
  EXPECT_EQ(held(), 0U);
}

TEST_F(AnswersTest, WhoIsClosedForItsMemoryHoldsNothingThatWaits) {
  for (int i = 0; i < 20; ++i) a_->push_answer(text_ + std::to_string(i));
  a_->close(kCloseMemory);
  touched_.answers.forget_the_old();
  EXPECT_EQ(held(), 0U);
  EXPECT_LT(a_->own_bytes(), 100U);
  const auto frames = frames_of(write_all(*a_));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(close_code_of(frames[0]), 4413U);
}

class SubscriptionBytesTest : public testing::Test {
 protected:
  [[nodiscard]] std::size_t held() const { return client.session().held_bytes(); }

  HubPlay play;
  TestShard& shard = play.a;
  mutable TestClient client{shard, {.limits = {.commands_per_second = 0}}};
};

TEST_F(SubscriptionBytesTest, TopicsAndTheirRatesCount) {
  client.send(subscribe("price:000001"));
  const std::size_t plain = held();
  EXPECT_GT(plain, 64U);
  client.send(R"({"type":"subscribe","topic":"price:000002","max_rate":1})");
  EXPECT_GT(held(), 2 * plain);
  client.send(subscribe("price:000002"));  // every message
  EXPECT_EQ(held(), 2 * plain);
  client.send(unsubscribe("price:000001"));
  EXPECT_EQ(held(), plain);
}

TEST_F(SubscriptionBytesTest, BytesOfPatternsCount) {
  const std::string pattern = "price:" + std::string(240, '0') + ":*";
  client.send(subscribe(pattern));
  EXPECT_GE(held(), 2 * pattern.size());
  client.send(subscribe(pattern));
  EXPECT_LT(held(), 4 * pattern.size()) << "once";
  client.send(unsubscribe(pattern));
  EXPECT_EQ(held(), 0U);
}

TEST_F(SubscriptionBytesTest, ThoseOfAShardAreWhatItsClientsHave) {
  {
    TestClient other(shard, {.limits = {.commands_per_second = 0}});
    for (TestClient* const one : {&client, &other}) {
      one->send(subscribe("price:*"));
      one->send(R"({"type":"subscribe","topic":"price:000002","max_rate":1})");
    }
    play.publish("price:000003");
    shard.drain();
    client.send(unsubscribe("price:*"));
    EXPECT_EQ(shard.index().held_bytes(), held() + other.session().held_bytes());
  }
  EXPECT_EQ(shard.index().held_bytes(), held());
  client.send(unsubscribe("price:000002"));
  EXPECT_EQ(shard.index().held_bytes(), 0U);
}

}  // namespace
}  // namespace broadcast
