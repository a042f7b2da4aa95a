#include "plugins/price/trading_hours.hpp"

#include <gtest/gtest.h>

#include "plugins/database/holidays.hpp"
#include "tests/unit/plugins/seoul.hpp"

namespace broadcast {
namespace {

using std::chrono::minutes;
using std::chrono::nanoseconds;

bool is_open(const std::string& when) { return TradingHours().open_for(seoul(when)).has_value(); }

TEST(TradingHoursTest, FromNineToHalfPastThreeOnWeekdays) {
  EXPECT_FALSE(is_open("2026-02-05 08:59:59"));
  EXPECT_TRUE(is_open("2026-02-05 09:00:00"));
  EXPECT_TRUE(is_open("2026-02-05 15:29:59"));
  EXPECT_FALSE(is_open("2026-02-05 15:30:00"));
  EXPECT_FALSE(is_open("2026-02-05 00:00:00")) << "when it is yesterday in London";
  EXPECT_TRUE(is_open("2026-02-06 12:00:00")) << "Friday";
  EXPECT_FALSE(is_open("2026-02-07 12:00:00"));
  EXPECT_FALSE(is_open("2026-02-08 12:00:00"));
  EXPECT_TRUE(is_open("2026-02-09 12:00:00")) << "Monday";
}

TEST(TradingHoursTest, SeoulHasNoSummerTime) {
  EXPECT_TRUE(is_open("2026-07-01 09:00:00"));
  EXPECT_FALSE(is_open("2026-07-01 08:59:59"));
}

TEST(TradingHoursTest, SaysHowLongItHasBeenOpen) {
  EXPECT_EQ(TradingHours().open_for(seoul("2026-02-05 10:05:00")), nanoseconds(minutes(65)));
  EXPECT_EQ(TradingHours().open_for(seoul("2026-02-05 09:00:00")), nanoseconds(0));
}

TEST(TradingHoursTest, AHolidayIsClosedAllDayAndNoOther) {
  const TradingHours hours({*parse_holiday("2026-02-17")});
  EXPECT_FALSE(hours.open_for(seoul("2026-02-17 10:00:00")));
  EXPECT_TRUE(hours.open_for(seoul("2026-02-18 10:00:00")));
}

TEST(TradingHoursTest, ADateIsADayThatThereIs) {
  EXPECT_TRUE(parse_holiday("2028-02-29"));
  for (const char* wrong :
       {"2026-02-29", "2026-13-01", "2026-00-10", "2026-01-32", "2026-1-01", "20260101",
        "2026-01-01 ", "2026/01/01", "x026-01-01", "2026-+1-01", ""}) {
    EXPECT_FALSE(parse_holiday(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace broadcast
