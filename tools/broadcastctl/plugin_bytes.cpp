#include "tools/broadcastctl/plugin_bytes.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "host/loader/elf_image.hpp"

namespace broadcast {

std::string read_plugin_bytes(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw CannotRun(path.string() +
                    ": no such file. Name a plugin's library, such as libprice.so.");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw CannotRun(path.string() + ": cannot be read: " + std::generic_category().message(errno) +
                    ".");
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

Manifest manifest_of(const std::filesystem::path& path) {
  const std::string file = path.filename().string();
  return parse_manifest(file, check_plugin_elf(file, read_plugin_bytes(path)));
}

}  // namespace broadcast
