#pragma once
// The right to a file, for one process: a lock on `<path>.lock`, held while this lives and given up
// by the kernel when the process dies. SQLite's own lock would go with the file when an unreadable
// one is moved aside.

#include <string>

namespace broadcast {

class FileLock {
 public:
  /// Throws with the reason: the directory, the permissions, or another process that holds it.
  /// Waits for half a second for one that only looks: is_held().
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Somebody has it. Makes no file; has a shared lock for an instant.
  [[nodiscard]] static bool is_held(const std::string& path);

 private:
  int descriptor_;
};

}  // namespace broadcast
