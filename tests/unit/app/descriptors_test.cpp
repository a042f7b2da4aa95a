#include "host/app/descriptors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::HasSubstr;

TEST(DescriptorsTest, ClientsNeverGetTheReserve) {
  const Config config;
  for (const std::size_t limit : {64U, 1'024U, 4'096U, 20'000U, 1U << 20}) {
    for (const std::size_t shards : {1U, 2U, 64U}) {
      const DescriptorPlan plan = plan_descriptors(limit, config, shards);
      const std::size_t kept = limit - plan.connections - plan.handshakes;
      EXPECT_GT(plan.connections, 0U) << limit;
      EXPECT_GT(plan.handshakes, 0U) << limit;
      EXPECT_LE(plan.handshakes, config.limits.handshakes);
      if (plan.is_tight) {
        EXPECT_EQ(kept, limit / 2);
      } else {
        EXPECT_GE(kept, config.limits.descriptors_reserve + config.admin.connections + 8 * shards);
      }
    }
  }
}

TEST(DescriptorsTest, WhatIsConfiguredIsKept) {
  Config config;
  config.limits.descriptors_reserve = 1'000;
  config.admin.connections = 16;
  const DescriptorPlan plan = plan_descriptors(10'000, config, 2);
  EXPECT_EQ(plan.connections + plan.handshakes, 10'000U - 1'000 - 16 - 16 - 2 * 8);
  EXPECT_EQ(plan.handshakes, 8'952U / 8);
}

TEST(DescriptorsTest, TellsWhatTheyAreTooFewFor) {
  Config config;
  const DescriptorPlan plan = plan_descriptors(1'024, config, 2);
  EXPECT_EQ(plan.text(), "1024 descriptors: 532 for client connections and 76 for handshakes");
  EXPECT_EQ(plan.warning(config.limits), "") << "no limit, so nothing is promised";
  config.limits.connections = 532;
  EXPECT_EQ(plan.warning(config.limits), "");
  config.limits.connections = 5'000;
  EXPECT_EQ(plan.warning(config.limits),
            "limits.connections: 5000 is more than the 532 that 1024 descriptors allow; "
            "raise the limit (LimitNOFILE, ulimit -n)");
  EXPECT_THAT(plan_descriptors(256, config, 2).warning(config.limits),
              HasSubstr("descriptors: half of 256 is too few"));
}

}  // namespace
}  // namespace broadcast
