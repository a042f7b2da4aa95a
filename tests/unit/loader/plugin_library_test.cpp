#include "host/loader/plugin_library.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

using test::plugin_path;
using test::read_plugin;
using test::refusal_of;

/// Lines of /proc/self/maps that name a private copy of "test".
std::string copies_mapped() {
  std::ifstream maps("/proc/self/maps");
  std::string found;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("bc:test#") != std::string::npos) found += line + "\n";
  }
  return found;
}

std::string refusal_to_load(const std::string& name) {
  const auto file = read_plugin(name);
  return refusal_of([&] { const PluginLibrary library(*file, "test", {}); });
}

/// Loads and uses it on a thread of its own, as a broadcaster does; true if nothing stayed.
bool load_and_release(const PluginFile& file, const CopyPlace& place,
                      const std::string& mapped_as) {
  std::unique_ptr<PluginLibrary> library;
  std::thread([&] {
    library = std::make_unique<PluginLibrary>(file, "test", place);
    EXPECT_NE(copies_mapped().find(mapped_as), std::string::npos);
    void* self = nullptr;
    EXPECT_EQ(library->entry().create(nullptr, "test", &self), BC_OK);
  }).join();
  library->unload();
  return library->release();
}

TEST(PluginFileTest, SaysWhyAFileCannotBeRead) {
  const auto offer = Broadcasters::offer("1.3.2");
  EXPECT_EQ(refusal_of([&] { static_cast<void>(PluginFile::read("/nowhere/x.so", offer)); }),
            "/nowhere/x.so: cannot be read: No such file or directory. Check library: and "
            "plugins.directory.");
  EXPECT_EQ(refusal_of([&] { static_cast<void>(PluginFile::read("/proc", offer)); }),
            "/proc: not a regular file.");
  EXPECT_EQ(refusal_of([&] { static_cast<void>(PluginFile::read("/dev/zero", offer)); }),
            "/dev/zero: not a regular file.");
}

TEST(PluginFileTest, ReadsNoFileThatIsTooLarge) {
  const auto file = std::filesystem::path(testing::TempDir()) / "large.so";
  std::ofstream(file).close();
  std::filesystem::resize_file(file, 256 * 1024 * 1024 + 1);  // sparse
  EXPECT_EQ(
      refusal_of([&] { static_cast<void>(PluginFile::read(file, Broadcasters::offer("1"))); }),
      "large.so: has 268435457 bytes; at most 268435456 are loaded.");
  std::filesystem::remove(file);
}

TEST(PluginFileTest, KeepsPathManifestAndBytes) {
  const auto file = read_plugin("probe");
  EXPECT_EQ(file->file_name(), "probe.so");
  EXPECT_EQ(file->manifest().name, "probe");
  EXPECT_EQ(file->bytes(), test::read_bytes(plugin_path("probe")));
}

TEST(PluginLibraryTest, IsMappedUnderANameOfItsOwn) {
  const auto file = read_plugin("minimal");
  PluginLibrary first(*file, "test", {});
  PluginLibrary second(*file, "test", {});
  EXPECT_NE(&first.entry(), &second.entry());
  EXPECT_NE(copies_mapped().find("/memfd:bc:test#"), std::string::npos);
  first.unload();
  second.unload();
  EXPECT_TRUE(first.release());
  EXPECT_TRUE(second.release());
  EXPECT_EQ(copies_mapped(), "");
}

TEST(PluginLibraryTest, RefusesAnEntryThatIsNotWhatItsManifestSays) {
  EXPECT_EQ(refusal_to_load("bad_magic"),
            "bad_magic.so: bc_plugin_entry does not begin with BC_MAGIC. Rebuild with SDK 1.x.");
  EXPECT_EQ(refusal_to_load("small_entry"),
            "small_entry.so: bc_plugin_entry has size 24, ABI 1 needs 48. Rebuild with SDK 1.x.");
  EXPECT_EQ(refusal_to_load("other_entry_abi"),
            "other_entry_abi.so: bc_plugin_entry is for plugin ABI 2, its manifest says 1. Rebuild "
            "with SDK 1.x.");
  EXPECT_EQ(
      refusal_to_load("other_manifest"),
      "other_manifest.so: bc_plugin_entry and the ELF note .note.bc carry different manifests. "
      "Rebuild with SDK 1.x.");
  EXPECT_EQ(refusal_to_load("no_destroy"),
            "no_destroy.so: bc_plugin_entry lacks manifest, create, handle or destroy. Rebuild "
            "with SDK 1.x.");
  EXPECT_EQ(copies_mapped(), "");
}

TEST(PluginLibraryTest, NamesTheSymbolThatNobodyDefines) {
  EXPECT_EQ(refusal_to_load("undefined_symbol"),
            "undefined_symbol.so: undefined symbol: function_that_nobody_defines");
}

TEST(PluginLibraryTest, SaysOnceWhoLacksALibrary) {
  EXPECT_EQ(refusal_to_load("needs_gone"),
            "needs_gone.so: libgone.so.1: cannot open shared object file: No such file or "
            "directory");
}

TEST(PluginLibraryTest, FindsWhatLiesBesideThePluginItself) {
  const auto file = read_plugin("own_library");
  PluginLibrary library(*file, "test", {});
  bc_event start{};
  start.kind = BC_EV_START;
  EXPECT_EQ(library.entry().handle(nullptr, &start), BC_OK);
  library.unload();
  EXPECT_TRUE(library.release());
}

TEST(PluginLibraryTest, LeavesNothingMappedThoughThreadLocalsPinIt) {
  const auto file = read_plugin("thread_local");
  EXPECT_TRUE(load_and_release(*file, {}, "/memfd:bc:test#"));
  EXPECT_EQ(copies_mapped(), "");
}

TEST(PluginLibraryTest, LoadsFromAFileWhereMemoryFilesMayNotExecute) {
  const std::filesystem::path directory = testing::TempDir();
  const auto file = read_plugin("thread_local");
  const CopyPlace place{.directory = directory, .is_memory_allowed = false};
  EXPECT_TRUE(load_and_release(*file, place, (directory / "bc:test#").string()));
  EXPECT_EQ(copies_mapped(), "");
}

TEST(PluginLibraryTest, SaysWhereNoCopyCouldBeMade) {
  const auto file = read_plugin("minimal");
  const CopyPlace place{.directory = "/nowhere", .is_memory_allowed = false};
  const std::string refusal =
      refusal_of([&] { const PluginLibrary library(*file, "test", place); });
  EXPECT_NE(refusal.find("/nowhere: No such file or directory. Point plugins.runtime_directory"),
            std::string::npos)
      << refusal;
}

TEST(PluginLibraryTest, StaysMappedWhenNobodyUnloadedIt) {
  const auto file = read_plugin("minimal");
  const bc_entry* entry = nullptr;
  {
    PluginLibrary library(*file, "kept", {});
    entry = &library.entry();
    EXPECT_FALSE(library.release());
  }
  EXPECT_EQ(entry->magic, BC_MAGIC);
}

}  // namespace
}  // namespace broadcast
