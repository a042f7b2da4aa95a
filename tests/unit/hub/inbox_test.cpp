#include "host/hub/inbox.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Push = Inbox::Push;

MessagePtr numbered(std::uint64_t seq, std::uint64_t topic = 7, std::size_t filling = 0) {
  return Message::publication(topic, Delivery::kLatest, seq, std::to_string(topic) + "#",
                              "{" + std::string(filling, '.') + "}");
}

class InboxTest : public testing::Test {
 protected:
  InboxTest() { inbox_.set_bounds({.messages = 3, .bytes = 300}); }

  [[nodiscard]] bool try_push(const MessagePtr& message) {
    if (!inbox_.try_reserve(message->frame().size())) return false;
    last_push_ = inbox_.push_reserved(message);
    return true;
  }
  /// "7#3" for message 3 of topic 7.
  std::vector<std::string> take() {
    std::vector<MessagePtr> messages;
    inbox_.take(messages);
    std::vector<std::string> words;
    for (const MessagePtr& message : messages) {
      words.emplace_back(message->payload().substr(0, message->payload().find(',')));
    }
    return words;
  }

  int wakes_ = 0;
  Inbox inbox_{[this] { ++wakes_; }};
  Push last_push_ = Push::kReplaced;
};

TEST_F(InboxTest, GivesBackWhatWasPushedInOrderOnce) {
  ASSERT_TRUE(try_push(numbered(1)));
  ASSERT_TRUE(try_push(numbered(1, 8)));
  ASSERT_TRUE(try_push(numbered(2)));
  EXPECT_THAT(take(), ElementsAre("7#1", "8#1", "7#2"));
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(InboxTest, RefusesAPlaceWhenItHoldsAsManyMessagesAsItMay) {
  for (std::uint64_t seq = 1; seq <= 3; ++seq) ASSERT_TRUE(try_push(numbered(seq)));
  EXPECT_FALSE(inbox_.try_reserve(1));
  static_cast<void>(take());
  EXPECT_TRUE(inbox_.try_reserve(1));
}

TEST_F(InboxTest, ReservedPlacesCountAsTaken) {
  ASSERT_TRUE(try_push(numbered(1)));
  ASSERT_TRUE(inbox_.try_reserve(10));
  ASSERT_TRUE(inbox_.try_reserve(10));
  EXPECT_FALSE(inbox_.try_reserve(10));
  inbox_.cancel(10);
  EXPECT_TRUE(inbox_.try_reserve(10));
}

TEST_F(InboxTest, RefusesAPlaceWhenItHoldsAsManyBytesAsItMay) {
  ASSERT_TRUE(inbox_.try_reserve(200));
  EXPECT_FALSE(inbox_.try_reserve(101));
  ASSERT_TRUE(inbox_.try_reserve(100));
  inbox_.cancel(200);
  EXPECT_TRUE(inbox_.try_reserve(200));
}

TEST_F(InboxTest, AReservedPlaceOutlivesADrain) {
  const MessagePtr message = numbered(1);
  ASSERT_TRUE(inbox_.try_reserve(message->frame().size()));
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(inbox_.push_reserved(message), Push::kWake);
  EXPECT_THAT(take(), ElementsAre("7#1"));
  EXPECT_TRUE(inbox_.try_reserve(300)) << "every byte was given back";
}

TEST_F(InboxTest, AsksForOneWakePerDrain) {
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(try_push(numbered(1)));
    EXPECT_EQ(last_push_, Push::kWake);
    ASSERT_TRUE(try_push(numbered(2)));
    EXPECT_EQ(last_push_, Push::kQueued);
    Inbox::Place place;
    EXPECT_EQ(inbox_.push_latest(numbered(1, 8), place), Push::kQueued);
    static_cast<void>(take());
  }
  EXPECT_EQ(wakes_, 0) << "waking is left to the caller, who holds a lock now";
  inbox_.wake();
  EXPECT_EQ(wakes_, 1);
}

TEST_F(InboxTest, LatestMessagesAreAllKeptWhileThereIsRoom) {
  Inbox::Place place;
  EXPECT_EQ(inbox_.push_latest(numbered(1), place), Push::kWake);
  EXPECT_EQ(inbox_.push_latest(numbered(2), place), Push::kQueued);
  EXPECT_THAT(take(), ElementsAre("7#1", "7#2"));
}

TEST_F(InboxTest, WhenFullALatestMessageReplacesItsTopicsNewestInPlace) {
  Inbox::Place place;
  static_cast<void>(inbox_.push_latest(numbered(1), place));
  static_cast<void>(inbox_.push_latest(numbered(2), place));
  ASSERT_TRUE(try_push(numbered(1, 8)));
  EXPECT_EQ(inbox_.push_latest(numbered(3), place), Push::kReplaced);
  EXPECT_EQ(inbox_.push_latest(numbered(4), place), Push::kReplaced);
  EXPECT_THAT(take(), ElementsAre("7#1", "7#4", "8#1"));
}

TEST_F(InboxTest, WhenFullOfBytesALatestMessageReplacesToo) {
  Inbox::Place place;
  static_cast<void>(inbox_.push_latest(numbered(1, 7, 250), place));
  EXPECT_EQ(inbox_.push_latest(numbered(2, 7, 100), place), Push::kReplaced);
  EXPECT_TRUE(inbox_.try_reserve(150)) << "the older one's bytes were given back";
  EXPECT_THAT(take(), ElementsAre("7#2"));
}

TEST_F(InboxTest, WhenFullALatestTopicWithNothingWaitingIsAppendedAllTheSame) {
  for (std::uint64_t seq = 1; seq <= 3; ++seq) ASSERT_TRUE(try_push(numbered(seq)));
  Inbox::Place place;
  EXPECT_EQ(inbox_.push_latest(numbered(1, 8), place), Push::kQueued);
  EXPECT_EQ(inbox_.push_latest(numbered(2, 8), place), Push::kReplaced);
  EXPECT_THAT(take(), ElementsAre("7#1", "7#2", "7#3", "8#2"));
}

TEST_F(InboxTest, APlaceFromBeforeADrainIsStale) {
  Inbox::Place place;
  static_cast<void>(inbox_.push_latest(numbered(1), place));
  static_cast<void>(take());
  for (std::uint64_t seq = 1; seq <= 3; ++seq) ASSERT_TRUE(try_push(numbered(seq, 8)));
  EXPECT_EQ(inbox_.push_latest(numbered(2), place), Push::kQueued);
  EXPECT_THAT(take(), ElementsAre("8#1", "8#2", "8#3", "7#2"));
}

}  // namespace
}  // namespace broadcast
