#pragma once
// Tells when a file has been built anew: on a thread of its own, once the file has settled, because
// a linker writes in pieces, and build systems move or strip what it wrote.

#include <filesystem>
#include <functional>
#include <thread>

#include "host/loader/private_copy.hpp"

namespace broadcast {

class LibraryWatch {
 public:
  /// `on_built` is called on the watch's thread. Throws std::system_error: it cannot be watched.
  LibraryWatch(const std::filesystem::path& file, std::function<void()> on_built);
  /// Waits for a call under way.
  ~LibraryWatch();
  LibraryWatch(const LibraryWatch&) = delete;
  LibraryWatch& operator=(const LibraryWatch&) = delete;

 private:
  void run() const;
  [[nodiscard]] bool has_been_written() const;

  const std::string name_;
  const std::function<void()> on_built_;
  const Descriptor changes_;
  const Descriptor end_;
  std::thread thread_;
};

}  // namespace broadcast
