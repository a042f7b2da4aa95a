#include "host/hub/topic_pattern.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTicker = "(?=.*[0-9])[0-9A-Z]{6}";

TopicPattern pattern(std::string text, std::string_view match = "") {
  return TopicPattern(std::move(text), match, Delivery::kLatest);
}

std::string why_not(std::string text, std::string_view match = "") {
  try {
    static_cast<void>(pattern(std::move(text), match));
    return "accepted";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

TEST(TopicPatternTest, ALiteralAcceptsItselfOnly) {
  const TopicPattern kospi = pattern("market:kospi");
  EXPECT_FALSE(kospi.has_placeholder());
  EXPECT_TRUE(kospi.accepts("market:kospi"));
  for (const char* other : {"market:kosp", "market:kospi2", "Market:kospi", ""}) {
    EXPECT_FALSE(kospi.accepts(other)) << other;
  }
}

TEST(TopicPatternTest, APlaceholderAcceptsWhatMatchesWhole) {
  const TopicPattern price = pattern("price:{ticker}", kTicker);
  EXPECT_TRUE(price.has_placeholder());
  EXPECT_EQ(price.text(), "price:{ticker}");
  for (const char* good : {"price:005930", "price:0015N0", "price:A00001"}) {
    EXPECT_TRUE(price.accepts(good)) << good;
  }
  for (const char* bad : {"price:", "price:00593", "price:0059300", "price:ABCDEF", "price:00593a",
                          "xprice:005930", "price:005930 ", "price"}) {
    EXPECT_FALSE(price.accepts(bad)) << bad;
  }
}

TEST(TopicPatternTest, WithoutMatchAPlaceholderAcceptsAnythingButNothing) {
  const TopicPattern note = pattern("note:{name}");
  EXPECT_TRUE(note.accepts("note:x"));
  EXPECT_TRUE(note.accepts("note:x:y"));
  EXPECT_FALSE(note.accepts("note:"));
}

TEST(TopicPatternTest, OverlapsWhenATopicMayBelongToBoth) {
  struct Case {
    TopicPattern left, right;
    bool overlap;
  };
  const Case cases[] = {
      {pattern("signal:vcp"), pattern("signal:vcp"), true},
      {pattern("signal:vcp"), pattern("signal:daytrading"), false},
      {pattern("price:{ticker}", kTicker), pattern("price:005930"), true},
      {pattern("price:{ticker}", kTicker), pattern("price:samsung"), false},
      {pattern("price:{ticker}", kTicker), pattern("price:{name}", "[a-z]+"), true},
      {pattern("price:{ticker}"), pattern("market:{code}"), false},
      {pattern("price:{ticker}"), pattern("price:krx:{ticker}"), false},
  };
  for (const auto& [left, right, overlap] : cases) {
    EXPECT_EQ(left.overlaps(right), overlap) << left.text() << " and " << right.text();
    EXPECT_EQ(right.overlaps(left), overlap) << right.text() << " and " << left.text();
  }
}

TEST(TopicPatternTest, SaysWhatIsWrongWithItsText) {
  for (const char* bad : {"", "{ticker}", "pri ce", "가:{x}", "price:*"}) {
    EXPECT_THAT(why_not(bad), HasSubstr("expected letters, digits and _ - . : /")) << bad;
  }
  for (const char* bad :
       {"price:{}", "price:{ticker", "price:{Ticker}", "price:{t}x", "price:{a}{b}", "price:{1}"}) {
    EXPECT_THAT(why_not(bad), HasSubstr("may end in one {name}")) << bad;
    EXPECT_THAT(why_not(bad), HasSubstr(bad));
  }
}

TEST(TopicPatternTest, SaysWhatIsWrongWithItsMatch) {
  EXPECT_THAT(why_not("price:{ticker}", "[0-9"), HasSubstr("\"match\" is not a regex"));
  EXPECT_THAT(why_not("market:kospi", ".*"), HasSubstr("\"match\" needs a {placeholder}"));
  EXPECT_THAT(why_not("pair:{name}", "(a)\\1"), HasSubstr("back-reference"));
  EXPECT_THAT(why_not("price:{ticker}", std::string(256, '(')),
              HasSubstr("\"match\" has 256 bytes, at most 255 are allowed"));
  EXPECT_THAT(why_not("price:{ticker}", "[0-9]{1,1000}"),
              HasSubstr("\"match\" repeats something more than 999 times"));
  EXPECT_EQ(why_not("price:{ticker}", "[0-9]{1,999}"), "accepted");
}

TEST(TopicPatternTest, NoTopicTakesLongToMatch) {
  const TopicPattern nested = pattern("a:{b}", "(a*)*b");
  EXPECT_FALSE(nested.accepts("a:" + std::string(253, 'a'))) << "by backtracking, in 2^253 steps";
  EXPECT_TRUE(nested.accepts("a:" + std::string(252, 'a') + "b"));
}

TEST(TopicPatternTest, ATopicIsUnderEachBranchThatItsNameHas) {
  const auto branches_of = [](std::string_view name) {
    std::vector<std::string> branches;
    any_branch(name, [&](std::string_view prefix) {
      branches.emplace_back(prefix);
      return false;
    });
    return branches;
  };
  EXPECT_EQ(branches_of("a:b:c"), (std::vector<std::string>{"a:", "a:b:"}));
  EXPECT_EQ(branches_of("a:"), (std::vector<std::string>{"a:"}));
  EXPECT_EQ(branches_of("market-gate"), std::vector<std::string>{});
}

}  // namespace
}  // namespace broadcast
