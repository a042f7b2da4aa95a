#include "bench/load/process_meter.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include <unistd.h>

namespace broadcast {

namespace {

/// The number behind `name` in lines such as "Rss:   1234 kB"; 0 if there is no such line.
std::int64_t kib_of(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  return at == std::string_view::npos ? 0 : std::stoll(std::string(text.substr(at + name.size())));
}

}  // namespace

ProcessMeter::ProcessMeter(pid_t pid) : folder_("/proc/" + std::to_string(pid) + "/") {
  last_ = read();
}

std::string ProcessMeter::text_of(const std::string& file) const {
  std::ifstream stream(folder_ + file);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream || text.str().empty()) {
    throw std::runtime_error("cannot read " + folder_ + file + ": is the server (--pid) running?");
  }
  return text.str();
}

/// The scheduler's own account, in nanoseconds; a thread that has ended is not in it.
double ProcessMeter::scheduled_s() const {
  double total = 0;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator(folder_ + "task", gone)) {
    std::ifstream stream(task.path() / "schedstat");
    double nanoseconds = 0;
    if (stream >> nanoseconds) total += nanoseconds / 1e9;
  }
  return total;
}

ProcessMeter::Reading ProcessMeter::read() const {
  const std::string text = text_of("stat");
  // Fields are counted from behind the name, which may hold spaces: utime and stime are 14 and 15.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  Reading reading{.total_s = scheduled_s()};
  fields >> reading.user_ticks >> reading.sys_ticks;
  if (reading.total_s == 0) {  // a kernel without schedstat
    const auto per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
    reading.total_s = (reading.user_ticks + reading.sys_ticks) / per_second;
  }
  return reading;
}

CpuTime ProcessMeter::cpu_since_last() {
  const Reading now = read();
  const Reading before = last_;
  last_ = now;
  const double total = now.total_s - before.total_s;
  const double user = now.user_ticks - before.user_ticks;
  const double ticks = user + now.sys_ticks - before.sys_ticks;
  const double user_s = ticks > 0 ? total * user / ticks : 0;
  return {.user_s = user_s, .sys_s = total - user_s};
}

MemoryUse ProcessMeter::memory() const {
  const std::string text = text_of("smaps_rollup");
  return {.rss = kib_of(text, "\nRss:"),
          .pss = kib_of(text, "\nPss:"),
          .private_dirty = kib_of(text, "\nPrivate_Dirty:"),
          .anonymous = kib_of(text, "\nAnonymous:")};
}

std::int64_t ProcessMeter::anonymous_now() const { return kib_of(text_of("status"), "\nRssAnon:"); }

}  // namespace broadcast
