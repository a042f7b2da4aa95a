#include "tools/broadcastctl/dev_host.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string.h>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/loader/private_copy.hpp"
#include "tools/broadcastctl/library_watch.hpp"
#include "tools/broadcastctl/terminal.hpp"

namespace broadcast {

namespace {

/// In the host's process: not 0 while it serves.
constexpr int kServingDescriptor = 3;

sigset_t signals_of_interest() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&signals, number);
  return signals;
}

class DevHost {
 public:
  DevHost(const std::vector<std::string>& arguments, const std::filesystem::path& library)
      : arguments_(arguments),
        library_(library.string()),
        signals_(signals_descriptor()),
        built_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        serving_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        watch_(library, [this] { static_cast<void>(::eventfd_write(built_.get(), 1)); }) {}

  int run() {
    for (;;) {
      const int status = run_once();
      const bool was_serving = take(serving_);
      if (is_ending_) return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
      if (WIFSIGNALED(status)) {
        const char* const name = ::sigabbrev_np(WTERMSIG(status));
        tell_crash("was killed by SIG" + std::string(name != nullptr ? name : "?"));
      } else if (was_serving) {
        tell_crash("ended by itself with exit code " + std::to_string(WEXITSTATUS(status)));
      } else if (!has_crashed_) {
        return WEXITSTATUS(status);
      }
      if (!await_build()) return 1;
    }
  }

 private:
  static Descriptor signals_descriptor() {
    const sigset_t signals = signals_of_interest();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
  }

  /// How it ended.
  int run_once() {
    const pid_t child = spawn();
    for (;;) {
      int status = 0;
      if (::waitpid(child, &status, WNOHANG) == child) return status;
      const int number = next_signal();
      if (number == SIGCHLD) continue;
      is_ending_ = true;
      ::kill(child, number);
    }
  }

  /// In a process group of its own: what the terminal sends comes once, from here.
  [[nodiscard]] pid_t spawn() const {
    std::vector<char*> argv;
    for (const std::string& argument : arguments_) {
      argv.push_back(const_cast<char*>(argument.c_str()));  // execve() does not write
    }
    argv.push_back(nullptr);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, serving_.get(), kServingDescriptor);
    pid_t child = -1;
    const int error =
        ::posix_spawn(&child, "/proc/self/exe", &files, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) throw std::system_error(error, std::generic_category(), "no process");
    return child;
  }

  void tell_crash(const std::string& how) {
    has_crashed_ = true;
    print_line("crashed: the host " + how +
               ". Look at it with: gdb --args broadcastctl plugin run " + library_ +
               ". The next build is started");
    static_cast<void>(take(built_));  // the one that crashed is no news
  }

  /// True if there was something; nothing is left.
  [[nodiscard]] static bool take(const Descriptor& event) {
    std::uint64_t count = 0;
    return ::eventfd_read(event.get(), &count) == 0;
  }

  /// False: it is to end.
  [[nodiscard]] bool await_build() const {
    std::array<pollfd, 2> either{pollfd{signals_.get(), POLLIN, 0},
                                 pollfd{built_.get(), POLLIN, 0}};
    for (;;) {
      if (::poll(either.data(), either.size(), -1) < 0 && errno != EINTR) return false;
      if (take(built_)) return true;
      if (either[0].revents != 0 && next_signal() != SIGCHLD) return false;
    }
  }

  [[nodiscard]] int next_signal() const {
    signalfd_siginfo signal{};
    if (::read(signals_.get(), &signal, sizeof signal) != sizeof signal) return SIGCHLD;
    return static_cast<int>(signal.ssi_signo);
  }

  const std::vector<std::string>& arguments_;
  const std::string library_;
  const Descriptor signals_;  // first: the watch's thread has them blocked as well
  const Descriptor built_;
  const Descriptor serving_;
  const LibraryWatch watch_;
  bool has_crashed_ = false;
  bool is_ending_ = false;
};

}  // namespace

int run_dev_host(const std::vector<std::string>& arguments, const std::filesystem::path& library) {
  return DevHost(arguments, library).run();
}

void end_with_dev_host() {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::fcntl(kServingDescriptor, F_SETFD, FD_CLOEXEC);
}

DevHostServing::DevHostServing() { static_cast<void>(::eventfd_write(kServingDescriptor, 1)); }

DevHostServing::~DevHostServing() {
  eventfd_t count = 0;
  static_cast<void>(::eventfd_read(kServingDescriptor, &count));
}

}  // namespace broadcast
