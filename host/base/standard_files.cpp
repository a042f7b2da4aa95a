#include "host/base/standard_files.hpp"

#include <atomic>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace broadcast {

namespace {

constexpr int kFirstOfOurs = 10;  // those below have a meaning in child processes
std::atomic<int> kept_error{STDERR_FILENO};

}  // namespace

void open_standard_files() {
  for (int i = STDIN_FILENO; i <= STDERR_FILENO; ++i) {
    // The lowest number that is free is this one.
    if (::fcntl(i, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != i) return;
  }
}

std::shared_ptr<std::FILE> keep_standard_error() {
  const int copy = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, kFirstOfOurs);
  if (copy < 0) return nullptr;
  std::FILE* const file = ::fdopen(copy, "w");
  if (file == nullptr) {
    ::close(copy);
    return nullptr;
  }
  kept_error.store(copy);
  return {file, [](std::FILE* kept) {
            int ours = ::fileno(kept);
            kept_error.compare_exchange_strong(ours, STDERR_FILENO);
            std::fclose(kept);
          }};
}

int standard_error() { return kept_error.load(); }

void last_words(const char* text) {
  // Nothing can be done about a line that finds no reader.
  if (::write(standard_error(), text, std::strlen(text)) < 0) return;
}

}  // namespace broadcast
