#include "host/loader/elf_image.hpp"

#include <cstring>
#include <random>

#include <elf.h>
#include <gtest/gtest.h>

#include "host/loader/manifest.hpp"
#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

using test::plugin_path;
using test::read_bytes;
using test::refusal_of;

std::string refusal_of_image(const std::string& bytes) {
  return refusal_of([&] { static_cast<void>(check_plugin_elf("x.so", bytes)); });
}

/// The bytes of a good plugin with `change` applied to its header.
template <class F>
std::string with_header(F&& change) {
  std::string bytes = read_bytes(plugin_path("minimal"));
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  change(header);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

TEST(ElfImageTest, FindsEntryManifestAndNeededVersions) {
  const ElfFacts facts = read_elf("probe.so", read_bytes(plugin_path("probe")));
  EXPECT_TRUE(facts.exports_entry);
  ASSERT_TRUE(facts.manifest);
  EXPECT_EQ(parse_manifest("probe.so", *facts.manifest).name, "probe");
  EXPECT_FALSE(facts.needed_versions.empty());
}

TEST(ElfImageTest, RefusesAnotherMachine) {
  EXPECT_EQ(
      refusal_of_image(with_header([](Elf64_Ehdr& header) { header.e_machine = EM_AARCH64; })),
      "x.so: ELF for aarch64, this host is x86-64.");
  EXPECT_EQ(refusal_of_image(with_header([](Elf64_Ehdr& header) { header.e_machine = 999; })),
            "x.so: ELF for machine 999, this host is x86-64.");
}

TEST(ElfImageTest, Refuses32BitAndBigEndianFiles) {
  EXPECT_EQ(refusal_of_image(with_header([](Elf64_Ehdr& header) {
              header.e_ident[EI_CLASS] = ELFCLASS32;
              header.e_machine = EM_386;
            })),
            "x.so: 32-bit ELF for i386, this host is x86-64.");
  EXPECT_EQ(refusal_of_image(with_header([](Elf64_Ehdr& header) {
              header.e_ident[EI_DATA] = ELFDATA2MSB;
              header.e_machine = __builtin_bswap16(EM_S390);
            })),
            "x.so: ELF for big-endian s390, this host is x86-64.");
}

TEST(ElfImageTest, RefusesWhatIsNotASharedLibrary) {
  EXPECT_EQ(refusal_of_image(""), "x.so: not an ELF shared library.");
  EXPECT_EQ(refusal_of_image("#!/bin/sh\n"), "x.so: not an ELF shared library.");
  EXPECT_EQ(refusal_of_image(with_header([](Elf64_Ehdr& header) { header.e_type = ET_EXEC; })),
            "x.so: ELF type 2, not a shared library. Build it with broadcast_add_plugin().");
}

TEST(ElfImageTest, RefusesATruncatedFileNamingBothSizes) {
  const std::string bytes = read_bytes(plugin_path("minimal"));
  EXPECT_EQ(refusal_of_image(bytes.substr(0, 30)),
            "x.so: truncated: ELF header ends at 64, file has 30 bytes.");
  const std::string refusal = refusal_of_image(bytes.substr(0, 3000));
  EXPECT_TRUE(refusal.starts_with("x.so: truncated: segment ends at ")) << refusal;
  EXPECT_TRUE(refusal.ends_with(", file has 3000 bytes.")) << refusal;
}

TEST(ElfImageTest, RefusesAFileCutAtAnyLength) {
  const std::string bytes = read_bytes(plugin_path("minimal"));
  const std::size_t step = std::max<std::size_t>(bytes.size() / 500, 1);
  for (std::size_t length = 0; length < bytes.size(); length += step) {
    ASSERT_NE(refusal_of_image(bytes.substr(0, length)), "not refused") << length;
  }
  ASSERT_NE(refusal_of_image(bytes.substr(0, bytes.size() - 1)), "not refused");
}

TEST(ElfImageTest, RefusesAnOffsetThatRunsOverTheEndOfAllAddresses) {
  const std::string refusal =
      refusal_of_image(with_header([](Elf64_Ehdr& header) { header.e_phoff = UINT64_MAX - 8; }));
  EXPECT_TRUE(refusal.starts_with("x.so: damaged ELF: ")) << refusal;
}

TEST(ElfImageTest, RefusesALibraryWithoutEntryOrManifest) {
  EXPECT_EQ(
      refusal_of_image(read_bytes(plugin_path("no_entry"))),
      "x.so: exports no bc_plugin_entry: not a broadcaster plugin (BROADCAST_PLUGIN missing, or "
      "symbol hidden?).");
  const std::string refusal = refusal_of_image(read_bytes(plugin_path("no_note")));
  EXPECT_TRUE(refusal.starts_with("x.so: carries no manifest")) << refusal;
}

TEST(ElfImageTest, ListsWhatAFileDefinesAndUses) {
  const ElfSymbols good = read_elf_symbols("x.so", read_bytes(plugin_path("minimal")));
  std::vector<std::string> defined;
  for (const auto& symbol : good.symbols) {
    EXPECT_FALSE(symbol.is_unique) << symbol.name;
    if (symbol.is_defined) defined.push_back(symbol.name);
  }
  EXPECT_EQ(defined, std::vector<std::string>{"bc_plugin_entry"});
  const ElfNeeds needs = read_elf_needs("x.so", read_bytes(plugin_path("own_library")));
  EXPECT_NE(std::ranges::find(needs.libraries, "libhiredis.so.99"), needs.libraries.end());
  EXPECT_EQ(needs.run_path, std::vector<std::string>{"$ORIGIN/own_libraries"});

  const ElfSymbols open = read_elf_symbols("x.so", read_bytes(plugin_path("undefined_symbol")));
  const auto used =
      std::ranges::find(open.symbols, "function_that_nobody_defines", &ElfSymbols::Symbol::name);
  ASSERT_NE(used, open.symbols.end());
  EXPECT_FALSE(used->is_defined);
  EXPECT_FALSE(used->is_weak);

  const ElfSymbols shared = read_elf_symbols("x.so", read_bytes(plugin_path("careless_exports")));
  EXPECT_TRUE(std::ranges::any_of(shared.symbols, &ElfSymbols::Symbol::is_unique));
}

TEST(ElfImageTest, KnowsTheVersionsOfItsOwnLibraries) {
  const std::vector<std::string> offered = host_library_versions();
  EXPECT_NE(std::ranges::find(offered, "GLIBC_2.34"), offered.end());
  EXPECT_NE(std::ranges::find(offered, "GLIBCXX_3.4.29"), offered.end());
}

TEST(ElfImageTest, RefusesAPluginThatNeedsANewerLibrary) {
  const std::vector<std::string> offered = {"GLIBCXX_3.4.9", "GLIBCXX_3.4.30", "GLIBC_2.36",
                                            "GLIBC_PRIVATE", "CXXABI_1.3.13"};
  EXPECT_EQ(
      newer_library_needed("x.so", {"GLIBCXX_3.4.32", "GLIBCXX_3.4.9", "GLIBC_2.34"}, offered),
      "x.so: needs GLIBCXX_3.4.32, this host has up to 3.4.30. Build on Debian 12, or with "
      "STATIC_RUNTIME.");
  EXPECT_EQ(newer_library_needed("x.so", {"GLIBC_2.38"}, offered),
            "x.so: needs GLIBC_2.38, this host has up to 2.36. Build on Debian 12.");
  EXPECT_EQ(newer_library_needed("x.so", {"GLIBCXX_3.4.30", "GLIBC_2.2.5", "GCC_99"}, offered),
            std::nullopt);
}

TEST(ElfImageTest, SeesANewerLibraryInTheFileItself) {
  std::string bytes = read_bytes(plugin_path("probe"));
  const std::size_t at = bytes.find(std::string("\0GLIBCXX_3.4", 12));
  ASSERT_NE(at, std::string::npos);
  const std::size_t digits = bytes.find('\0', at + 1) - at - 12;
  bytes.replace(at + 1, 11 + digits,
                ("GLIBCXX_9.9.9" + std::string(digits, '9')).substr(0, 11 + digits));
  const std::string refusal = refusal_of_image(bytes);
  EXPECT_TRUE(refusal.starts_with("x.so: needs GLIBCXX_9.")) << refusal;
}

// Foreign bytes: whatever they are, reading them ends with facts or a refusal.
TEST(ElfImageTest, SurvivesRandomDamage) {
  const std::string whole = read_bytes(plugin_path("minimal"));
  const std::size_t step =
      64;  // headers, dynamic section and notes lie in the first and last pages
  std::mt19937 random(20260205);
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = whole;
    const std::size_t limit =
        round % 2 == 0 ? std::min<std::size_t>(bytes.size(), step * 16) : bytes.size();
    for (int hit = 0; hit < 8; ++hit) bytes[random() % limit] = static_cast<char>(random());
    try {
      const ElfFacts facts = read_elf("x.so", bytes);
      if (facts.manifest) static_cast<void>(parse_manifest("x.so", *facts.manifest));
      static_cast<void>(read_elf_symbols("x.so", bytes));
    } catch (const PluginRefused& refused) {
      ASSERT_TRUE(std::string_view(refused.what()).starts_with("x.so: "));
    }
  }
}

}  // namespace
}  // namespace broadcast
