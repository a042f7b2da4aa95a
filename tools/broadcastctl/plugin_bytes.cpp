#include "tools/broadcastctl/plugin_bytes.hpp"

#include <system_error>

#include "host/loader/elf_image.hpp"
#include "host/loader/plugin_library.hpp"

namespace broadcast {

std::string read_plugin_bytes(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw CannotRun(path.string() +
                    ": no such file. Name a plugin's library, such as libprice.so.");
  }
  try {
    return read_library(path);
  } catch (const PluginRefused& refused) {
    throw CannotRun(refused.what());
  }
}

Manifest manifest_of(const std::filesystem::path& path) {
  const std::string file = path.filename().string();
  return parse_manifest(file, check_plugin_elf(file, read_plugin_bytes(path)));
}

}  // namespace broadcast
