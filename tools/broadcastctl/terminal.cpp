#include "tools/broadcastctl/terminal.hpp"

#include <csignal>
#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

namespace broadcast {

void print_line(std::string line) {
  line += '\n';
  if (std::fputs(line.c_str(), stdout) < 0 || std::fflush(stdout) != 0) ::kill(::getpid(), SIGTERM);
}

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace broadcast
