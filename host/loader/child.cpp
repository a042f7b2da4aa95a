#include "host/loader/child.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/clock.hpp"
#include "host/base/standard_files.hpp"
#include "host/loader/plugin_inbox.hpp"
#include "host/loader/private_copy.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kAboutTo = "@";
constexpr std::string_view kEnd = "end";
constexpr std::chrono::milliseconds kGlance(50);
constexpr int kFirstFree = 10;

[[noreturn]] void cannot(const char* what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

/// A plugin may have closed 0, 1 or 2: a pipe with such a number would be lost while the child's
/// are put into order.
struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) cannot("no pipe", errno);
    ours = Descriptor(ends[0]);
    const Descriptor low(ends[1]);
    theirs = Descriptor(::fcntl(low.get(), F_DUPFD_CLOEXEC, kFirstFree));
    if (theirs.get() < 0) cannot("no pipe", errno);
  }
  Descriptor ours{-1};
  Descriptor theirs{-1};
};

pid_t spawn(const std::vector<std::string>& arguments, const ChildOptions& options, int report,
            int output) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));  // execve() does not write
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (options.input < 0) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  } else {
    posix_spawn_file_actions_adddup2(&actions, options.input, STDIN_FILENO);
  }
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, report, kReportDescriptor);
  posix_spawn_file_actions_addclosefrom_np(&actions, kReportDescriptor + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(
      &attributes,
      static_cast<short>(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  pid_t child = -1;
  const int error =
      ::posix_spawn(&child, options.program.c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) cannot("no child process", error);
  return child;
}

/// What a child tells, line by line as it comes.
class Ear {
 public:
  explicit Ear(ChildEnd& end) : end_(end) {}
  void hear(std::string_view bytes) {
    for (const char byte : bytes) {
      if (byte == '\n') {
        take_line();
      } else {
        line_ += byte;
      }
    }
  }
  /// It has said that everything was done.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  [[nodiscard]] bool is_too_much() const { return kept_bytes_ + line_.size() > kMaxToldBytes; }

 private:
  void take_line() {
    const std::string line = std::exchange(line_, {});
    is_whole_ = line == kEnd;
    if (line.starts_with(kAboutTo)) {
      end_.last_words = line.substr(kAboutTo.size());
    } else if (!line.empty() && !is_whole_) {
      kept_bytes_ += line.size();
      end_.lines.push_back(line);
    }
  }

  ChildEnd& end_;
  std::string line_;
  std::size_t kept_bytes_ = 0;
  bool is_whole_ = false;
};

/// What of `child` is in memory now.
std::size_t resident_bytes(pid_t child) {
  std::ifstream file("/proc/" + std::to_string(child) + "/statm");
  std::size_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::size_t>(::getpagesize());
}

std::string size_text(std::size_t bytes) { return std::to_string(bytes / (1024 * 1024)) + " MiB"; }

/// The parent's side of one child while it runs.
class Watch {
 public:
  Watch(pid_t child, const ChildOptions& options, int report, int output, ChildEnd& end)
      : child_(child), options_(options), ear_(end), end_(end) {
    readable_ = {pollfd{report, POLLIN, 0}, pollfd{output, POLLIN, 0}};
  }

  /// Empty, or why nothing more is waited for: it was silent, takes too much, or is called off.
  std::string run() {
    while (!ear_.is_whole()) {
      if (std::string why = why_over(); !why.empty()) return why;
      const auto glance = std::min(kGlance, options_.silence - silent_);
      const int ready =
          ::poll(readable_.data(), readable_.size(), static_cast<int>(glance.count()));
      if (ready == 0) silent_ += glance;
      if (ready <= 0) continue;
      if (readable_[1].revents != 0) read_output();
      if (readable_[0].revents == 0) continue;
      silent_ = {};
      if (!read_told()) return "";
    }
    return "";
  }

  /// What it wrote last. REQUIRES: it has ended.
  void drain_output() {
    while (readable_[1].fd >= 0 && ::poll(&readable_[1], 1, 0) > 0) read_output();
  }

  [[nodiscard]] bool is_whole() const { return ear_.is_whole(); }

 private:
  std::string why_over() {
    // Glances are counted, not the clock asked, which goes on while everything is stopped.
    if (silent_ >= options_.silence) {
      return "gave no sign of life for " + in_seconds(options_.silence) + " and was killed";
    }
    if (mono_now() - begun_ >= options_.limit) {
      return "did not finish within " + in_seconds(options_.limit) + " and was killed";
    }
    if (ear_.is_too_much())
      return "reported more than " + size_text(kMaxToldBytes) + " and was killed";
    if (options_.memory_bytes != 0 && resident_bytes(child_) > options_.memory_bytes) {
      return "took more than " + size_text(options_.memory_bytes) + " of memory and was killed";
    }
    if (options_.is_called_off && options_.is_called_off()) return "called off";
    return "";
  }

  /// False: it will tell no more.
  bool read_told() {
    std::array<char, 4096> bytes;
    const ssize_t count = ::read(readable_[0].fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) return true;
    if (count <= 0) return false;
    ear_.hear({bytes.data(), static_cast<std::size_t>(count)});
    return true;
  }

  void read_output() {
    std::array<char, 4096> bytes;
    const ssize_t count = ::read(readable_[1].fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) return;
    if (count <= 0) {
      readable_[1].fd = -1;  // poll() passes over it from now on
      return;
    }
    const std::size_t room = kMaxOutputBytes - end_.output.size();
    end_.output.append(bytes.data(), std::min(room, static_cast<std::size_t>(count)));
  }

  const pid_t child_;
  const ChildOptions& options_;
  const MonoTime begun_ = mono_now();
  std::array<pollfd, 2> readable_{};
  std::chrono::milliseconds silent_{0};
  Ear ear_;
  ChildEnd& end_;
};

std::string described(int status) {
  if (WIFSIGNALED(status)) {
    const char* const name = ::sigabbrev_np(WTERMSIG(status));
    return "killed by SIG" + std::string(name != nullptr ? name : "?");
  }
  return "ended by itself with exit code " + std::to_string(WEXITSTATUS(status));
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

/// Its state letter and its parent: "12 (a name)) S 7 …".
struct ProcessStat {
  char state = '?';
  pid_t parent = -1;
};
ProcessStat stat_of(const std::string& number) {
  std::ostringstream text;
  text << std::ifstream("/proc/" + number + "/stat").rdbuf();
  const std::string all = std::move(text).str();
  const std::size_t name_end = all.rfind(')');
  ProcessStat stat;
  if (name_end != std::string::npos) {
    std::istringstream(all.substr(name_end + 1)) >> stat.state >> stat.parent;
  }
  return stat;
}

/// Those that left its process group have become ours by PR_SET_CHILD_SUBREAPER, each as soon as
/// its parent has ended: so again and again, until nobody is left.
void kill_orphans() {
  for (;;) {
    for (const pid_t orphan : children_of_this_process()) ::kill(orphan, SIGKILL);
    const pid_t ended = ::waitpid(-1, nullptr, 0);
    if (ended < 0 && errno != EINTR) return;
  }
}

}  // namespace

void ChildReport::about_to(std::string_view what) const {
  write_line(std::string(kAboutTo).append(what));
}

void ChildReport::tell(std::string_view line) const { write_line(std::string(line)); }

void ChildReport::end() const {
  write_line(std::string(kEnd));
  ::_exit(0);
}

void ChildReport::write_line(std::string line) const {
  std::ranges::replace(line, '\n', ' ');
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t count = ::write(descriptor_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::vector<pid_t> children_of_this_process() {
  std::vector<pid_t> children;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string number = entry.path().filename().string();
    pid_t process = 0;
    const auto [end, fault] =
        std::from_chars(number.data(), number.data() + number.size(), process);
    if (fault != std::errc{} || end != number.data() + number.size()) continue;
    const ProcessStat stat = stat_of(number);
    if (stat.parent == ::getpid() && stat.state != 'Z') children.push_back(process);
  }
  return children;
}

ChildEnd run_child(const std::vector<std::string>& arguments, const ChildOptions& options) {
  if (options.are_orphans_killed) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  Pipe told;
  std::optional<Pipe> written;
  if (options.is_output_taken) written.emplace();
  const pid_t child = spawn(arguments, options, told.theirs.get(),
                            written ? written->theirs.get() : standard_error());
  ::close(told.theirs.take());
  if (written) ::close(written->theirs.take());
  ChildEnd end;
  Watch watch(child, options, told.ours.get(), written ? written->ours.get() : -1, end);
  const std::string given_up = watch.run();
  // One that has closed the pipe ends, or ends now; how it ended is settled by then.
  ::kill(-child, SIGKILL);
  const int status = wait_for(child);
  if (options.are_orphans_killed) kill_orphans();
  watch.drain_output();
  if (!watch.is_whole()) end.failure = given_up.empty() ? described(status) : given_up;
  return end;
}

}  // namespace broadcast
