#include "host/app/memory.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

/// /proc and /sys of a machine that the test makes.
class MachineTest : public testing::Test {
 protected:
  ~MachineTest() override { std::filesystem::remove_all(root_); }
  void write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = root_ + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  [[nodiscard]] std::size_t memory() const { return memory_of_process(root_); }

  const std::string root_ = testing::TempDir() + "machine-" +
                            testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::size_t whole_ = memory_of_process(root_);
};

TEST_F(MachineTest, WithoutACgroupItIsWhatTheMachineHas) { EXPECT_GT(whole_, 64 * kMiB); }

TEST_F(MachineTest, TheLeastOfAGroupAndThoseAboveItCounts) {
  write("/proc/self/cgroup", "0::/system.slice/host.service");
  write("/sys/fs/cgroup/system.slice/host.service/memory.max", "max");
  EXPECT_EQ(memory(), whole_);
  write("/sys/fs/cgroup/system.slice/memory.max", std::to_string(20 * kMiB));
  EXPECT_EQ(memory(), 20 * kMiB);
  write("/sys/fs/cgroup/system.slice/host.service/memory.max", std::to_string(10 * kMiB));
  EXPECT_EQ(memory(), 10 * kMiB);
}

TEST_F(MachineTest, InAContainerTheMountIsTheGroup) {
  write("/proc/self/cgroup", "0::/");
  write("/sys/fs/cgroup/memory.max", std::to_string(10 * kMiB));
  EXPECT_EQ(memory(), 10 * kMiB);
}

TEST_F(MachineTest, OfTheFirstVersionTheMemoryControllerCounts) {
  write("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:hugetlb,memory:/docker/x\n0::/elsewhere");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  write("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", std::to_string(10 * kMiB));
  EXPECT_EQ(memory(), 10 * kMiB);
}

TEST_F(MachineTest, WhatIsNoNumberLimitsNothing) {
  write("/proc/self/cgroup", "nonsense\n0::/a");
  write("/sys/fs/cgroup/a/memory.max", "12 MiB");
  EXPECT_EQ(memory(), whole_);
}

TEST(MemoryKeeperTest, GivesBackWhatACrowdHasLeftOnceNoMoreGo) {
  MemoryKeeper keeper;
  keeper.gave_back(20 * kMiB, 0);
  EXPECT_FALSE(keeper.is_time(90 * kMiB, 70 * kMiB)) << "they are there";
  EXPECT_FALSE(keeper.is_time(90 * kMiB, 70 * kMiB));
  EXPECT_FALSE(keeper.is_time(90 * kMiB, 10 * kMiB)) << "they go";
  EXPECT_FALSE(keeper.is_time(80 * kMiB, 0));
  EXPECT_TRUE(keeper.is_time(80 * kMiB, 0));
  keeper.gave_back(21 * kMiB, 0);
  EXPECT_FALSE(keeper.is_time(21 * kMiB, 0));
  EXPECT_FALSE(keeper.is_time(60 * kMiB, 0)) << "it grows";
  EXPECT_TRUE(keeper.is_time(60 * kMiB, 0)) << "a crowd that nobody has seen";
}

TEST(MemoryKeeperTest, WhatCannotBeGivenBackIsAskedForAFewTimes) {
  MemoryKeeper keeper;
  keeper.gave_back(20 * kMiB, 0);
  EXPECT_FALSE(keeper.is_time(40 * kMiB, 0));
  int times = 0;
  for (; keeper.is_time(40 * kMiB, 0); ++times) keeper.gave_back(40 * kMiB, 0);
  EXPECT_EQ(times, 3);
  EXPECT_FALSE(keeper.is_time(41 * kMiB, 0));
  EXPECT_FALSE(keeper.is_time(41 * kMiB, 0)) << "not worth it";
}

}  // namespace
}  // namespace broadcast
