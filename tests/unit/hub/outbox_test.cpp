#include "host/hub/outbox.hpp"

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "allocations.hpp"
#include "hub_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kTopic = 7;

MessagePtr numbered(Delivery delivery, std::uint64_t seq, std::uint64_t topic = kTopic,
                    std::size_t filling = 0) {
  const std::string payload = R"({"f":")" + std::string(filling, '.') + "\"}";
  return Message::publication(topic, delivery, seq, std::to_string(topic) + "#", payload);
}
MessagePtr latest(std::uint64_t seq, std::uint64_t topic = kTopic) {
  return numbered(Delivery::kLatest, seq, topic);
}
MessagePtr all(std::uint64_t seq, std::uint64_t topic = kTopic) {
  return numbered(Delivery::kAll, seq, topic);
}

class OutboxTest : public testing::Test {
 protected:
  /// What waits, shortened: "7#3" for message 3 of topic 7, other texts as they are, "close 4413".
  std::vector<std::string> read(std::size_t step = SIZE_MAX) {
    return shortened(write_all(outbox_, step));
  }

  static std::vector<std::string> shortened(std::string_view bytes) {
    std::vector<std::string> words;
    for (const Frame& frame : frames_of(bytes)) {
      words.push_back(frame.opcode == Opcode::kClose
                          ? "close " + std::to_string(close_code_of(frame))
                          : frame.payload.substr(0, frame.payload.find(',')));
    }
    return words;
  }
  void push(const MessagePtr& message) { outbox_.push(message, tickets_[message->topic_id()]); }
  void push_snapshot(const MessagePtr& message) {
    outbox_.push_snapshot(message, tickets_[message->topic_id()]);
  }
  /// As a socket that took `bytes` and then was full.
  std::string block_after(std::size_t bytes) {
    std::string written = write_some(outbox_, bytes);
    outbox_.set_blocked(true);
    return written;
  }

  Limits limits_{.outbox_bytes = 1000};
  Counters counters_;
  TouchedList touched_;
  SilentWriter writer_;
  Outbox outbox_{limits_, counters_, touched_, writer_};
  std::map<std::uint64_t, Outbox::Ticket> tickets_;
};

TEST_F(OutboxTest, RepliesAndPublicationsKeepOneOrder) {
  outbox_.push_reply(Message::text_of("first"));
  push(all(1));
  outbox_.push_reply(Message::text_of("second"));
  push(latest(1, 8));
  EXPECT_THAT(read(), ElementsAre("first", "7#1", "second", "8#1"));
}

/// Both, side by side: all at once, and one by one.
TEST_F(OutboxTest, SeveralAtOnceAreAsSeveralOneByOne) {
  for (const Delivery delivery : {Delivery::kLatest, Delivery::kAll}) {
    const std::size_t each = numbered(delivery, 1)->frame().size();
    for (const bool is_blocked : {false, true}) {
      for (std::size_t waiting = 0; waiting <= limits_.outbox_bytes / each; ++waiting) {
        Outbox together(limits_, counters_, touched_, writer_);
        Outbox single(limits_, counters_, touched_, writer_);
        Outbox::Ticket ticket = 0;
        Outbox::Ticket single_ticket = 0;
        std::vector<MessagePtr> first;
        for (std::uint64_t seq = 1; seq <= waiting; ++seq) first.push_back(numbered(delivery, seq));
        std::vector<MessagePtr> second;
        for (std::uint64_t seq = 101; seq <= 103; ++seq) second.push_back(numbered(delivery, seq));
        for (const auto& messages : {first, second}) {
          if (!messages.empty()) together.push(messages, ticket);
          for (const MessagePtr& message : messages) single.push(message, single_ticket);
          together.set_blocked(is_blocked);
          single.set_blocked(is_blocked);
        }
        EXPECT_EQ(ticket, single_ticket);
        EXPECT_EQ(together.pending_bytes(), single.pending_bytes());
        EXPECT_EQ(shortened(write_all(together)), shortened(write_all(single)))
            << waiting << " before them" << (is_blocked ? ", blocked" : "");
      }
    }
  }
}

