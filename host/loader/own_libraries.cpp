#include "host/loader/own_libraries.hpp"

#include <string_view>
#include <system_error>

#include <dlfcn.h>

#include "host/loader/plugin_refused.hpp"

namespace broadcast {

namespace {

namespace fs = std::filesystem;

/// Nothing: there is no $ORIGIN in it.
std::optional<fs::path> with_origin(std::string directory, const fs::path& origin) {
  bool is_relative = false;
  for (const std::string_view token : {"$ORIGIN", "${ORIGIN}"}) {
    for (std::size_t at = 0; (at = directory.find(token, at)) != directory.npos;) {
      directory.replace(at, token.size(), origin.string());
      at += origin.string().size();
      is_relative = true;
    }
  }
  return is_relative ? std::optional<fs::path>(directory) : std::nullopt;
}

/// What `function` lies in.
const void* module_of(void* function) {
  Dl_info info{};
  return ::dladdr(function, &info) != 0 ? info.dli_fbase : nullptr;
}

}  // namespace

std::optional<fs::path> own_library(const fs::path& plugin, const ElfNeeds& needs,
                                    const std::string& library) {
  if (library.find('/') != library.npos) return std::nullopt;
  std::error_code error;
  const fs::path origin = fs::absolute(plugin, error).parent_path();
  for (const std::string& directory : needs.run_path) {
    const auto own = with_origin(directory, origin);
    const fs::path candidate = (own ? *own : fs::path(directory)) / library;
    if (!fs::is_regular_file(candidate, error)) continue;
    return own ? std::optional(candidate) : std::nullopt;  // the linker finds the others itself
  }
  return std::nullopt;
}

int own_first() {
  static const bool is_plain = [] {
    const void* const allocator = module_of(::dlsym(RTLD_DEFAULT, "malloc"));
    return allocator != nullptr &&
           allocator == module_of(::dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
  }();
  return is_plain ? RTLD_DEEPBIND : 0;
}

OwnLibraries::OwnLibraries(const fs::path& plugin, const ElfNeeds& needs) {
  for (const std::string& library : needs.libraries) {
    const auto own = own_library(plugin, needs, library);
    if (!own) continue;
    void* const handle = ::dlopen(own->c_str(), RTLD_NOW | RTLD_LOCAL | own_first());
    if (handle == nullptr) {
      // dlerror() names who it is and why.
      throw PluginRefused(plugin.filename().string() + ": " + ::dlerror());
    }
    handles_.push_back(handle);
  }
}

OwnLibraries::~OwnLibraries() {
  for (void* const handle : handles_) ::dlclose(handle);
}

}  // namespace broadcast
