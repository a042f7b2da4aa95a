#include "host/app/memory.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <string_view>
#include <utility>

#include <malloc.h>
#include <unistd.h>

namespace broadcast {

namespace {

/// Less than that is not worth it.
constexpr std::size_t kWorthBytes = std::size_t{2} * 1024 * 1024;
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

std::string first_line(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

/// `max`, and what is no number, is unlimited.
std::size_t limit_in(const std::string& file) {
  const std::string text = first_line(file);
  std::size_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  const bool is_number = !text.empty() && error == std::errc() && end == text.data() + text.size();
  return is_number ? bytes : kNoLimit;
}

/// The least of a group and those above it. In a container its path may be of another namespace,
/// and the files of its own are in `mount`.
std::size_t limit_of_group(const std::string& mount, std::string path, const char* file) {
  std::size_t least = limit_in(mount + "/" + file);
  for (; path.size() > 1; path.resize(path.rfind('/'))) {
    least = std::min(least, limit_in(mount + path + "/" + file));
  }
  return least;
}

}  // namespace

std::size_t memory_of_process(const std::string& root) {
  auto least = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
               static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  // hierarchy:controllers:path; of v2 there is one, without controllers.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (!path.starts_with('/')) continue;
    if (controllers == ",,") {
      least = std::min(least, limit_of_group(root + "/sys/fs/cgroup", path, "memory.max"));
    } else if (controllers.find(",memory,") != std::string::npos) {
      least = std::min(
          least, limit_of_group(root + "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    }
  }
  return least;
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

bool MemoryKeeper::is_time(std::size_t resident, std::size_t held) {
  const std::size_t used = resident - std::min(resident, held);
  used_ = std::min(used_, used);
  const bool grows = resident > std::exchange(last_resident_, resident);
  const bool leaves = held < std::exchange(last_held_, held);
  return !grows && !leaves && used - used_ > std::max(kWorthBytes, used_ / 8);
}

void MemoryKeeper::gave_back(std::size_t resident, std::size_t held) {
  const std::size_t used = resident - std::min(resident, held);
  // Some may not have been free yet: half of what stays is asked for again.
  used_ = used_ == 0 || used < used_ ? used : used_ + (used - used_) / 2;
  last_resident_ = resident;
}

void give_back_ends() {
  constexpr int kEnd = 1024 * 1024;
  ::mallopt(M_TRIM_THRESHOLD, kEnd);  // NOLINT(concurrency-mt-unsafe): glibc's has a lock
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  ::mallopt(M_MMAP_THRESHOLD, kEnd);  // which the line above fixes at 128 KiB
}

void give_back_memory() { ::malloc_trim(0); }

}  // namespace broadcast
