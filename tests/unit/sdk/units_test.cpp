#include <gtest/gtest.h>

#include <broadcast/units.hpp>

namespace broadcast {
namespace {

using namespace std::chrono_literals;

TEST(UnitsTest, ReadsDurations) {
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("5m"), 5min);
  EXPECT_EQ(parse_duration("24h"), 24h);
  EXPECT_EQ(parse_duration("0s"), 0s);
}

TEST(UnitsTest, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "5", "s", "-5s", "5 s", "5S", "1.5s", "5d", "5ss",
                           "9223372036854775807h", "99999999999999999999s"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(UnitsTest, ReadsSizes) {
  EXPECT_EQ(parse_size("512"), 512U);
  EXPECT_EQ(parse_size("64KiB"), 65'536U);
  EXPECT_EQ(parse_size("1MiB"), 1'048'576U);
  EXPECT_EQ(parse_size("2GiB"), 2'147'483'648U);
}

TEST(UnitsTest, RefusesWhatIsNoSize) {
  for (const char* text : {"", "KiB", "-1", "1kb", "1 MiB", "1.5MiB", "9223372036854775807KiB"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(UnitsTest, WritesTimestampsInMicrosecondsUtc) {
  EXPECT_EQ(iso_timestamp(1'770'253'323'456'789'000), "2026-02-05T01:02:03.456789+00:00");
  EXPECT_EQ(iso_timestamp(0), "1970-01-01T00:00:00.000000+00:00");
  EXPECT_EQ(iso_timestamp(-1), "1969-12-31T23:59:59.999999+00:00");
}

}  // namespace
}  // namespace broadcast
