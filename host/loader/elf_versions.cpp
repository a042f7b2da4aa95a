// Which C and C++ library a plugin needs, and which there is.

#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <utility>

#include <link.h>

#include "host/loader/elf_image.hpp"
#include "host/loader/plugin_refused.hpp"

namespace broadcast {

namespace {

/// "3.4.32" -> {3, 4, 32}; empty if there is anything else in it (GLIBC_PRIVATE).
std::vector<int> numbers_of(std::string_view text) {
  std::vector<int> numbers;
  for (;;) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return {};
    numbers.push_back(number);
    if (end == text.data() + text.size()) return numbers;
    if (*end != '.') return {};
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
}

/// The highest version in `names` under `prefix`; empty if none.
std::string highest(const std::vector<std::string>& names, std::string_view prefix) {
  std::string best;
  std::vector<int> best_numbers;
  for (const std::string& name : names) {
    if (!name.starts_with(prefix)) continue;
    std::string version = name.substr(prefix.size());
    std::vector<int> numbers = numbers_of(version);
    if (numbers <= best_numbers) continue;
    best = std::move(version);
    best_numbers = std::move(numbers);
  }
  return best;
}

int collect_path(dl_phdr_info* info, std::size_t, void* paths) {
  const std::string_view path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
  if (path.ends_with("/libstdc++.so.6") || path.ends_with("/libc.so.6")) {
    static_cast<std::vector<std::string>*>(paths)->emplace_back(path);
  }
  return 0;
}

}  // namespace

std::vector<std::string> host_library_versions() {
  std::vector<std::string> paths;
  dl_iterate_phdr(collect_path, &paths);
  std::vector<std::string> versions;
  for (const std::string& path : paths) {
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    if (bytes.view().empty()) continue;  // replaced under us: dlopen will be the judge
    const ElfFacts facts = read_elf(path, bytes.view());
    versions.insert(versions.end(), facts.defined_versions.begin(), facts.defined_versions.end());
  }
  return versions;
}

std::optional<std::string> newer_library_needed(std::string_view file_name,
                                                const std::vector<std::string>& needed,
                                                const std::vector<std::string>& offered) {
  static constexpr std::array<std::string_view, 3> kPrefixes = {"GLIBCXX_", "CXXABI_", "GLIBC_"};
  for (const std::string_view prefix : kPrefixes) {
    const std::string want = highest(needed, prefix);
    const std::string have = highest(offered, prefix);
    if (have.empty() || numbers_of(want) <= numbers_of(have)) continue;
    // A static C++ runtime does not help against a newer C library.
    const std::string_view remedy =
        prefix == "GLIBC_" ? "Build on Debian 12." : "Build on Debian 12, or with STATIC_RUNTIME.";
    return std::string(file_name) + ": needs " + std::string(prefix) + want +
           ", this host has up to " + have + ". " + std::string(remedy);
  }
  return std::nullopt;
}

std::string check_plugin_elf(std::string_view file_name, std::string_view bytes) {
  static const std::vector<std::string> kOffered = host_library_versions();
  ElfFacts facts = read_elf(file_name, bytes);
  const std::string file(file_name);
  if (!facts.exports_entry) {
    throw PluginRefused(file +
                        ": exports no bc_plugin_entry: not a broadcaster plugin "
                        "(BROADCAST_PLUGIN missing, or symbol hidden?).");
  }
  if (!facts.manifest) {
    throw PluginRefused(file +
                        ": carries no manifest (ELF note .note.bc, owner BC): stripped, or not "
                        "declared with BROADCAST_PLUGIN? Build it with broadcast_add_plugin().");
  }
  if (const auto refusal = newer_library_needed(file_name, facts.needed_versions, kOffered)) {
    throw PluginRefused(*refusal);
  }
  return std::move(*facts.manifest);
}

}  // namespace broadcast
