// Good but for one thing that `broadcastctl plugin check` or a trial has to find: which one,
// CMakeLists.txt says.

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/plugins/raw_plugin.hpp"

#ifdef CARELESS_EXPORTS
extern "C" __attribute__((visibility("default"))) int careless_helper() { return 7; }
// What GCC makes of a template's static variable, and clang does not.
asm(R"(
  .pushsection .data
  .globl shared_by_all
  .type shared_by_all, @gnu_unique_object
  .size shared_by_all, 4
shared_by_all:
  .long 7
  .popsection)");
extern "C" __attribute__((visibility("default"))) int shared_by_all;
int use_shared() { return ++shared_by_all; }
#endif

namespace {

constexpr char kManifest[] =
    R"({"name":"careless","version":"1.0.0","abi":[1,0],)"
    R"("topics":[{"pattern":"careless:log","delivery":"all"}],"config":{"type":"object",)"
    R"("properties":{"depth":{"type":"integer","minimum":0,"maximum":9}},"additionalProperties":false}})";

std::string_view view(bc_str text) { return text.ptr ? std::string_view(text.ptr, text.len) : ""; }

[[maybe_unused, noreturn]] void sleep_for_ever() {
  for (;;) ::pause();
}

const bc_host* the_host = nullptr;

[[maybe_unused]] bc_status publish(std::string_view payload) {
  constexpr std::string_view kTopic = "careless:log";
  bc_publish message{};
  message.size = sizeof message;
  message.topic = {kTopic.data(), kTopic.size()};
  message.payload = {payload.data(), payload.size()};
  return the_host->publish(the_host, &message);
}

/// A process in a session of its own, that outlives its parent.
[[maybe_unused]] void leave_orphan() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    const char* const path = std::getenv("CARELESS_ORPHANS");
    if (path != nullptr) {
      const std::string line = std::to_string(::getpid()) + "\n";
      const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
      if (::write(file, line.data(), line.size()) < 0) ::_exit(1);
    }
    sleep_for_ever();
  }
}

/// One thing that is everybody's, by the number that it is configured with, and back again.
enum class Setting {
  kLocale,
  kDirectory,
  kUmask,
  kLimit,
  kDescriptor,
  kAlarm,
  kVariable,
  kPipe,
  kRedirected
};
Setting setting = Setting::kLocale;
[[maybe_unused]] void set_for_everybody(bool back) {
  static int kept = -1;
  switch (setting) {
    case Setting::kLocale:
      std::setlocale(LC_ALL, back ? "C" : "C.UTF-8");
      break;
    case Setting::kDirectory:
      if (!back) kept = ::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if ((back ? ::fchdir(kept) : ::chdir("/")) != 0) ::abort();
      if (back) ::close(kept);
      break;
    case Setting::kUmask: {
      const auto before = ::umask(back ? static_cast<mode_t>(kept) : 0);
      kept = static_cast<int>(before);
      break;
    }
    case Setting::kLimit: {
      static rlimit before{};
      if (!back) ::getrlimit(RLIMIT_NOFILE, &before);
      rlimit limit = before;
      if (!back) limit.rlim_cur = before.rlim_cur / 2;
      ::setrlimit(RLIMIT_NOFILE, &limit);
      break;
    }
    case Setting::kDescriptor:
      if (!back) kept = ::dup(STDERR_FILENO);
      if (!back) ::close(STDERR_FILENO);
      if (back) ::dup2(kept, STDERR_FILENO);
      if (back) ::close(kept);
      break;
    case Setting::kAlarm:
      ::alarm(back ? 0 : 1000);
      break;
    case Setting::kVariable:
      if (back) ::unsetenv("CARELESS");
      if (!back) ::setenv("CARELESS", "secret", 1);
      break;
    case Setting::kPipe:
      std::signal(SIGPIPE, back ? SIG_IGN : SIG_DFL);
      break;
    case Setting::kRedirected:  // and never back again
      if (std::freopen("/dev/null", "w", stderr) == nullptr) ::abort();
      break;
  }
}

/// In a process that is there to be lost.
[[maybe_unused]] bool is_tried() {
  std::ifstream file("/proc/self/cmdline");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  return line.find("try") != std::string::npos;
}

/// Says where, and stays there.
[[maybe_unused, noreturn]] void hang_in(std::string_view where) {
  const std::string line = "careless hangs in " + std::string(where) + "\n";
  if (::write(STDERR_FILENO, line.data(), line.size()) > 0) sleep_for_ever();
  std::abort();
}

/// Until a byte comes through the pipe that CARELESS_HOLD names; without one for ever.
[[maybe_unused]] void wait_until_let_go() {
  const char* const path = std::getenv("CARELESS_HOLD");
  const int hold = path != nullptr ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
  char byte = 0;
  if (hold < 0 || ::read(hold, &byte, 1) != 1) sleep_for_ever();
  ::close(hold);
}

/// As a static object does it.
struct Loaded {
  Loaded() {
#if defined(CARELESS_LOAD_CRASH)
    ::raise(SIGSEGV);
#elif defined(CARELESS_LOAD_HANG)
    sleep_for_ever();
#elif defined(CARELESS_LOAD_THROW)
    throw std::runtime_error("no such table");
#elif defined(CARELESS_LOAD_SLOW)
    if (!is_tried()) wait_until_let_go();
#elif defined(CARELESS_LOAD_HELD)
    if (is_tried()) wait_until_let_go();
#elif defined(CARELESS_LOAD_INHERITS)
    if (::fcntl(std::atoi(std::getenv("CARELESS_INHERITED")), F_GETFD) != -1) ::raise(SIGSEGV);
#endif
  }
  ~Loaded() {
#if defined(CARELESS_UNLOAD_CRASH)
    ::raise(SIGSEGV);
#elif defined(CARELESS_UNLOAD_HANG)
    sleep_for_ever();
#elif defined(CARELESS_UNLOAD_SLOW)
    if (!is_tried()) wait_until_let_go();
#endif
  }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
};
const Loaded loaded;