TEST_F(OutboxTest, WhoTurnsOutToBeBehindIsSparedWhatIsSuperseded) {
  push(all(1, 1));
  for (std::uint64_t seq = 1; seq <= 3; ++seq) push(latest(seq));
  push(all(2, 1));
  push(latest(4));
  push(latest(1, 8));
  const std::size_t before = outbox_.pending_bytes();
  outbox_.set_blocked(true);
  EXPECT_EQ(counters_.get(Counter::kConflated), 3U);
  EXPECT_LT(outbox_.pending_bytes(), before);
  push(latest(5));  // finds the place of the newest
  EXPECT_EQ(counters_.get(Counter::kConflated), 4U);
  EXPECT_THAT(read(), ElementsAre("1#1", "1#2", "7#5", "8#1"));
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
  EXPECT_TRUE(outbox_.empty());
}

TEST_F(OutboxTest, AFrameThatIsHalfWrittenIsFinishedEvenIfItIsSuperseded) {
  for (std::uint64_t seq = 1; seq <= 4; ++seq) push(latest(seq));
  std::string written = block_after(3);
  written += write_all(outbox_, 5);
  EXPECT_THAT(shortened(written), ElementsAre("7#1", "7#4"));
}

TEST_F(OutboxTest, SupersededMessagesAtTheFrontAreSteppedOver) {
  for (std::uint64_t seq = 1; seq <= 3; ++seq) push(latest(seq));
  push(all(1, 1));
  outbox_.set_blocked(true);
  outbox_.set_blocked(false);
  push(latest(4));
  outbox_.set_blocked(true);
  EXPECT_THAT(read(1), ElementsAre("1#1", "7#4"));
  EXPECT_TRUE(outbox_.empty());
}

TEST_F(OutboxTest, ASlowReaderStillGetsTheAnswerToItsHandshake) {
  outbox_.push_reply(Message::bytes_of("HTTP/1.1 101"));
  for (std::uint64_t seq = 1; !outbox_.closing(); ++seq) push(all(seq));
  const std::string written = write_all(outbox_);
  ASSERT_TRUE(written.starts_with("HTTP/1.1 101"));
  EXPECT_THAT(shortened(written.substr(12)), ElementsAre("close 4413"));
}

TEST_F(OutboxTest, GathersNoMorePiecesThanThereIsRoomFor) {
  for (std::uint64_t seq = 1; seq <= 5; ++seq) push(all(seq));
  std::array<std::string_view, 3> pieces;
  ASSERT_EQ(outbox_.gather(pieces), 3U);
  EXPECT_EQ(pieces[2], all(3)->frame());
  outbox_.consume(all(1)->frame().size() * 3);
  ASSERT_EQ(outbox_.gather(pieces), 2U);
  EXPECT_EQ(pieces[0], all(4)->frame());
}

TEST_F(OutboxTest, PutsItsWriterOnTheTouchedListOncePerFlush) {
  push(all(1));
  push(all(2));
  EXPECT_THAT(touched_.writers, ElementsAre(&writer_));
  touched_.writers.clear();
  outbox_.untouch();
  outbox_.close(kCloseShutdown);
  EXPECT_THAT(touched_.writers, ElementsAre(&writer_));
}

