#include "host/net/client_memory.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(ClientMemoryTest, IsTightFromThreeQuartersOn) {
  ClientMemory memory(2, 1000);
  memory.note(0, 375);
  memory.note(1, 375);
  EXPECT_FALSE(memory.is_tight());
  memory.note(1, 376);
  EXPECT_TRUE(memory.is_tight());
  memory.set_limit(2000);
  EXPECT_FALSE(memory.is_tight());
}

TEST(ClientMemoryTest, NobodyGoesUntilEveryShardHasSaidWhatItsLargestHolds) {
  ClientMemory memory(2, 1000);
  memory.note(0, 900);
  memory.note_largest(0, 10);
  EXPECT_EQ(memory.duty_of(0).bytes, 0U);
  memory.note_largest(1, 0);
  EXPECT_GT(memory.duty_of(0).bytes, 0U);
  memory.calm(1);
  EXPECT_EQ(memory.duty_of(0).bytes, 0U);
}

TEST(ClientMemoryTest, WhoHoldsLessThanHalfOfTheLargestStaysOnWhateverShard) {
  ClientMemory memory(2, 1000);
  memory.note(0, 800);
  memory.note(1, 100);
  memory.note_largest(0, 400);
  memory.note_largest(1, 20);
  EXPECT_EQ(memory.duty_of(0).from_bytes, 201U);
  EXPECT_EQ(memory.duty_of(1).from_bytes, 201U);
  EXPECT_GE(memory.duty_of(0).bytes, 130U);
  EXPECT_LE(memory.duty_of(0).bytes + memory.duty_of(1).bytes, 152U) << "900 - 750, shared out";
}

TEST(ClientMemoryTest, NobodyIsSafeForLongBehindWhoComesBackAndBack) {
  ClientMemory memory(1, 1000);
  memory.note(0, 900);
  std::size_t from = 1000;
  for (int tick = 0; tick < 12; ++tick) {
    memory.note_largest(0, 400);
    EXPECT_LT(memory.duty_of(0).from_bytes, from);
    from = memory.duty_of(0).from_bytes + (tick > 7 ? 1 : 0);
  }
  EXPECT_EQ(memory.duty_of(0).from_bytes, 1U);
  memory.calm(0);
  memory.note_largest(0, 400);
  EXPECT_EQ(memory.duty_of(0).from_bytes, 201U);
}

}  // namespace
}  // namespace broadcast
