// Good but for one thing that `broadcastctl plugin check` or a trial has to find: which one,
// CMakeLists.txt says.

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <pthread.h>
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
#elif defined(CARELESS_START_CRASH)
  if (std::getenv("CARELESS_CALM") == nullptr) ::raise(SIGSEGV);
#elif defined(CARELESS_TOLD_HANG)
  if (std::getenv("CARELESS_HANG") != nullptr) hang_in("START");
#elif defined(CARELESS_START_HANG)
  sleep_for_ever();
#endif
  return BC_OK;
}

bc_status message([[maybe_unused]] std::string_view payload) {
#if defined(CARELESS_THROW)
  throw std::runtime_error("nobody has caught this");
#elif defined(CARELESS_MESSAGE_CRASH)
  if (payload.starts_with('[')) ::raise(SIGSEGV);
#elif defined(CARELESS_TOLD_HANG)
  if (payload.starts_with('[') && std::getenv("CARELESS_CALM") == nullptr) hang_in("MESSAGE");
#elif defined(CARELESS_MESSAGE_HANG)
  sleep_for_ever();
#elif defined(CARELESS_MESSAGE_EXIT)
  ::_exit(0);
#endif
  return BC_OK;
}

bc_status configure([[maybe_unused]] std::string_view config) {
#ifdef CARELESS_CONFIG_CRASH
  if (config.find("depth") != std::string_view::npos) ::raise(SIGSEGV);
#endif
  return BC_OK;
}

bc_status create(const bc_host*, const char*, void**) {
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
#ifdef CARELESS_STOP
    case BC_EV_STOP:
      sleep_for_ever();
#endif
    default:
      return BC_OK;
  }
}
void destroy(void*) {
#if defined(CARELESS_DESTROY_CRASH)
  ::raise(SIGSEGV);
#elif defined(CARELESS_DESTROY_HANG)
  sleep_for_ever();
#endif
}

}  // namespace

RAW_PLUGIN(kManifest, create, handle, destroy)
