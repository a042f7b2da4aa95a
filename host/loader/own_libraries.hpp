#pragma once
// The shared libraries that a plugin brings along. The copy that is loaded lies elsewhere, so
// "$ORIGIN" in its RUNPATH would lead nowhere, and the dynamic linker would look into what the host
// is linked with before it looks into them. [any]

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host/loader/elf_image.hpp"
#include "host/loader/private_copy.hpp"

namespace broadcast {

/// Where `plugin`, which has these needs, has `library` beside it: what "$ORIGIN" stands for is
/// taken from `plugin`. Nothing: it is the system's.
[[nodiscard]] std::optional<std::filesystem::path> own_library(const std::filesystem::path& plugin,
                                                               const ElfNeeds& needs,
                                                               const std::string& library);

/// The file that the linker takes for `library` by the RUNPATH of `plugin`; nothing: it looks where
/// the system has its libraries.
[[nodiscard]] std::optional<std::filesystem::path> in_run_path(const std::filesystem::path& plugin,
                                                               const ElfNeeds& needs,
                                                               const std::string& library);

/// dlopen()'s flag for a library and those that it needs to be bound to each other first, and only
/// then to what the host has: RTLD_DEEPBIND. 0 where memory is not the C library's, as under a
/// sanitizer or with an allocator that is preloaded: they would get two allocators.
[[nodiscard]] int own_first();

/// The dynamic linker's own words, which know a library by the `path` of its copy, with its
/// `file_name` in front instead.
[[nodiscard]] std::string linker_reason(const std::string& path, const std::string& file_name);

/// Private copies of them, for `cp` over a mapped file is the end of who runs in it. The linker
/// knows them by their SONAME alone, and has one library of each: where somebody else's is loaded
/// under it, that is used, and the log says so if it is another one. Opened before the plugin,
/// each one after those that it needs itself, and closed after it.
class OwnLibraries {
 public:
  /// Opens those that lie beside `plugin`. `label` names the plugin's copy in /proc/self/maps, and
  /// begins the names of theirs: "bc:price#3:libfoo.so.1". Throws PluginRefused, and what a static
  /// constructor throws.
  OwnLibraries(const std::filesystem::path& plugin, const ElfNeeds& needs, std::string label,
               const CopyPlace& place);
  ~OwnLibraries();
  OwnLibraries(const OwnLibraries&) = delete;
  OwnLibraries& operator=(const OwnLibraries&) = delete;

  /// Closes the descriptors of the copies that nobody has mapped any more. While one is mapped, its
  /// descriptor's number is the name that the linker knows it by.
  static void close_unmapped();

 private:
  OwnLibraries(std::string label, const CopyPlace& place)
      : label_(std::move(label)), place_(place) {}
  void open_needs(const std::filesystem::path& file, const ElfNeeds& needs);
  void open(const std::filesystem::path& file, const std::string& soname);
  void open_copy(const std::string& soname, const std::string& bytes);

  const std::string label_;
  const CopyPlace place_;
  std::set<std::string> seen_;  // SONAMEs, which may need each other in a circle
  std::vector<void*> handles_;
};

}  // namespace broadcast
