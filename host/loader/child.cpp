#include "host/loader/child.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/loader/plugin_inbox.hpp"
#include "host/loader/private_copy.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kAboutTo = "@";
constexpr std::string_view kEnd = "end";
constexpr std::chrono::milliseconds kGlance(50);

[[noreturn]] void cannot(const char* what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

pid_t spawn(const std::vector<std::string>& arguments, const ChildOptions& options, int telling) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));  // execve() does not write
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  if (options.input < 0) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  } else {
    posix_spawn_file_actions_adddup2(&actions, options.input, STDIN_FILENO);
  }
  posix_spawn_file_actions_adddup2(&actions, telling, kTellingDescriptor);
  posix_spawn_file_actions_addclosefrom_np(&actions, kTellingDescriptor + 1);
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

bool is_whole(std::string_view text) {
  if (!text.ends_with('\n')) return false;
  text.remove_suffix(1);
  return text.substr(text.rfind('\n') + 1) == kEnd;
}

/// Empty, or why nothing more is waited for: it was silent, or is called off.
std::string read_lines(int descriptor, const ChildOptions& options, std::string& text) {
  // Glances are counted, not the clock asked, which goes on while everything is stopped.
  std::chrono::milliseconds silent{0};
  while (!is_whole(text)) {
    if (silent >= options.silence) {
      return "gave no sign of life for " + in_seconds(options.silence) + " and was killed";
    }
    if (options.is_called_off && options.is_called_off()) return "called off";
    const auto glance = std::min(kGlance, options.silence - silent);
    pollfd readable{descriptor, POLLIN, 0};
    const int ready = ::poll(&readable, 1, static_cast<int>(glance.count()));
    if (ready == 0) silent += glance;
    if (ready <= 0) continue;
    silent = {};
    char bytes[4096];
    const ssize_t count = ::read(descriptor, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return "";
    text.append(bytes, static_cast<std::size_t>(count));
  }
  return "";
}

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

void take_lines(std::string_view text, ChildEnd& end) {
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    if (line.starts_with(kAboutTo)) {
      end.last_words = line.substr(kAboutTo.size());
    } else if (!line.empty() && line != kEnd) {
      end.lines.emplace_back(line);
    }
  }
}

}  // namespace

void Telling::about_to(std::string_view what) const {
  write_line(std::string(kAboutTo).append(what));
}

void Telling::tell(std::string_view line) const { write_line(std::string(line)); }

void Telling::end() const {
  write_line(std::string(kEnd));
  ::_exit(0);
}

void Telling::write_line(std::string line) const {
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

ChildEnd run_child(const std::vector<std::string>& arguments, const ChildOptions& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) cannot("no pipe", errno);
  const Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  const pid_t child = spawn(arguments, options, theirs.get());
  ::close(theirs.take());
  std::string text;
  const std::string given_up = read_lines(ours.get(), options, text);
  // One that has closed the pipe ends, or ends now; how it ended is settled by then.
  ::kill(-child, SIGKILL);
  const int status = wait_for(child);
  ChildEnd end;
  take_lines(text, end);
  if (!is_whole(text)) end.failure = given_up.empty() ? described(status) : given_up;
  return end;
}

}  // namespace broadcast
