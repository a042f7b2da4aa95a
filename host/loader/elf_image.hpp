#pragma once
// What the bytes of a plugin say before anything of it is mapped: whether it is a whole shared
// library for this machine, its manifest note, whether it exports the entry, and which library
// versions it needs. A parser of foreign bytes: every offset is checked, nothing outside the bytes
// is read. Pure; [any]. In elf_versions.cpp: what of it needs to be compared with this process.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace broadcast {

struct ElfFacts {
  bool exports_entry = false;
  std::optional<std::string> manifest;        ///< text of note "BC", type 1; closing NULs removed
  std::vector<std::string> needed_versions;   ///< such as "GLIBCXX_3.4.30"
  std::vector<std::string> defined_versions;  ///< what the library itself offers to others
};

/// Throws PluginRefused, its text beginning with `file_name`, unless `bytes` are a whole 64-bit
/// shared library for this machine.
[[nodiscard]] ElfFacts read_elf(std::string_view file_name, std::string_view bytes);

/// What the dynamic linker will see of a library's names.
struct ElfSymbols {
  struct Symbol {
    std::string name;
    bool is_defined = false;
    bool is_weak = false;
    bool is_unique = false;  ///< STB_GNU_UNIQUE
  };
  std::vector<Symbol> symbols;
};

/// The same, for reports. Throws PluginRefused as read_elf() does.
[[nodiscard]] ElfSymbols read_elf_symbols(std::string_view file_name, std::string_view bytes);

/// What the dynamic linker will look for.
struct ElfNeeds {
  std::vector<std::string> libraries;  ///< by SONAME, such as "libpq.so.5"
  std::vector<std::string> run_path;   ///< directories as they stand there: "$ORIGIN/../lib"
};
/// Throws PluginRefused as read_elf() does.
[[nodiscard]] ElfNeeds read_elf_needs(std::string_view file_name, std::string_view bytes);

/// Loading it makes the stacks of all threads executable: it asks for that, or does not say that it
/// can do without. Throws PluginRefused as read_elf() does.
[[nodiscard]] bool has_executable_stack(std::string_view file_name, std::string_view bytes);

/// Versions that this process's own libstdc++ and libc define.
[[nodiscard]] std::vector<std::string> host_library_versions();

/// The refusal when something of GLIBC, GLIBCXX or CXXABI in `needed` is newer than all of
/// `offered`.
[[nodiscard]] std::optional<std::string> newer_library_needed(
    std::string_view file_name, const std::vector<std::string>& needed,
    const std::vector<std::string>& offered);

/// The manifest's text; throws PluginRefused when the entry or the note is missing, or a library is
/// too old.
[[nodiscard]] std::string check_plugin_elf(std::string_view file_name, std::string_view bytes);

}  // namespace broadcast
