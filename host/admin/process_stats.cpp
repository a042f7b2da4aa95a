#include "host/admin/process_stats.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace broadcast {

namespace {

double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

/// The n-th field of proc(5)'s stat, n > 2; the name before it may hold anything.
double stat_field(const std::string& stat, int n) {
  std::istringstream rest(stat.substr(stat.rfind(')') + 1));
  std::string field;
  for (int i = 2; i < n; ++i) rest >> field;
  return field.empty() ? 0 : std::stod(field);
}

}  // namespace

ProcessStats process_stats() {
  std::ifstream file("/proc/self/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  ProcessStats stats;
  if (stat.find(')') != std::string::npos) {
    stats.cpu_seconds = (stat_field(stat, 14) + stat_field(stat, 15)) / ticks;
    stats.start_time = boot_time() + stat_field(stat, 22) / ticks;
    stats.virtual_bytes = static_cast<std::uint64_t>(stat_field(stat, 23));
    stats.resident_bytes = static_cast<std::uint64_t>(stat_field(stat, 24)) *
                           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  std::error_code error;
  for (std::filesystem::directory_iterator one("/proc/self/fd", error), end; !error && one != end;
       one.increment(error)) {
    ++stats.open_descriptors;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_descriptors = limit.rlim_cur;
  return stats;
}

}  // namespace broadcast
