#include "tools/broadcastctl/library_watch.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace broadcast {

namespace {

/// Not written for so long: it has settled.
constexpr std::chrono::milliseconds kSettled{200};
constexpr int kForEver = -1;

int checked(int descriptor, const char* what) {
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), what);
  return descriptor;
}

/// Its directory, because a linker removes the file and writes another one.
Descriptor watch_directory_of(const std::filesystem::path& file) {
  Descriptor changes(checked(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify"));
  const std::string directory = file.parent_path().string();
  checked(::inotify_add_watch(changes.get(), directory.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO),
          directory.c_str());
  return changes;
}

}  // namespace

LibraryWatch::LibraryWatch(const std::filesystem::path& file, std::function<void()> on_built)
    : name_(file.filename().string()),
      on_built_(std::move(on_built)),
      changes_(watch_directory_of(std::filesystem::absolute(file))),
      end_(checked(::eventfd(0, EFD_CLOEXEC), "eventfd")),
      thread_([this] { run(); }) {}

LibraryWatch::~LibraryWatch() {
  static_cast<void>(::eventfd_write(end_.get(), 1));
  thread_.join();
}

void LibraryWatch::run() const {
  sigset_t all;  // signals are for [main]
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::array<pollfd, 2> either{pollfd{changes_.get(), POLLIN, 0}, pollfd{end_.get(), POLLIN, 0}};
  bool is_unsettled = false;
  for (;;) {
    const int wait = is_unsettled ? static_cast<int>(kSettled.count()) : kForEver;
    const int ready = ::poll(either.data(), either.size(), wait);
    if (ready < 0 || either[1].revents != 0) return;
    if (ready == 0) {
      is_unsettled = false;
      on_built_();
    } else {
      is_unsettled |= has_been_written();
    }
  }
}

bool LibraryWatch::has_been_written() const {
  alignas(inotify_event) std::array<char, 4096> bytes;
  const ssize_t count = ::read(changes_.get(), bytes.data(), bytes.size());
  bool is_it = false;
  for (ssize_t at = 0; at < count;) {
    const auto* const event = reinterpret_cast<const inotify_event*>(bytes.data() + at);
    is_it |= event->len > 0 && name_ == event->name;
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
  }
  return is_it;
}

}  // namespace broadcast
