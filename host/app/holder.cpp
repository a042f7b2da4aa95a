#include "host/app/holder.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <system_error>

#include <sys/stat.h>
#include <unistd.h>

namespace broadcast {

namespace {

namespace fs = std::filesystem;

/// The sockets that listen on it, as /proc/PID/fd shows them.
std::set<ino_t> listening_sockets(std::uint16_t port) {
  constexpr const char* kListens = "0A";
  std::set<ino_t> found;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    while (std::getline(file, line)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      std::istringstream words(line);
      std::string local;
      std::string state;
      std::string skipped;
      ino_t inode = 0;
      words >> skipped >> local >> skipped >> state >> skipped >> skipped >> skipped >> skipped >>
          skipped >> inode;
      const std::string digits = local.substr(std::min(local.rfind(':') + 1, local.size()));
      std::uint16_t number = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
      if (state == kListens && number == port) found.insert(inode);
    }
  }
  return found;
}

std::set<ino_t> unix_sockets(const std::string& path) {
  std::set<ino_t> found;
  std::ifstream file("/proc/net/unix");
  std::string line;
  while (std::getline(file, line)) {
    // num refcount protocol flags type st inode path
    std::istringstream words(line);
    std::string skipped;
    ino_t inode = 0;
    words >> skipped >> skipped >> skipped >> skipped >> skipped >> skipped >> inode >> std::ws;
    std::string name;
    std::getline(words, name);
    if (name == path) found.insert(inode);
  }
  return found;
}

bool has_such_a_descriptor(const fs::path& process,
                           const std::function<bool(const struct stat&)>& is_it) {
  std::error_code error;
  fs::directory_iterator descriptors(process / "fd", error);
  while (!error && descriptors != fs::directory_iterator()) {
    struct stat found {};
    if (::stat(descriptors->path().c_str(), &found) == 0 && is_it(found)) return true;
    descriptors.increment(error);
  }
  return false;
}

std::optional<Holder> holder_of(const std::function<bool(const struct stat&)>& is_it) {
  std::error_code error;
  fs::directory_iterator processes("/proc", error);
  while (!error && processes != fs::directory_iterator()) {
    const std::string digits = processes->path().filename().string();
    Holder holder;
    const auto [end, wrong] =
        std::from_chars(digits.data(), digits.data() + digits.size(), holder.pid);
    const bool is_process = wrong == std::errc{} && end == digits.data() + digits.size();
    if (is_process && holder.pid != ::getpid() && has_such_a_descriptor(processes->path(), is_it)) {
      std::ifstream comm(processes->path() / "comm");
      std::getline(comm, holder.name);
      return holder;
    }
    processes.increment(error);
  }
  return std::nullopt;
}

std::optional<Holder> holder_of_sockets(const std::set<ino_t>& sockets) {
  if (sockets.empty()) return std::nullopt;
  return holder_of([&](const struct stat& found) {
    return S_ISSOCK(found.st_mode) && sockets.contains(found.st_ino);
  });
}

}  // namespace

std::optional<Holder> holder_of_port(std::uint16_t port) {
  return holder_of_sockets(listening_sockets(port));
}

std::optional<Holder> holder_of_unix_socket(const std::string& path) {
  return holder_of_sockets(unix_sockets(path));
}

std::optional<Holder> holder_of_file(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return std::nullopt;
  return holder_of([&](const struct stat& found) {
    return found.st_dev == file.st_dev && found.st_ino == file.st_ino;
  });
}

}  // namespace broadcast
