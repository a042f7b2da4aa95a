#pragma once
// The shared libraries that a plugin brings along. The copy that is loaded lies elsewhere, so
// "$ORIGIN" in its RUNPATH would lead nowhere, and the dynamic linker would look into what the host
// is linked with before it looks into them. [any]

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/loader/elf_image.hpp"

namespace broadcast {

/// Where `plugin`, which has these needs, has `library` beside it: what "$ORIGIN" stands for is
/// taken from `plugin`. Nothing: it is the system's.
[[nodiscard]] std::optional<std::filesystem::path> own_library(const std::filesystem::path& plugin,
                                                               const ElfNeeds& needs,
                                                               const std::string& library);

/// dlopen()'s flag for a library and those that it needs to be bound to each other first, and only
/// then to what the host has: RTLD_DEEPBIND. 0 where memory is not the C library's, as under a
/// sanitizer or with an allocator that is preloaded: they would get two allocators.
[[nodiscard]] int own_first();

/// Holds them open, which is needed until the plugin has been loaded: the linker then knows them by
/// their SONAME.
class OwnLibraries {
 public:
  /// Opens those that lie beside `plugin`. Throws PluginRefused, and what a static constructor
  /// throws.
  OwnLibraries(const std::filesystem::path& plugin, const ElfNeeds& needs);
  ~OwnLibraries();
  OwnLibraries(const OwnLibraries&) = delete;
  OwnLibraries& operator=(const OwnLibraries&) = delete;

 private:
  std::vector<void*> handles_;
};

}  // namespace broadcast
