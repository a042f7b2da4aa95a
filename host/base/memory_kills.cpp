#include "host/base/memory_kills.hpp"

#include <cstdlib>
#include <fstream>
#include <string>

#include <sys/stat.h>
#include <time.h>

namespace broadcast {

namespace {

constexpr std::int64_t kWithin = 60'000'000'000;

/// A file of names and numbers, a pair a line. 0: it is not there, or has no such name.
std::uint64_t number_in(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string key;
  for (std::uint64_t number = 0; file >> key >> number;) {
    if (key == name) return number;
  }
  return 0;
}

/// The directory of this process's, of version 2; empty: none.
std::string cgroup_directory() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return "/sys/fs/cgroup" + line.substr(3);
  }
  return "";
}

}  // namespace

MemoryKills look_for_memory_kills() {
  MemoryKills kills;
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  kills.at_ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  kills.in_all = number_in("/proc/vmstat", "oom_kill");
  static const std::string kEvents = cgroup_directory() + "/memory.events";
  struct stat found {};
  if (::stat(kEvents.c_str(), &found) == 0) {
    kills.cgroup = found.st_ino;
    kills.in_cgroup = number_in(kEvents, "oom_kill");
  }
  return kills;
}

bool was_killed_for_memory(const MemoryKills& noted, const MemoryKills& now) {
  if (noted.cgroup != 0 && noted.cgroup == now.cgroup) return now.in_cgroup > noted.in_cgroup;
  return now.in_all > noted.in_all && now.at_ns - noted.at_ns <= kWithin;
}

}  // namespace broadcast
