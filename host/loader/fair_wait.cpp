#include "host/loader/fair_wait.hpp"

#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

namespace broadcast {

std::optional<ThreadSample> sample_of(std::string_view stat) {
  // "4711 (bc:price) S 1 ...": the name may hold anything, the 14th and 15th are clock ticks.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  std::istringstream fields{std::string(stat.substr(name_end + 1))};
  ThreadSample sample;
  fields >> sample.state;
  std::string skipped;
  for (int field = 4; field <= 13; ++field) fields >> skipped;
  long user = 0;
  long system = 0;
  if (!(fields >> user >> system)) return std::nullopt;
  sample.computed = std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
  return sample;
}

std::chrono::milliseconds counted(const ThreadSample& before, const ThreadSample& now,
                                  std::chrono::milliseconds passed) {
  return now.state == 'S' ? passed : now.computed - before.computed;
}

FairWait::FairWait(pid_t thread) : thread_(thread), before_(take_sample()) {}

std::chrono::milliseconds FairWait::add(std::chrono::milliseconds passed) {
  const ThreadSample now = take_sample();
  sum_ += counted(before_, now, passed);
  before_ = now;
  return sum_;
}

ThreadSample FairWait::take_sample() const {
  std::ifstream file("/proc/self/task/" + std::to_string(thread_) + "/stat");
  std::string stat;
  std::getline(file, stat, '\0');
  return sample_of(stat).value_or(ThreadSample{.state = 'S'});  // without /proc, by the clock
}

}  // namespace broadcast
