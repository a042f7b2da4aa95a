#include "host/hub/topic_claims.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "hub_play.hpp"

namespace broadcast {
namespace {

class TopicClaimsTest : public testing::Test {
 protected:
  static std::vector<TopicPattern> patterns(std::initializer_list<const char*> texts) {
    std::vector<TopicPattern> patterns;
    for (const char* const text : texts) patterns.emplace_back(text, "", Delivery::kLatest);
    return patterns;
  }
  [[nodiscard]] const TopicOwner* owner_of(std::string_view topic) const {
    const Claim* const claim = claims.claim_of(topic);
    return claim == nullptr ? nullptr : claim->owner;
  }

  FakeOwner price{"price"};
  FakeOwner other{"other"};
  TopicClaims claims;
};

TEST_F(TopicClaimsTest, TheLastOnesOfAnOwnerHold) {
  claims.set(price, "a.so", patterns({"price:{ticker}"}));
  claims.set(price, "b.so", patterns({"quote:{ticker}"}));
  EXPECT_EQ(owner_of("price:1"), nullptr);
  EXPECT_EQ(owner_of("quote:1"), &price);
  claims.set(price, "", {});
  EXPECT_TRUE(claims.empty());
}

TEST_F(TopicClaimsTest, AConflictNamesThePatternItsOwnerAndItsLibrary) {
  claims.set(price, "libprice.so", patterns({"price:{ticker}"}));
  const auto conflict = claims.conflict_of(other, patterns({"other:x", "price:005930"}));
  ASSERT_TRUE(conflict);
  EXPECT_EQ(conflict->text(), "topic \"price:005930\" is already owned by price (libprice.so)");
  EXPECT_FALSE(claims.conflict_of(price, patterns({"price:005930"}))) << "its own";
}

TEST_F(TopicClaimsTest, StatusTopicsAreNobodysToClaim) {
  ASSERT_TRUE(claims.conflict_of(price, patterns({"status:price"})));
  claims.set(price, "a.so", patterns({"st{x}"}));
  EXPECT_EQ(owner_of("status:price"), nullptr);
}

TEST_F(TopicClaimsTest, TheHigherRankDecidesTheDelivery) {
  std::vector<TopicPattern> both = patterns({"price:{ticker}"});
  both.emplace_back("price:index", "", Delivery::kAll);
  claims.set(price, "a.so", both);
  EXPECT_EQ(claims.claim_of("price:index")->pattern.delivery(), Delivery::kAll);
  EXPECT_EQ(claims.claim_of("price:1")->pattern.delivery(), Delivery::kLatest);
}

TEST_F(TopicClaimsTest, OnlyTheSamePatternsAreRenewed) {
  const auto mine = patterns({"price:{ticker}"});
  EXPECT_FALSE(claims.try_renew(price, "a.so", mine)) << "it has none";
  claims.set(price, "a.so", mine);
  EXPECT_FALSE(claims.try_renew(price, "b.so", patterns({"price:{t}", "x"})));
  EXPECT_EQ(claims.claim_of("price:1")->library, "a.so");
  EXPECT_TRUE(claims.try_renew(price, "b.so", mine));
  EXPECT_EQ(claims.claim_of("price:1")->library, "b.so");
}

TEST_F(TopicClaimsTest, KnowsWhoElseHasPlaceholders) {
  claims.set(price, "a.so", patterns({"price:{ticker}"}));
  claims.set(other, "b.so", patterns({"market:kospi"}));
  EXPECT_FALSE(claims.has_others_with_placeholder(price));
  EXPECT_TRUE(claims.has_others_with_placeholder(other));
}

}  // namespace
}  // namespace broadcast
