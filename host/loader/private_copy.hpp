#pragma once
// A copy of a library's bytes that nobody else can change while it is mapped: overwriting a mapped
// file is SIGBUS, and the dynamic linker hands out old code for a path or inode that it knows.

#include <filesystem>
#include <string>
#include <string_view>

#include "host/base/descriptor.hpp"

namespace broadcast {

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