TEST_F(OutboxTest, KnowsHowLongItsOldestMessageHasWaited) {
  using std::chrono::milliseconds;
  EXPECT_EQ(outbox_.oldest(MonoTime(milliseconds(7))), milliseconds(0));
  touched_.now = MonoTime(milliseconds(0xFFFF'FFF0));  // where 32 bits end
  push(all(1));
  touched_.now += milliseconds(40);
  push(all(2));
  EXPECT_EQ(outbox_.pending_messages(), 2U);
  EXPECT_EQ(outbox_.oldest(touched_.now), milliseconds(40));
  outbox_.consume(all(1)->frame().size());
  EXPECT_EQ(outbox_.pending_messages(), 1U);
  EXPECT_EQ(outbox_.oldest(touched_.now + milliseconds(5)), milliseconds(5));
}

TEST_F(OutboxTest, LeavesTheTouchedListWhenItIsDestroyed) {
  {
    Outbox other(limits_, counters_, touched_, writer_);
    other.push_reply(Message::text_of("x"));
    EXPECT_THAT(touched_.writers, ElementsAre(&writer_));
  }
  EXPECT_THAT(touched_.writers, IsEmpty());
}

TEST_F(OutboxTest, AReaderThatFallsBehindOnAnAllTopicIsClosedAndGetsOnlyTheCloseFrame) {
  std::size_t bytes = 0;
  for (std::uint64_t seq = 100; !outbox_.closing(); ++seq) {
    EXPECT_EQ(outbox_.pending_bytes(), bytes);
    push(all(seq));
    bytes += all(seq)->frame().size();
  }
  EXPECT_GT(bytes, limits_.outbox_bytes);
  EXPECT_LE(bytes - all(100)->frame().size(), limits_.outbox_bytes);
  EXPECT_EQ(outbox_.close_reason().counter, Counter::kClosedSlow);
  EXPECT_THAT(read(), ElementsAre("close 4413"));
}

TEST_F(OutboxTest, TheLimitItselfStillFits) {
  const std::size_t overhead = numbered(Delivery::kAll, 1, kTopic, 200)->frame().size() - 200;
  push(numbered(Delivery::kAll, 1, kTopic, limits_.outbox_bytes - overhead));
  EXPECT_EQ(outbox_.pending_bytes(), limits_.outbox_bytes);
  EXPECT_FALSE(outbox_.closing());
  outbox_.push_reply(Message::text_of(""));
  EXPECT_TRUE(outbox_.closing());
}

TEST_F(OutboxTest, RepliesNobodyReadsCloseTheConnectionToo) {
  while (!outbox_.closing()) outbox_.push_reply(Message::text_of("pong"));
  EXPECT_THAT(read(), ElementsAre("close 4413"));
}

TEST_F(OutboxTest, AFrameCutInTheMiddleIsFinishedBeforeTheCloseFrame) {
  push(all(1));
  push(all(2));
  std::string written = block_after(3);
  while (!outbox_.closing()) push(all(3));
  written += write_all(outbox_);
  EXPECT_THAT(shortened(written), ElementsAre("7#1", "close 4413"));
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
}

TEST_F(OutboxTest, LatestMessagesAreAllSentWhileTheSocketTakesThem) {
  push(latest(1));
  push(latest(2));
  EXPECT_THAT(read(), ElementsAre("7#1", "7#2"));
  EXPECT_EQ(counters_.get(Counter::kConflated), 0U);
}

TEST_F(OutboxTest, WhileBlockedTheNewestLatestMessageTakesTheWaitingOnesPlace) {
  block_after(0);
  push(latest(1));
  outbox_.push_reply(Message::text_of("pong"));
  push(latest(1, 8));
  push(latest(2));
  push(latest(3));
  EXPECT_EQ(counters_.get(Counter::kConflated), 2U);
  EXPECT_EQ(counters_.get(Counter::kDeliveries), 2U);
  EXPECT_THAT(read(), ElementsAre("7#3", "pong", "8#1"));
}

TEST_F(OutboxTest, AConflatedMessageCountsOnlyWithItsNewestSize) {
  block_after(0);
  push(numbered(Delivery::kLatest, 1, kTopic, 500));
  for (std::uint64_t seq = 2; seq < 100; ++seq) push(numbered(Delivery::kLatest, seq, kTopic, 300));
  EXPECT_EQ(outbox_.pending_bytes(), numbered(Delivery::kLatest, 99, kTopic, 300)->frame().size());
  EXPECT_FALSE(outbox_.closing());
  EXPECT_THAT(read(), ElementsAre("7#99"));
}

TEST_F(OutboxTest, APartlySentLatestMessageIsNotReplaced) {
  push(latest(1));
  std::string written = block_after(2);
  push(latest(2));
  push(latest(3));
  written += write_all(outbox_);
  EXPECT_THAT(shortened(written), ElementsAre("7#1", "7#3"));
}

TEST_F(OutboxTest, ASentLatestMessageIsNotReplaced) {
  push(latest(1));
  const std::string written = block_after(SIZE_MAX);
  push(latest(2));
  EXPECT_THAT(shortened(written), ElementsAre("7#1"));
  EXPECT_THAT(read(), ElementsAre("7#2"));
}

TEST_F(OutboxTest, ConflatingEndsWhenTheSocketTakesMoreAgain) {
  block_after(0);
  push(latest(1));
  outbox_.set_blocked(false);
  push(latest(2));
  EXPECT_THAT(read(), ElementsAre("7#1", "7#2"));
}

TEST_F(OutboxTest, AMessageGrownBeyondTheLimitWhileItWaitsClosesTheConnection) {
  block_after(0);
  push(latest(1));
  outbox_.push_reply(Message::text_of(std::string(600, '.')));
  push(numbered(Delivery::kLatest, 2, kTopic, 500));
  EXPECT_THAT(read(), ElementsAre("close 4413"));
}

TEST_F(OutboxTest, AllMessagesAreNeverSkipped) {
  block_after(0);
  for (std::uint64_t seq = 1; seq <= 4; ++seq) push(all(seq));
  EXPECT_EQ(counters_.get(Counter::kConflated), 0U);
  EXPECT_THAT(read(), ElementsAre("7#1", "7#2", "7#3", "7#4"));
}

TEST_F(OutboxTest, ASnapshotDoesNotCountAgainstTheLimit) {
  push_snapshot(numbered(Delivery::kLatest, 5, kTopic, 2000));
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
  push(all(1, 8));
  EXPECT_EQ(outbox_.pending_bytes(), all(1, 8)->frame().size());
  EXPECT_THAT(read(), ElementsAre("7#5", "8#1"));
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
}

TEST_F(OutboxTest, ASnapshotThatWaitsAlreadyIsNotDoubled) {
  push_snapshot(latest(5));
  push_snapshot(latest(5));
  EXPECT_THAT(read(), ElementsAre("7#5"));
  push_snapshot(latest(5));
  EXPECT_THAT(read(), ElementsAre("7#5"));
}

TEST_F(OutboxTest, ASnapshotThatOutlivesItsSubscriptionCounts) {
  const MessagePtr value = numbered(Delivery::kLatest, 5, kTopic, 400);
  push_snapshot(value);
  const auto is_over = [](std::uint64_t topic) { return topic == kTopic; };
  outbox_.charge([](std::uint64_t topic) { return topic == kTopic + 1; });
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
  outbox_.charge(is_over);
  outbox_.charge(is_over);
  EXPECT_EQ(outbox_.pending_bytes(), value->frame().size());
  EXPECT_THAT(read(), ElementsAre("7#5"));
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
  outbox_.charge(is_over);
  EXPECT_EQ(outbox_.pending_bytes(), 0U) << "written: nothing to count";
}

TEST_F(OutboxTest, RecoveredMessagesAllWaitAndCountOnceTheirSubscriptionIsOver) {
  Outbox::Ticket ticket = 0;
  for (std::uint64_t seq = 1; seq <= 3; ++seq) outbox_.push_recovered(all(seq), ticket);
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
  outbox_.charge([](std::uint64_t) { return true; });
  EXPECT_EQ(outbox_.pending_bytes(), 3 * all(1)->frame().size());
  EXPECT_THAT(read(), ElementsAre("7#1", "7#2", "7#3"));
}

TEST_F(OutboxTest, WhatIsAskedForAgainCountsWithItsPlaceUntilItIsOver) {
  const MessagePtr message = numbered(Delivery::kAll, 1, kTopic, 200);
  Outbox::Ticket ticket = 0;
  outbox_.push_recovered(message, ticket);
  const auto every = [](std::uint64_t) { return true; };
  for (int i = 0; i < 2; ++i) {
    outbox_.charge(every, Outbox::Charge::kPlace);
    EXPECT_EQ(outbox_.pending_bytes(), 16U);
  }
  outbox_.charge(every);
  EXPECT_EQ(outbox_.pending_bytes(), message->frame().size());
  outbox_.charge(every, Outbox::Charge::kPlace);
  EXPECT_EQ(outbox_.pending_bytes(), message->frame().size());
  EXPECT_THAT(read(), ElementsAre("7#1"));
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
}

TEST_F(OutboxTest, ASnapshotStandsBehindTheAnswerAndSupersedesWhatWaitsBeforeIt) {
  block_after(0);
  push(latest(4));
  outbox_.push_reply(Message::text_of("subscribed"));
  push_snapshot(latest(4));
  push(latest(5, 8));
  EXPECT_EQ(outbox_.pending_messages(), 3U);
  EXPECT_THAT(read(), ElementsAre("subscribed", "7#4", "8#5"));
  EXPECT_EQ(outbox_.pending_bytes(), 0U);
}

TEST_F(OutboxTest, WritesTheDeflatedFrameToWhoTakesItAndChargesItsBytes) {
  Outbox deflating(limits_, counters_, touched_, writer_, FrameForm::kDeflated);
  const auto message = Message::publication(
      kTopic, Delivery::kAll, 1, "7#", R"({"f":"long text"})",
      [](std::string_view, std::string& deflated) { return deflated = "short", true; });
  Outbox::Ticket ticket = 0;
  deflating.push(message, ticket);
  EXPECT_EQ(deflating.pending_bytes(), message->frame(FrameForm::kDeflated).size());
  EXPECT_EQ(write_all(deflating, 3), message->frame(FrameForm::kDeflated));
  EXPECT_TRUE(deflating.empty());
}

TEST_F(OutboxTest, ANewerMessageReplacesAWaitingSnapshotOfALatestTopicOnly) {
  block_after(0);
  push_snapshot(latest(5));
  push_snapshot(all(5, 8));
  push(latest(6));
  push(all(6, 8));
  EXPECT_EQ(outbox_.pending_bytes(), all(6, 8)->frame().size());
  EXPECT_THAT(read(), ElementsAre("7#6", "8#5", "8#6"));
}

TEST_F(OutboxTest, ASnapshotOfAnAllTopicQueuesBehindWhatWaits) {
  push(all(1));
  push_snapshot(all(2));
  EXPECT_THAT(read(), ElementsAre("7#1", "7#2"));
}

TEST_F(OutboxTest, AWrongTicketNeverHitsAnotherTopicsMessage) {
  push(latest(1));
  static_cast<void>(read());
  block_after(0);
  for (int i = 0; i < 3; ++i) outbox_.push_reply(Message::text_of("r"));
  for (std::uint64_t ticket = 0; ticket < 6; ++ticket) {
    tickets_[10 + ticket] = ticket;
    push(latest(1, 10 + ticket));
  }
  EXPECT_THAT(read(), ElementsAre("r", "r", "r", "10#1", "11#1", "12#1", "13#1", "14#1", "15#1"));
}

TEST_F(OutboxTest, WritesOfAnySizeLoseNothing) {
  for (const std::size_t step : {1U, 2U, 3U, 7U, 31U, 97U}) {
    std::vector<std::string> sent;
    std::string written;
    for (std::uint64_t seq = 1; seq <= 1000; ++seq) {
      push(numbered(Delivery::kAll, seq, kTopic, static_cast<std::size_t>(seq % 150)));
      sent.push_back("7#" + std::to_string(seq));
      while (outbox_.pending_bytes() > limits_.outbox_bytes / 2)
        written += write_some(outbox_, step);
    }
    written += write_all(outbox_, step);
    EXPECT_EQ(shortened(written), sent) << "steps of " << step;
    EXPECT_EQ(outbox_.pending_bytes(), 0U);
  }
}

TEST_F(OutboxTest, AMessageKeepsItsPlaceWhenWhatStoodBeforeItIsCutOff) {
  limits_.outbox_bytes = 100'000;
  const std::size_t size = all(1000)->frame().size();
  for (std::uint64_t seq = 1000; seq < 1600; ++seq) push(all(seq));
  push(latest(1, 8));
  push(all(1600));
  for (int i = 0; i < 599; ++i) static_cast<void>(write_some(outbox_, size));
  outbox_.set_blocked(true);
  push(latest(2, 8));
  EXPECT_EQ(counters_.get(Counter::kConflated), 1U);
  EXPECT_THAT(read(), ElementsAre("7#1599", "8#2", "7#1600"));
}

TEST_F(OutboxTest, TheFirstCloseWins) {
  push(all(1));
  outbox_.close(kCloseShutdown);
  outbox_.close(kCloseSlow);
  outbox_.close(kCloseInternal);
  EXPECT_EQ(outbox_.close_reason().code, 1001);
  EXPECT_THAT(read(), ElementsAre("7#1", "close 1001"));
}

TEST_F(OutboxTest, NothingFollowsTheCloseFrame) {
  outbox_.close(kCloseShutdown);
  push(all(1));
  push_snapshot(latest(1, 8));
  outbox_.push_reply(Message::text_of("pong"));
  EXPECT_THAT(read(), ElementsAre("close 1001"));
}

TEST_F(OutboxTest, ACloseFrameCarriesCodeAndWordsWhichTheReasonKeeps) {
  std::string words = "no frame for 90 s";
  outbox_.close({4408, words, Counter::kClosedHeartbeat});
  words.assign(words.size(), 'x');
  EXPECT_EQ(outbox_.close_reason().text, "no frame for 90 s") << "for the log, while it waits";
  const std::vector<Frame> frames = frames_of(write_all(outbox_));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(close_code_of(frames[0]), 4408U);
  EXPECT_EQ(frames[0].payload.substr(2), "no frame for 90 s");
  EXPECT_EQ(outbox_.close_reason().text, "no frame for 90 s");
}

TEST_F(OutboxTest, ACloseWithoutACodeIsAnEmptyCloseFrame) {
  outbox_.close({kCloseNoCode, "", Counter::kClosedNormal});
  const std::vector<Frame> frames = frames_of(write_all(outbox_));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].opcode, Opcode::kClose);
  EXPECT_THAT(frames[0].payload, IsEmpty());
}

