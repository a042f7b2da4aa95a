// The small pure parts: timers, texts of plugins.
#include <gtest/gtest.h>

#include "host/base/printable.hpp"
#include "host/loader/abi_text.hpp"
#include "host/loader/timer_table.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;

const MonoTime kNow = MonoTime(1000s);

std::vector<std::uint64_t> due_at(TimerTable& timers, MonoTime now) {
  std::vector<std::uint64_t> ids;
  while (const auto due = timers.take_due(now)) ids.push_back(due->id);
  return ids;
}

TEST(TimerTableTest, FiresOnceInOrderOfTime) {
  TimerTable timers;
  EXPECT_FALSE(timers.next_due());
  ASSERT_TRUE(timers.try_arm(1, 20ms, 0ns, kNow));
  ASSERT_TRUE(timers.try_arm(2, 10ms, 0ns, kNow));
  EXPECT_EQ(timers.next_due(), kNow + 10ms);
  EXPECT_TRUE(due_at(timers, kNow + 9ms).empty());
  EXPECT_EQ(due_at(timers, kNow + 20ms), (std::vector<std::uint64_t>{2, 1}));
  EXPECT_FALSE(timers.next_due());
}

TEST(TimerTableTest, ALatePeriodFiresOnceAndKeepsItsBeat) {
  TimerTable timers;
  ASSERT_TRUE(timers.try_arm(1, 10ms, 10ms, kNow));
  EXPECT_EQ(due_at(timers, kNow + 35ms), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(timers.next_due(), kNow + 40ms);
}

TEST(TimerTableTest, ArmsTheSameIdAgainAndCancels) {
  TimerTable timers;
  ASSERT_TRUE(timers.try_arm(1, 10ms, 0ns, kNow));
  ASSERT_TRUE(timers.try_arm(1, 50ms, 0ns, kNow));
  EXPECT_TRUE(due_at(timers, kNow + 40ms).empty());
  timers.cancel(1);
  timers.cancel(7);
  EXPECT_TRUE(due_at(timers, kNow + 1h).empty());
}

TEST(TimerTableTest, IsBoundedButAlwaysTakesAnIdItHas) {
  TimerTable timers;
  for (std::uint64_t id = 0; id < TimerTable::kMaxTimers; ++id) {
    ASSERT_TRUE(timers.try_arm(id, 1s, 0ns, kNow));
  }
  EXPECT_FALSE(timers.try_arm(TimerTable::kMaxTimers, 1s, 0ns, kNow));
  EXPECT_TRUE(timers.try_arm(0, 1s, 0ns, kNow));
}

TEST(TimerTableTest, DoesNotRunOverTheEndOfTheClock) {
  TimerTable timers;
  ASSERT_TRUE(timers.try_arm(1, std::chrono::nanoseconds::max(), 0ns, kNow));
  EXPECT_EQ(timers.next_due(), MonoTime::max());
}

TEST(PrintableTest, KeepsGoodTextAndMendsTheRest) {
  EXPECT_EQ(printable("삼성전자 +1.5%"), "삼성전자 +1.5%");
  EXPECT_EQ(printable("one\ntwo\x1b[31m\x7f"), "one two [31m ");
  EXPECT_EQ(printable("bad \xff\xfe byte"), "bad ?? byte");
  EXPECT_EQ(printable("a\u0085b\u2028c\u2029d\u009be \u00a0\u2027"), "a b c d e \u00a0\u2027");
}

TEST(PrintableTest, CutsLongTextAtACharacter) {
  EXPECT_EQ(printable(std::string(10'000, 'x')).size(), kMaxPrintable);
  std::string text(kMaxPrintable - 1, 'x');
  EXPECT_EQ(printable(text + "성성"), text);
}

TEST(PrintableTest, KnowsAnAbiTextThatPointsNowhere) {
  EXPECT_TRUE(is_usable({nullptr, 0}));
  EXPECT_FALSE(is_usable({nullptr, 3}));
  EXPECT_EQ(text_of({nullptr, 0}), "");
}

}  // namespace
}  // namespace broadcast