bc_status start() {
#if defined(CARELESS_THREAD)
  // In the C library only: it must not crash, however late it begins.
  pthread_t left{};
  ::pthread_create(&left, nullptr,
                   reinterpret_cast<void* (*)(void*)>(reinterpret_cast<void*>(&::pause)), nullptr);
  ::pthread_detach(left);
#elif defined(CARELESS_DESCRIPTOR)
  static_cast<void>(::open("/dev/null", O_RDONLY | O_CLOEXEC));
#elif defined(CARELESS_MEMORY)
  static volatile char* lost = nullptr;
  lost = new char[8192];
  lost[0] = 1;
#elif defined(CARELESS_SIGNAL)
  std::signal(SIGUSR1, SIG_IGN);
#elif defined(CARELESS_PUBLISH)
  static_cast<void>(publish(R"({"no":"type"})"));
#elif defined(CARELESS_POST)
  static_cast<void>(the_host->post(the_host, 1, nullptr));
#elif defined(CARELESS_TIMER)
  static_cast<void>(the_host->timer(the_host, 1, 0, 1));
#elif defined(CARELESS_TIMER_SETTING)
  static_cast<void>(the_host->timer(the_host, 1, 100'000'000, 0));
#elif defined(CARELESS_FORK)
  for (int i = 0; i < 4; ++i) leave_orphan();
#elif defined(CARELESS_OUTPUT)
  std::printf("careless was here\n");
  std::fflush(stdout);
#elif defined(CARELESS_SETTING)
  set_for_everybody(false);
#elif defined(CARELESS_HOARD)
  constexpr std::size_t kLump = 1024 * 1024;
  for (;;) std::fill_n(new char[kLump], kLump, 'x');
#elif defined(CARELESS_START_CRASH)
  if (std::getenv("CARELESS_CALM") == nullptr) ::raise(SIGSEGV);
#elif defined(CARELESS_START_EXIT)
  std::exit(0);
#elif defined(CARELESS_TOLD_HANG)
  if (std::getenv("CARELESS_HANG") != nullptr) hang_in("START");
#elif defined(CARELESS_START_HANG)
  sleep_for_ever();
#endif
  return BC_OK;
}

[[maybe_unused]] bool is_broken = false;

bc_status message([[maybe_unused]] std::string_view payload) {
#if defined(CARELESS_FAIL_CRASH)
  is_broken = payload.starts_with('[');
  if (is_broken) throw std::runtime_error("half of it is done");
#elif defined(CARELESS_THROW)
  throw std::runtime_error("nobody has caught this");
#elif defined(CARELESS_MESSAGE_CRASH)
  if (payload.starts_with('[')) ::raise(SIGSEGV);
#elif defined(CARELESS_TOLD_HANG)
  if (payload.starts_with('[') && std::getenv("CARELESS_CALM") == nullptr) hang_in("MESSAGE");
#elif defined(CARELESS_MESSAGE_HANG)
  sleep_for_ever();
#elif defined(CARELESS_MESSAGE_EXIT)
  ::_exit(0);
#elif defined(CARELESS_MESSAGE_REFUSED)
  return publish(R"({"type":"x","seq":1})");
#elif defined(CARELESS_MESSAGE_PUBLISH)
  static_cast<void>(publish(R"({"type":"x","a":})"));
#endif
  return BC_OK;
}

bc_status configure([[maybe_unused]] std::string_view config) {
#ifdef CARELESS_CONFIG_CRASH
  if (config.find("depth") != std::string_view::npos) ::raise(SIGSEGV);
#endif
#ifdef CARELESS_SETTING
  setting = static_cast<Setting>(config.substr(config.find(':') + 1).front() - '0');
#endif
  return BC_OK;
}

bc_status create(const bc_host* host, const char*, void**) {
  the_host = host;
#ifdef CARELESS_CREATE_CRASH
  ::raise(SIGSEGV);
#endif
  return BC_OK;
}
bc_status handle(void*, const bc_event* event) {
  switch (event->kind) {
    case BC_EV_CONFIG:
      return configure(view(event->data));
    case BC_EV_START:
      return start();
    case BC_EV_MESSAGE:
      return message(view(event->data));
#if defined(CARELESS_STOP)
    case BC_EV_STOP:
      sleep_for_ever();
#elif defined(CARELESS_SETTING) || defined(CARELESS_TIMER_SETTING)
    case BC_EV_TIMER:
      set_for_everybody(false);
      return BC_OK;
    case BC_EV_STOP:
      set_for_everybody(true);
      return BC_OK;
#elif defined(CARELESS_POST)
    case BC_EV_POST:
      return the_host->post(the_host, 1, nullptr);
#endif
    default:
      return BC_OK;
  }
}
void destroy(void*) {
#if defined(CARELESS_FAIL_CRASH)
  if (is_broken) ::raise(SIGSEGV);
#elif defined(CARELESS_DESTROY_CRASH)
  ::raise(SIGSEGV);
#elif defined(CARELESS_DESTROY_HANG)
  sleep_for_ever();
#endif
}

}  // namespace

RAW_PLUGIN(kManifest, create, handle, destroy)
