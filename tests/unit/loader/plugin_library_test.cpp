#include "host/loader/plugin_library.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/base/captured_log.hpp"
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

std::size_t descriptors_open() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
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

/// A plugin and its own libraries in a directory that a test may write to.
class OwnLibrariesTest : public testing::Test {
 protected:
  OwnLibrariesTest() { std::filesystem::create_directory(directory_); }
  ~OwnLibrariesTest() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::filesystem::path own(const std::string& soname) const {
    return directory_ / "own_libraries" / soname;
  }
  [[nodiscard]] std::shared_ptr<const PluginFile> installed(const std::string& plugin) const {
    const auto file = directory_ / (plugin + ".so");
    std::filesystem::copy_file(plugin_path(plugin), file);
    std::filesystem::copy(plugin_path(plugin).parent_path() / "own_libraries",
                          directory_ / "own_libraries", std::filesystem::copy_options::recursive);
    return PluginFile::read(file, Broadcasters::offer("1.3.2"));
  }

 private:
  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("own." + std::to_string(::getpid()));
};

/// Writes into the file that is there, as `cp` does.
void overwrite(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

/// BC_OK: it is bound to its own library.
bc_status start(const PluginLibrary& library) {
  bc_event event{};
  event.kind = BC_EV_START;
  return library.entry().handle(nullptr, &event);
}

TEST_F(OwnLibrariesTest, AreFoundBesideThePluginItself) {
  PluginLibrary library(*installed("own_library"), "test", {});
  EXPECT_EQ(start(library), BC_OK);
  EXPECT_NE(copies_mapped().find(":libhiredis.so.99"), std::string::npos);
  library.unload();
  EXPECT_TRUE(library.release());
  EXPECT_EQ(copies_mapped(), "");
}

TEST_F(OwnLibrariesTest, MayBeOverwrittenWhileTheyAreLoaded) {
  PluginLibrary library(*installed("own_chain"), "test", {});
  overwrite(own("libouter.so.1"), "");
  overwrite(own("inner/libinner.so.1"), "");
  EXPECT_EQ(start(library), BC_OK);
  library.unload();
  EXPECT_TRUE(library.release());
  EXPECT_EQ(copies_mapped(), "");
}

TEST_F(OwnLibrariesTest, AreSharedUntilNobodyHasThem) {
  const std::size_t before = descriptors_open();
  const auto file = installed("own_chain");
  const test::CapturedLog log;
  PluginLibrary first(*file, "test", {});
  PluginLibrary second(*file, "test", {});
  first.unload();
  EXPECT_TRUE(first.release());
  EXPECT_EQ(start(second), BC_OK);
  second.unload();
  EXPECT_TRUE(second.release());
  EXPECT_EQ(log.text(), "");
  EXPECT_EQ(copies_mapped(), "");
  EXPECT_EQ(descriptors_open(), before);
}

TEST_F(OwnLibrariesTest, OfAnotherOwnerAreToldWhereTheyAreOtherOnes) {
  const auto file = installed("own_library");
  PluginLibrary first(*file, "first", {});
  const std::string newer = test::read_bytes(own("libhiredis.so.99")) + "newer";
  overwrite(own("libhiredis.so.99"), newer);
  const test::CapturedLog log;
  PluginLibrary second(*file, "second", {});
  EXPECT_NE(log.text().find("second: uses the libhiredis.so.99 of \"first\" instead of its own"),
            std::string::npos)
      << log.text();
  EXPECT_EQ(start(second), BC_OK);
  first.unload();
  second.unload();
  EXPECT_TRUE(first.release());
  EXPECT_TRUE(second.release());
}

TEST_F(OwnLibrariesTest, LeaveNothingOpenWhenALaterOneIsRefused) {
  const std::size_t before = descriptors_open();
  const auto file = installed("own_chain");
  std::string bytes = test::read_bytes(own("libouter.so.1"));
  constexpr std::string_view kNeeded = "inner_reader";
  for (std::size_t at = 0; (at = bytes.find(kNeeded, at)) != bytes.npos;) bytes[at] = 'w';
  overwrite(own("libouter.so.1"), bytes);
  EXPECT_EQ(refusal_of([&] { const PluginLibrary library(*file, "test", {}); }),
            "test: its own libouter.so.1: undefined symbol: wnner_reader");
  EXPECT_EQ(copies_mapped(), "");
  EXPECT_EQ(descriptors_open(), before);
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
