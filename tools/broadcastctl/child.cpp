#include "tools/broadcastctl/child.hpp"

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

#include "host/base/clock.hpp"
#include "host/loader/private_copy.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kAboutTo = "@";
constexpr std::string_view kEnd = "end";

[[noreturn]] void cannot(const char* what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

pid_t spawn(const std::vector<std::string>& arguments, int telling) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));  // execve() does not write
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, telling, kTellingDescriptor);
  pid_t child = -1;
  const int error =
      ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) cannot("no child process", error);
  return child;
}

/// False: nothing came for `silence`.
bool read_lines(int descriptor, std::chrono::milliseconds silence, std::string& text) {
  for (;;) {
    pollfd readable{descriptor, POLLIN, 0};
    const int ready = ::poll(&readable, 1, static_cast<int>(silence.count()));
    if (ready == 0) return false;
    char bytes[4096];
    const ssize_t count = ::read(descriptor, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    text.append(bytes, static_cast<std::size_t>(count));
  }
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

/// Splits what came; true: it came to its end.
bool take_lines(std::string_view text, ChildEnd& end) {
  bool is_whole = false;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    if (line == kEnd) {
      is_whole = true;
    } else if (line.starts_with(kAboutTo)) {
      end.last_words = line.substr(kAboutTo.size());
    } else if (!line.empty()) {
      end.lines.emplace_back(line);
    }
  }
  return is_whole;
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

ChildEnd run_child(const std::vector<std::string>& arguments, std::chrono::milliseconds silence) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) cannot("no pipe", errno);
  const Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  const pid_t child = spawn(arguments, theirs.get());
  ::close(theirs.take());
  std::string text;
  const bool has_spoken = read_lines(ours.get(), silence, text);
  // A thread that a plugin left may hold the pipe open, and a child that has closed it may live on.
  if (!has_spoken) ::kill(child, SIGKILL);
  const int status = wait_for(child);
  ChildEnd end;
  if (take_lines(text, end)) return end;
  end.failure = has_spoken ? described(status)
                           : "gave no sign of life for " + std::to_string(silence.count() / 1000) +
                                 " s and was killed";
  return end;
}

}  // namespace broadcast
