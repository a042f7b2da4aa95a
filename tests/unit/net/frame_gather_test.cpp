#include "host/net/frame_gather.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/hub/silent_writer.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// An outbox whose frames are replies of these bytes.
class Queue {
 public:
  explicit Queue(const std::vector<MessagePtr>& messages) {
    for (const MessagePtr& message : messages) outbox.push_reply(message);
  }

 private:
  Limits limits_;
  Counters counters_;
  TouchedList touched_;
  SilentWriter writer_;

 public:
  Outbox outbox{limits_, counters_, touched_, writer_};
};

std::vector<std::string> words_of(std::span<const iovec> parts) {
  std::vector<std::string> words;
  for (const iovec& part : parts) {
    words.emplace_back(static_cast<const char*>(part.iov_base), part.iov_len);
  }
  return words;
}

class FrameGatherTest : public testing::Test {
 protected:
  std::vector<std::string> take(const Queue& queue) { return words_of(gather.take(queue.outbox)); }

  const MessagePtr one = Message::bytes_of("one");
  const MessagePtr two = Message::bytes_of("two");
  const MessagePtr three = Message::bytes_of("three");
  FrameGather gather{256};
};

TEST_F(FrameGatherTest, WhoWaitsForTheSameFramesInARowGetsThemInOnePiece) {
  const std::vector<MessagePtr> same = {one, two};
  EXPECT_THAT(take(Queue(same)), ElementsAre("one", "two"));
  const std::span<iovec> second = gather.take(Queue(same).outbox);
  EXPECT_THAT(words_of(second), ElementsAre("onetwo"));
  const std::span<iovec> third = gather.take(Queue(same).outbox);
  EXPECT_THAT(words_of(third), ElementsAre("onetwo"));
  EXPECT_EQ(second[0].iov_base, third[0].iov_base) << "put together once";
}

TEST_F(FrameGatherTest, WhoWaitsForSomethingElseGetsItsOwn) {
  EXPECT_THAT(take(Queue({one, two})), ElementsAre("one", "two"));
  EXPECT_THAT(take(Queue({one, two, three})), ElementsAre("one", "two", "three"));
  EXPECT_THAT(take(Queue({one, two})), ElementsAre("one", "two"));
  EXPECT_THAT(take(Queue({two, one})), ElementsAre("two", "one"));
}

TEST_F(FrameGatherTest, OneWhoseFirstFrameIsHalfWrittenGoesOnFromThere) {
  Queue behind({one, two});
  behind.outbox.consume(1);
  EXPECT_THAT(take(Queue({one, two})), ElementsAre("one", "two"));
  EXPECT_THAT(take(behind), ElementsAre("ne", "two"));
  EXPECT_THAT(take(Queue({one, two})), ElementsAre("one", "two"));
}

TEST_F(FrameGatherTest, ASingleFrameIsNotCopied) {
  for (int i = 0; i < 3; ++i) {
    const std::span<iovec> parts = gather.take(Queue({one}).outbox);
    ASSERT_EQ(parts.size(), 1U);
    EXPECT_EQ(parts[0].iov_base, one->frame().data());
  }
}

TEST_F(FrameGatherTest, NothingIsRememberedOnceItIsCleared) {
  EXPECT_THAT(take(Queue({one, two})), ElementsAre("one", "two"));
  gather.clear();
  EXPECT_THAT(take(Queue({one, two})), ElementsAre("one", "two"));
}

TEST_F(FrameGatherTest, HasRoomForAWholeWriteOrSaysThatItHasNot) {
  FrameGather small(kPiecesPerWrite + 1);
  EXPECT_TRUE(small.has_room());
  EXPECT_THAT(words_of(small.take(Queue({one, two}).outbox)), ElementsAre("one", "two"));
  EXPECT_FALSE(small.has_room());
  small.clear();
  EXPECT_TRUE(small.has_room());
  EXPECT_THAT(words_of(small.take(Queue({}).outbox)), IsEmpty());
}

}  // namespace
}  // namespace broadcast
