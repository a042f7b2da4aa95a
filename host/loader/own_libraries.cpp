#include "host/loader/own_libraries.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include <dlfcn.h>
#include <link.h>
#include <spdlog/spdlog.h>

#include "host/base/guarded.hpp"
#include "host/loader/plugin_library.hpp"
#include "host/loader/plugin_refused.hpp"

namespace broadcast {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCopyPrefix = "bc:";

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

struct RunPathFile {
  fs::path path;
  bool is_beside;  ///< found by $ORIGIN
};
std::optional<RunPathFile> find_in_run_path(const fs::path& plugin, const ElfNeeds& needs,
                                            const std::string& library) {
  if (library.find('/') != library.npos) return std::nullopt;
  std::error_code error;
  const fs::path origin = fs::absolute(plugin, error).parent_path();
  for (const std::string& directory : needs.run_path) {
    const auto own = with_origin(directory, origin);
    fs::path candidate = (own ? *own : fs::path(directory)) / library;
    if (fs::is_regular_file(candidate, error))
      return RunPathFile{std::move(candidate), own.has_value()};
  }
  return std::nullopt;
}

/// What `function` lies in.
const void* module_of(void* function) {
  Dl_info info{};
  return ::dladdr(function, &info) != 0 ? info.dli_fbase : nullptr;
}

/// Of all that are mapped.
Guarded<std::vector<Descriptor>>& copies() {
  static Guarded<std::vector<Descriptor>> all;
  return all;
}

std::string path_of(const Descriptor& copy) {
  return "/proc/self/fd/" + std::to_string(copy.get());
}

/// The file that the linker has loaded.
fs::path path_of(void* handle) {
  link_map* map = nullptr;
  return ::dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : "";
}

bool has_bytes(void* handle, const std::string& bytes) {
  try {
    return read_library(path_of(handle)) == bytes;
  } catch (const PluginRefused&) {  // it is gone: replaced since
    return false;
  }
}

/// "bc:price#3" is a copy of price's.
std::string broadcaster_of(std::string_view label) {
  label.remove_prefix(std::min(label.find(kCopyPrefix), label.size()));
  label.remove_prefix(std::min(kCopyPrefix.size(), label.size()));
  return std::string(label.substr(0, label.find('#')));
}

/// Whose it is: a broadcaster's copy, or the host's own.
std::string owner_of(void* handle) {
  const fs::path path = path_of(handle);
  std::error_code error;
  const std::string copy = fs::read_symlink(path, error).string();
  const bool is_copy = copy.find(kCopyPrefix) != copy.npos;
  return is_copy ? "\"" + broadcaster_of(copy) + "\"" : "the host (" + path.string() + ")";
}

}  // namespace

std::optional<fs::path> own_library(const fs::path& plugin, const ElfNeeds& needs,
                                    const std::string& library) {
  const auto found = find_in_run_path(plugin, needs, library);
  // The linker finds the others itself.
  return found && found->is_beside ? std::optional(found->path) : std::nullopt;
}

std::optional<fs::path> in_run_path(const fs::path& plugin, const ElfNeeds& needs,
                                    const std::string& library) {
  const auto found = find_in_run_path(plugin, needs, library);
  return found ? std::optional(found->path) : std::nullopt;
}

int own_first() {
  static const bool kIsPlain = [] {
    const void* const allocator = module_of(::dlsym(RTLD_DEFAULT, "malloc"));
    return allocator != nullptr &&
           allocator == module_of(::dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
  }();
  return kIsPlain ? RTLD_DEEPBIND : 0;
}

std::string linker_reason(const std::string& path, const std::string& file_name) {
  const char* const said = ::dlerror();  // NOLINT(concurrency-mt-unsafe): glibc's is a thread's own
  std::string reason = said != nullptr ? said : "the dynamic linker refuses it";
  for (std::size_t at = 0; (at = reason.find(path, at)) != reason.npos; at += file_name.size()) {
    reason.replace(at, path.size(), file_name);
  }
  return reason.starts_with(file_name + ": ") ? reason : file_name + ": " + reason;
}

// By the other constructor it exists already, so that its destructor runs when this one throws.
OwnLibraries::OwnLibraries(const fs::path& plugin, const ElfNeeds& needs, std::string label,
                           const CopyPlace& place)
    : OwnLibraries(std::move(label), place) {
  open_needs(plugin, needs);
}

OwnLibraries::~OwnLibraries() {
  for (auto handle = handles_.rbegin(); handle != handles_.rend(); ++handle) ::dlclose(*handle);
  close_unmapped();
}

void OwnLibraries::open_needs(const fs::path& file, const ElfNeeds& needs) {
  for (const std::string& library : needs.libraries) {
    const auto own = own_library(file, needs, library);
    if (own && seen_.insert(library).second) open(*own, library);
  }
}

void OwnLibraries::open(const fs::path& file, const std::string& soname) {
  const std::string bytes = read_library(file);
  if (void* const loaded = ::dlopen(soname.c_str(), RTLD_NOW | RTLD_NOLOAD)) {
    handles_.push_back(loaded);
    if (!has_bytes(loaded, bytes)) {
      spdlog::warn(
          "{}: uses the {} of {} instead of its own, which differs: {}. A process can have only "
          "one library with a SONAME, and the older one is used until nothing has it loaded. Give "
          "the new one another SONAME, or link it statically",
          broadcaster_of(label_), soname, owner_of(loaded), file.string());
    }
    return;
  }
  open_needs(file, read_elf_needs(soname, bytes));
  open_copy(soname, bytes);
}

void OwnLibraries::open_copy(const std::string& soname, const std::string& bytes) {
  Descriptor copy = private_copy(label_ + ":" + soname, bytes, place_);
  const std::string path = path_of(copy);
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | own_first());
  if (handle == nullptr) {
    throw PluginRefused(broadcaster_of(label_) + ": its own " + linker_reason(path, soname));
  }
  handles_.push_back(handle);
  copies().with_lock([&](auto& all) { all.push_back(std::move(copy)); });
}

void OwnLibraries::close_unmapped() {
  // Taken out meanwhile, because the linker may have to be waited for.
  auto mine = copies().with_lock([](auto& all) { return std::exchange(all, {}); });
  std::erase_if(mine, [](const Descriptor& copy) {
    void* const mapped = ::dlopen(path_of(copy).c_str(), RTLD_NOW | RTLD_NOLOAD);
    if (mapped != nullptr) ::dlclose(mapped);
    return mapped == nullptr;
  });
  copies().with_lock([&](auto& all) { std::ranges::move(mine, std::back_inserter(all)); });
}

}  // namespace broadcast
