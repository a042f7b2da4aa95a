#pragma once
// A copy of a library's bytes that nobody else can change while it is mapped: overwriting a mapped
// file is SIGBUS, and the dynamic linker hands out old code for a path or inode that it knows.

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

namespace broadcast {

/// A file descriptor; closes it on the way out unless taken.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(other.take()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] int take() { return std::exchange(number_, -1); }

 private:
  int number_;
};

/// Where copies go: to memory, or, where memory files may not execute, to unlinked files.
struct CopyPlace {
  std::filesystem::path directory = {};  ///< for files; empty: the system's temporary directory
  bool is_memory_allowed = true;
};

/// The copy's descriptor; `label` names it in /proc/self/maps. Throws PluginRefused when there is
/// no place.
[[nodiscard]] Descriptor private_copy(const std::string& label, std::string_view bytes,
                                      const CopyPlace& place);

}  // namespace broadcast
