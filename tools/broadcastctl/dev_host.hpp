#pragma once
// plugin dev: the host runs in a process of its own, because a build that crashes takes it along.
// This one says so, and starts another with the next build. [main]

#include <filesystem>
#include <string>
#include <vector>

namespace broadcast {

/// Runs this program with `arguments`, which begin with its name, until it ends by itself: its exit
/// code. SIGINT, SIGTERM and SIGHUP are handed on. Throws std::system_error: no process, or
/// `library` cannot be watched. REQUIRES: no other thread.
[[nodiscard]] int run_dev_host(const std::vector<std::string>& arguments,
                               const std::filesystem::path& library);

/// In that process: it ends in order when the other one is gone. REQUIRES: the other one has
/// started it.
void end_with_dev_host();

/// In that process: while this lives, its end is a crash, also by exit() or of a sanitizer. Before,
/// it has said what is wrong; after, it ends in order.
class DevHostServing {
 public:
  DevHostServing();
  ~DevHostServing();
  DevHostServing(const DevHostServing&) = delete;
  DevHostServing& operator=(const DevHostServing&) = delete;
};

}  // namespace broadcast
