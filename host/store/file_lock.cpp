#include "host/store/file_lock.hpp"

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace broadcast {

FileLock::FileLock(const std::string& path) {
  const std::string file = path + ".lock";
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0) {
    const int error = errno;
    throw std::runtime_error(
        error == ENOENT ? "its directory does not exist; create it"
                        : file + " cannot be opened: " + std::generic_category().message(error));
  }
  constexpr int kTries = 500;
  int error = 0;
  for (int i = 0; i < kTries; ++i) {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    error = errno;
    if (error != EWOULDBLOCK) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::close(descriptor_);
  throw std::runtime_error(
      error == EWOULDBLOCK ? "in use by another host; stop that one, or give each its own file"
                           : file + " cannot be locked: " + std::generic_category().message(error));
}

FileLock::~FileLock() { ::close(descriptor_); }

bool FileLock::is_held(const std::string& path) {
  const int descriptor = ::open((path + ".lock").c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;
  // Shared, so that two who look do not see each other.
  const bool is_held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  return is_held;
}

}  // namespace broadcast
