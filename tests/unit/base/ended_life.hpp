#pragma once
// A life of a host that ended in a callback, for who reads the marker that it left.

#include <csignal>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/crash_marker.hpp"

namespace broadcast::test {

struct EndedLife {
  std::string broadcaster = "probe";
  Callback callback = Callback::kMessage;
  std::uint64_t build = 0;
  std::string stream = {};  ///< with `id`: of the entry
  std::string id = {};
};

/// As a process of its own, `count` times.
inline void end_life(const std::string& marker_path, const EndedLife& life, int count = 1) {
  for (int i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      CrashMarker marker(marker_path);
      CallbackPlace place(&marker, life.broadcaster, 1, life.build);
      place.set_entry(life.stream, life.id);
      const CallbackMark mark(place, life.callback);
      CrashMarker::record_end(place.slot_number(), SIGSEGV);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
  }
}

/// A path of its own, without a file before and after it.
class MarkerPath {
 public:
  MarkerPath() { ::unlink(path_.c_str()); }
  ~MarkerPath() { ::unlink(path_.c_str()); }
  MarkerPath(const MarkerPath&) = delete;
  MarkerPath& operator=(const MarkerPath&) = delete;
  [[nodiscard]] const std::string& get() const { return path_; }

 private:
  const std::string path_ =
      testing::TempDir() + "marker-" + std::to_string(::getpid()) + ".running";
};

}  // namespace broadcast::test
