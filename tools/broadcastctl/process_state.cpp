#include "tools/broadcastctl/process_state.hpp"

#include <algorithm>
#include <array>
#include <clocale>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "host/loader/child.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// GCC 12 has no header of it. NOLINTNEXTLINE(*-identifier,*-naming)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#else
#include <malloc.h>
#endif

namespace broadcast {

namespace {

namespace fs = std::filesystem;

/// Its value may be a secret.
constexpr std::string_view kVariable = "environment variable ";

std::map<std::string, int> read_mappings() {
  std::map<std::string, int> mappings;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t path = line.find('/');
    // Each copy of a plugin has a number of its own: "/memfd:bc:price#3 (deleted)".
    if (path != std::string::npos) ++mappings[line.substr(path)];
  }
  return mappings;
}

std::map<std::string, int> read_threads() {
  std::map<std::string, int> threads;
  std::error_code error;
  for (const auto& task : fs::directory_iterator("/proc/self/task", error)) {
    std::ifstream comm(task.path() / "comm");
    std::string name;
    if (std::getline(comm, name)) ++threads[name];
  }
  return threads;
}

std::map<std::string, int> read_descriptors() {
  std::map<std::string, int> descriptors;
  std::error_code error;
  for (const auto& link : fs::directory_iterator("/proc/self/fd", error)) {
    std::string target = fs::read_symlink(link.path(), error).string();
    if (error || target.ends_with("/fd")) continue;  // the directory that is being read
    target.erase(std::min(target.find(":["), target.size()));
    ++descriptors[target];
  }
  return descriptors;
}

std::vector<std::string> read_handlers() {
  std::vector<std::string> handlers;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) != 0) action = {};
    std::uintptr_t handler = 0;
    std::memcpy(&handler, &action.sa_sigaction, sizeof handler);
    handlers.push_back(std::to_string(handler));
  }
  return handlers;
}

std::map<std::string, int> read_processes() {
  std::map<std::string, int> processes;
  for (const pid_t child : children_of_this_process()) {
    std::ifstream comm("/proc/" + std::to_string(child) + "/comm");
    std::string name;
    if (std::getline(comm, name)) ++processes[name];
  }
  return processes;
}

/// Without asking umask(), which sets it.
std::string read_umask() {
  std::ifstream status("/proc/self/status");
  constexpr std::string_view kUmask = "Umask:\t";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kUmask)) return line.substr(kUmask.size());
  }
  return "unknown";
}

std::string read_limit(int resource) {
  rlimit limit{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return "unknown";
  const auto text = [](rlim_t value) {
    return value == RLIM_INFINITY ? "unlimited" : std::to_string(value);
  };
  return text(limit.rlim_cur) + " of " + text(limit.rlim_max);
}

std::string read_standard(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return "closed";
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + " flags " +
         std::to_string(::fcntl(descriptor, F_GETFL)) + " " +
         std::to_string(::fcntl(descriptor, F_GETFD));
}

std::string read_timer(__itimer_which which) {
  itimerval timer{};
  ::getitimer(which, &timer);
  const bool is_armed = timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0;
  return is_armed ? "armed" : "not armed";
}

std::map<std::string, std::string> read_settings() {
  constexpr std::array<const char*, RLIM_NLIMITS> kLimits = {
      "CPU",     "FSIZE", "DATA",  "STACK",      "CORE",     "RSS",  "NPROC",  "NOFILE",
      "MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"};
  std::map<std::string, std::string> settings;
  // Asked, and not set. NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* const locale = std::setlocale(LC_ALL, nullptr);
  settings["locale"] = locale != nullptr ? locale : "unknown";
  std::error_code error;
  settings["directory"] = fs::current_path(error).string();
  settings["umask"] = read_umask();
  for (std::size_t i = 0; i < kLimits.size(); ++i) {
    settings[std::string("limit ") + kLimits[i]] = read_limit(static_cast<int>(i));
  }
  for (int i = STDIN_FILENO; i <= STDERR_FILENO; ++i) {
    settings["descriptor " + std::to_string(i)] = read_standard(i);
  }
  settings["alarm"] = read_timer(ITIMER_REAL);
  settings["virtual alarm"] = read_timer(ITIMER_VIRTUAL);
  settings["profiling alarm"] = read_timer(ITIMER_PROF);
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    const std::string_view text(*one);
    const std::size_t equals = std::min(text.find('='), text.size());
    settings[std::string(kVariable).append(text.substr(0, equals))] = text.substr(equals);
  }
  return settings;
}

}  // namespace

std::size_t heap_bytes() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

ProcessState ProcessState::now() {
  ProcessState state;
  state.mappings = read_mappings();
  state.threads = read_threads();
  state.descriptors = read_descriptors();
  state.processes = read_processes();
  state.handlers = read_handlers();
  state.settings = read_settings();
  return state;
}

std::string grown(const std::map<std::string, int>& before,
                  const std::map<std::string, int>& after) {
  std::string text;
  for (const auto& [what, count] : after) {
    const auto known = before.find(what);
    const int more = count - (known == before.end() ? 0 : known->second);
    if (more <= 0) continue;
    text += (text.empty() ? "" : ", ") + what + " (" + std::to_string(more) + " more)";
  }
  return text;
}

std::string changed_handlers(const ProcessState& before, const ProcessState& after) {
  std::string text;
  for (std::size_t i = 0; i < before.handlers.size() && i < after.handlers.size(); ++i) {
    if (before.handlers[i] == after.handlers[i]) continue;
    const int number = static_cast<int>(i) + 1;
    const char* const name = ::sigabbrev_np(number);
    text += (text.empty() ? "" : ", ") +
            (name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(number));
  }
  return text;
}

std::string changed_settings(const ProcessState& before, const ProcessState& after) {
  constexpr const char* kUnset = "not set";
  std::string text;
  const auto add = [&](const std::string& what, const std::string& was, const std::string& is) {
    if (was == is) return;
    text += (text.empty() ? "" : ", ") + what;
    if (!what.starts_with(kVariable)) text += " (" + was + ", now " + is + ")";
  };
  const auto value_of = [&](const ProcessState& state, const std::string& what) {
    const auto found = state.settings.find(what);
    return found == state.settings.end() ? kUnset : found->second;
  };
  for (const auto& [what, was] : before.settings) add(what, was, value_of(after, what));
  for (const auto& [what, is] : after.settings) {
    if (!before.settings.contains(what)) add(what, kUnset, is);
  }
  return text;
}

std::int64_t growth_per_life(const std::vector<std::size_t>& sizes) {
  // Over a few lives each, so that what leaks in every third is seen as well.
  const std::size_t span = std::max<std::size_t>(sizes.size() / 4, 1);
  std::vector<std::int64_t> slopes;
  for (std::size_t i = 0; i + span < sizes.size(); ++i) {
    const auto begin = static_cast<std::int64_t>(sizes[i]);
    const auto end = static_cast<std::int64_t>(sizes[i + span]);
    slopes.push_back((end - begin) / static_cast<std::int64_t>(span));
  }
  if (slopes.empty()) return 0;
  const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
  std::ranges::nth_element(slopes, middle);
  return *middle;
}

}  // namespace broadcast
