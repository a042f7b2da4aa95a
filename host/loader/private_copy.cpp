#include "host/loader/private_copy.hpp"

#include <cerrno>
#include <stdlib.h>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>

#include "host/loader/plugin_refused.hpp"

namespace broadcast {

namespace {

constexpr unsigned kMemfdExec = 0x10;  // MFD_EXEC, newer than the C library's headers

bool try_write(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool may_execute(int descriptor) {
  void* const page = ::mmap(nullptr, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, descriptor, 0);
  if (page == MAP_FAILED) return false;
  ::munmap(page, 1);
  return true;
}

/// A sealed memory file with `bytes`; nothing (-1) where there is none or it may not execute.
Descriptor memory_copy(const std::string& label, std::string_view bytes) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int number = ::memfd_create(label.c_str(), kFlags | kMemfdExec);
  if (number < 0 && errno == EINVAL) number = ::memfd_create(label.c_str(), kFlags);
  Descriptor copy(number);
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  const bool is_good = copy.get() >= 0 && try_write(copy.get(), bytes) && may_execute(copy.get()) &&
                       ::fcntl(copy.get(), F_ADD_SEALS, kSeals) == 0;
  return is_good ? std::move(copy) : Descriptor(-1);
}

/// An unlinked file in `directory`: nobody else can reach it, and it vanishes with its last
/// mapping.
Descriptor file_copy(const std::filesystem::path& directory, const std::string& label,
                     std::string_view bytes) {
  const auto where = directory.empty() ? std::filesystem::temp_directory_path() : directory;
  std::string name = (where / (label + ".XXXXXX")).string();
  Descriptor copy(::mkostemp(name.data(), O_CLOEXEC));
  if (copy.get() >= 0) ::unlink(name.c_str());
  if (copy.get() < 0 || !try_write(copy.get(), bytes) || !may_execute(copy.get())) {
    throw PluginRefused(label + ": no private copy: memory files may not execute here, and " +
                        where.string() + ": " + std::generic_category().message(errno) +
                        ". Point plugins.runtime_directory at a writable place without noexec.");
  }
  return copy;
}

}  // namespace

Descriptor private_copy(const std::string& label, std::string_view bytes, const CopyPlace& place) {
  if (place.is_memory_allowed) {
    Descriptor copy = memory_copy(label, bytes);
    if (copy.get() >= 0) return copy;
  }
  return file_copy(place.directory, label, bytes);
}

}  // namespace broadcast