TEST_F(OutboxTest, LetsGoOfMessagesAsSoonAsTheyAreSent) {
  push(all(1));
  push(all(2));
  const std::size_t size = all(1)->frame().size();
  const std::size_t before = deallocations();
  outbox_.consume(size - 1);
  EXPECT_EQ(deallocations() - before, 0U);
  outbox_.consume(1);
  EXPECT_EQ(deallocations() - before, 1U);
}

TEST_F(OutboxTest, GivesTheMemoryOfALongQueueBackAndKeepsThatOfAShortOne) {
  push(all(1));
  static_cast<void>(read());
  std::vector<MessagePtr> messages;
  for (std::uint64_t seq = 2; seq < 40; ++seq) messages.push_back(all(seq));
  Outbox::Ticket ticket = 0;
  std::size_t before = allocations();
  outbox_.push(messages[0], ticket);
  EXPECT_EQ(allocations() - before, 0U) << "a short queue keeps its place";
  for (const MessagePtr& message : messages) outbox_.push(message, ticket);
  static_cast<void>(read());
  before = allocations();
  outbox_.push(messages[0], ticket);
  EXPECT_EQ(allocations() - before, 1U) << "a long one starts anew";
}

TEST_F(OutboxTest, AMessageOnEachOfSixteenTopicsCostsNoMemoryTheSecondTime) {
  std::vector<MessagePtr> messages;
  for (std::uint64_t topic = 1; topic <= 16; ++topic) messages.push_back(latest(1, topic));
  Outbox::Ticket ticket = 0;
  for (const MessagePtr& message : messages) outbox_.push(message, ticket);
  static_cast<void>(read());
  touched_.writers.clear();
  outbox_.untouch();
  const std::size_t before = allocations();
  for (const MessagePtr& message : messages) outbox_.push(message, ticket);
  EXPECT_EQ(allocations() - before, 0U);
}

TEST_F(OutboxTest, OnlyTheAnswerToTheNewestPingWaits) {
  Outbox::Ticket pong = 0;
  outbox_.push_pong(Message::frame_of(Opcode::kPong, "1"), pong);
  push(all(1));
  const std::size_t pending = outbox_.pending_bytes();
  for (int i = 0; i < 1000; ++i) outbox_.push_pong(Message::frame_of(Opcode::kPong, "2"), pong);
  EXPECT_EQ(outbox_.pending_bytes(), pending);
  EXPECT_THAT(read(), ElementsAre("2", "7#1"));
  outbox_.push_pong(Message::frame_of(Opcode::kPong, "3"), pong);
  EXPECT_FALSE(outbox_.empty()) << "the one before is written: this is another";
}

TEST_F(OutboxTest, AReplyCostsMoreThanItsBytes) {
  std::size_t replies = 0;
  while (!outbox_.closing()) {
    outbox_.push_reply(Message::text_of("{}"));
    ++replies;
  }
  EXPECT_LT(replies, limits_.outbox_bytes / 60);
}

}  // namespace
}  // namespace broadcast
