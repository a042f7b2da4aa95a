#include "tools/broadcastctl/process_state.hpp"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // no header of it in GCC 12
#else
#include <malloc.h>
#endif

namespace broadcast {

namespace {

namespace fs = std::filesystem;

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

/// What is allocated, in all arenas.
std::size_t read_heap_bytes() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

}  // namespace

ProcessState ProcessState::now() {
  ProcessState state;
  state.heap_bytes = read_heap_bytes();
  state.mappings = read_mappings();
  state.threads = read_threads();
  state.descriptors = read_descriptors();
  state.handlers = read_handlers();
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

}  // namespace broadcast
