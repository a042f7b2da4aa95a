#pragma once
// A broadcaster's shared library: first its bytes, read and checked once (PluginFile), then each
// generation's own private copy, mapped (PluginLibrary). Only here does the host touch the dynamic
// linker.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <broadcast/abi.h>

#include "host/loader/manifest.hpp"
#include "host/loader/plugin_refused.hpp"
#include "host/loader/private_copy.hpp"

namespace broadcast {

/// [any] What stands in a library's file. Throws PluginRefused: it cannot be read, is no regular
/// file, or is larger than any plugin.
[[nodiscard]] std::string read_library(const std::filesystem::path& path);

/// The bytes of a library that passed every check that can be made without running it. Immutable,
/// shared; [any].
class PluginFile {
 public:
  /// Throws PluginRefused. Nothing of the file is executed or mapped executable.
  [[nodiscard]] static std::shared_ptr<const PluginFile> read(const std::filesystem::path& path,
                                                              const HostOffer& offer);
  /// The same of bytes that were read from `path`.
  [[nodiscard]] static std::shared_ptr<const PluginFile> of_bytes(std::filesystem::path path,
                                                                  std::string bytes,
                                                                  const HostOffer& offer);
  PluginFile(const PluginFile&) = delete;
  PluginFile& operator=(const PluginFile&) = delete;

  /// The last part of the path: how texts name it.
  [[nodiscard]] const std::string& file_name() const { return file_name_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  /// The manifest as the ELF note has it.
  [[nodiscard]] const std::string& manifest_text() const { return manifest_text_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  /// Of the bytes: another library has another one.
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

 private:
  PluginFile(std::filesystem::path path, std::string bytes, const HostOffer& offer);

  const std::filesystem::path path_;
  const std::string file_name_;
  const std::string bytes_;
  const std::uint64_t hash_;
  const std::string manifest_text_;
  const Manifest manifest_;
};

/// What the crash marker calls a build: it counts the starts of another library or config anew.
[[nodiscard]] std::uint64_t build_of(const PluginFile& file, std::string_view config);

/// A static constructor threw, and the dynamic linker, which was left in the middle of its work,
/// keeps its lock: nobody in this process can load, unload or exit() any more.
class LinkerLocked : public PluginRefused {
 public:
  using PluginRefused::PluginRefused;
};

/// One generation's mapped copy of a PluginFile, of its own name and inode, because the linker
/// would hand out the old code again for either. Unloaded after the threads that ran in it ended.
class PluginLibrary {
 public:
  /// [any] The copy is called like "bc:price#3" in /proc/self/maps, no two alike. Throws
  /// PluginRefused with the linker's reason, or when the entry is not what the manifest says;
  /// LinkerLocked.
  PluginLibrary(const PluginFile& file, const std::string& name, const CopyPlace& place);
  /// Without unload() the copy stays mapped for good, and its descriptor open.
  ~PluginLibrary();
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;

  [[nodiscard]] const bc_entry& entry() const { return *entry_; }

  /// Gives the mapping back to the linker. REQUIRES: the threads that ran in it have ended, or what
  /// they kept by pthread_key would be destroyed by code that is gone.
  void unload();

  /// True if nothing of the copy is mapped any more.
  [[nodiscard]] bool release();

 private:
  struct Loaded;  // Boost.DLL stays out of this header

  void load(const PluginFile& file, const std::string& label, const CopyPlace& place);
  void take_entry(const PluginFile& file);
  [[nodiscard]] bool is_mapped() const;

  int descriptor_ = -1;
  std::string path_;  // "/proc/self/fd/7": how the linker knows it
  std::unique_ptr<Loaded> loaded_;
  const bc_entry* entry_ = nullptr;
  void* page_ = nullptr;  // of its entry, mapped or not
};

}  // namespace broadcast
