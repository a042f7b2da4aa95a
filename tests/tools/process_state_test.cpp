#include "tools/broadcastctl/process_state.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

constexpr std::size_t kStart = 1'000'000;

std::vector<std::size_t> sizes_of(std::size_t lives, std::size_t each) {
  std::vector<std::size_t> sizes;
  for (std::size_t life = 0; life < lives; ++life) sizes.push_back(kStart + life * each);
  return sizes;
}

TEST(GrowthPerLifeTest, IsWhatEachLifeAdds) {
  EXPECT_EQ(growth_per_life(sizes_of(20, 0)), 0);
  EXPECT_EQ(growth_per_life(sizes_of(20, 4096)), 4096);
  EXPECT_EQ(growth_per_life(sizes_of(10'000, 100)), 100);
}

TEST(GrowthPerLifeTest, SeesWhatEveryThirdLifeAdds) {
  std::vector<std::size_t> sizes;
  for (std::size_t life = 0; life < 21; ++life) sizes.push_back(kStart + life / 3 * 30'000);
  EXPECT_GT(growth_per_life(sizes), 5'000);
}

TEST(GrowthPerLifeTest, IsNotMovedByACacheThatIsFilledOnce) {
  std::vector<std::size_t> sizes = sizes_of(20, 0);
  for (std::size_t life = 10; life < sizes.size(); ++life) sizes[life] += 300'000;
  EXPECT_EQ(growth_per_life(sizes), 0);
}

TEST(GrowthPerLifeTest, IsNotMovedByLivesThatDiffer) {
  std::vector<std::size_t> sizes = sizes_of(20, 64);
  sizes.front() -= 200'000;
  sizes[7] += 200'000;
  sizes.back() += 200'000;
  EXPECT_EQ(growth_per_life(sizes), 64);
}

TEST(GrowthPerLifeTest, OfOneLifeIsUnknown) {
  EXPECT_EQ(growth_per_life({}), 0);
  EXPECT_EQ(growth_per_life({kStart}), 0);
}

}  // namespace
}  // namespace broadcast
