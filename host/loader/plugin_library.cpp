#include "host/loader/plugin_library.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <system_error>
#include <utility>

#include <boost/dll/shared_library.hpp>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/printable.hpp"
#include "host/loader/elf_image.hpp"
#include "host/loader/own_libraries.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} * 1024 * 1024;

[[noreturn]] void linker_locked(const PluginFile& file, const std::string& what) {
  throw LinkerLocked(file.file_name() + ": one of its static constructors throws: " + what +
                     ". Do what can fail in create");
}

}  // namespace

std::string read_library(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    throw PluginRefused(path.string() +
                        ": cannot be read: " + std::generic_category().message(errno) +
                        ". Check library: and plugins.directory.");
  }
  if (!S_ISREG(status.st_mode)) throw PluginRefused(path.string() + ": not a regular file.");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > kMaxFileBytes) {
    throw PluginRefused(path.filename().string() + ": has " + std::to_string(size) +
                        " bytes; at most " + std::to_string(kMaxFileBytes) + " are loaded.");
  }
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::read(file.get(), bytes.data() + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      throw PluginRefused(path.string() + ": " + std::generic_category().message(errno));
    if (count == 0) break;  // it shrank meanwhile: the ELF check will say so
    done += static_cast<std::size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

PluginFile::PluginFile(std::filesystem::path path, std::string bytes, const HostOffer& offer)
    : path_(std::move(path)),
      file_name_(path_.filename().string()),
      bytes_(std::move(bytes)),
      hash_(std::hash<std::string>{}(bytes_)),
      manifest_text_(check_plugin_elf(file_name_, bytes_)),
      manifest_(parse_manifest(file_name_, manifest_text_)) {
  if (const auto refusal = missing_service(manifest_, file_name_, offer)) {
    throw PluginRefused(*refusal);
  }
}

std::shared_ptr<const PluginFile> PluginFile::read(const std::filesystem::path& path,
                                                   const HostOffer& offer) {
  return of_bytes(path, read_library(path), offer);
}

std::shared_ptr<const PluginFile> PluginFile::of_bytes(std::filesystem::path path,
                                                       std::string bytes, const HostOffer& offer) {
  return std::shared_ptr<const PluginFile>(
      new PluginFile(std::move(path), std::move(bytes), offer));
}

std::uint64_t build_of(const PluginFile& file, std::string_view config) {
  return file.hash() ^ (std::hash<std::string_view>{}(config) << 1);
}

struct PluginLibrary::Loaded {
  /// Opens what the file brings along. Throws PluginRefused, and what a static constructor throws.
  Loaded(const PluginFile& file, const std::string& label, const CopyPlace& place)
      : own(file.path(), read_elf_needs(file.file_name(), file.bytes()), label, place) {}

  /// Throws what a static constructor throws. False: the linker refused it, see dlerror().
  [[nodiscard]] bool try_load(const std::string& path) {
    auto mode = boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local;
    if (own_first() != 0) mode |= boost::dll::load_mode::rtld_deepbind;
    std::error_code error;
    library.load(boost::dll::fs::path(path), mode, error);
    return !error;
  }

  const OwnLibraries own;
  boost::dll::shared_library library;  // last: it uses them
};

PluginLibrary::PluginLibrary(const PluginFile& file, const std::string& name,
                             const CopyPlace& place) {
  static std::atomic<std::uint64_t> serial{0};
  const std::string label = "bc:" + name + "#" + std::to_string(++serial);
  descriptor_ = private_copy(label, file.bytes(), place).take();
  path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  load(file, label, place);
  try {
    take_entry(file);
  } catch (const std::exception& error) {
    unload();
    static_cast<void>(release());
    throw PluginRefused(file.file_name() + ": " + error.what());
  }
}

void PluginLibrary::load(const PluginFile& file, const std::string& label, const CopyPlace& place) {
  try {
    loaded_ = std::make_unique<Loaded>(file, label, place);
    if (loaded_->try_load(path_)) return;
  } catch (const PluginRefused&) {
    unload();
    static_cast<void>(release());
    throw;
  } catch (const std::exception& thrown) {
    linker_locked(file, printable(thrown.what()));
  } catch (...) {
    linker_locked(file, "unknown exception");
  }
  const std::string why = linker_reason(path_, file.file_name());
  unload();
  static_cast<void>(release());
  throw PluginRefused(why);
}

PluginLibrary::~PluginLibrary() {
  // Somebody may still run in it: stay mapped for good, whatever else closes it.
  if (loaded_) ::dlopen(path_.c_str(), RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

void PluginLibrary::take_entry(const PluginFile& file) {
  if (!loaded_->library.has(BC_ENTRY_SYMBOL)) throw PluginRefused("exports no bc_plugin_entry");
  const auto& entry = loaded_->library.get<const bc_entry>(BC_ENTRY_SYMBOL);
  const auto refuse = [](const std::string& what) {
    throw PluginRefused("bc_plugin_entry " + what + ". Rebuild with SDK 1.x.");
  };
  if (entry.magic != BC_MAGIC) refuse("does not begin with BC_MAGIC");
  if (entry.size < sizeof(bc_entry)) {
    refuse("has size " + std::to_string(entry.size) + ", ABI 1 needs " +
           std::to_string(sizeof(bc_entry)));
  }
  if (entry.abi_major != BC_ABI_MAJOR) {
    refuse("is for plugin ABI " + std::to_string(entry.abi_major) + ", its manifest says " +
           std::to_string(BC_ABI_MAJOR));
  }
  const bool is_whole = entry.manifest != nullptr && entry.create != nullptr &&
                        entry.handle != nullptr && entry.destroy != nullptr;
  if (!is_whole) refuse("lacks manifest, create, handle or destroy");
  const std::string& note = file.manifest_text();
  if (std::strncmp(entry.manifest, note.c_str(), note.size() + 1) != 0) {
    refuse("and the ELF note .note.bc carry different manifests");
  }
  entry_ = &entry;
  const auto address = reinterpret_cast<std::uintptr_t>(&entry);
  page_ = const_cast<char*>(reinterpret_cast<const char*>(&entry)) -
          address % static_cast<std::uintptr_t>(::getpagesize());
}

void PluginLibrary::unload() {
  entry_ = nullptr;
  loaded_.reset();
}

bool PluginLibrary::release() {
  if (loaded_) return false;
  if (descriptor_ < 0) return true;
  // What thread_local objects of a thread that came late held back goes with the next dlclose().
  if (void* const rest = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_NOLOAD)) ::dlclose(rest);
  // While it is mapped the descriptor stays: its number is the name the linker knows the copy by.
  if (is_mapped()) return false;
  ::close(std::exchange(descriptor_, -1));
  OwnLibraries::close_unmapped();  // what it alone has held
  return true;
}

bool PluginLibrary::is_mapped() const {
  // One call instead of reading the map of the whole process: 0.2 ms of the 1.4 of a replacement.
  unsigned char page = 0;
  if (page_ != nullptr && ::mincore(page_, 1, &page) != 0 && errno == ENOMEM) return false;
  std::error_code error;
  const std::string target = std::filesystem::read_symlink(path_, error).string();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(target)) return true;
  }
  return false;
}

}  // namespace broadcast
