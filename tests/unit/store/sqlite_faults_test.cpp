// A disk that fails once, at every call in turn: what was promised is there afterwards, and what
// was not is refused in words.

#include <array>
#include <cstddef>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "store_play.hpp"
#include "tests/unit/base/captured_log.hpp"

namespace broadcast {
namespace {

using testing::IsSupersetOf;

/// What SQLite makes of EIO, ENOSPC and EROFS.
constexpr std::array kFaults{SQLITE_IOERR, SQLITE_FULL, SQLITE_READONLY};

/// The unix VFS as the default one; of its writes, syncs and truncations the Nth fails.
class FaultyDisk {
 public:
  FaultyDisk() {
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = "faulty";
    vfs_.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
      const int code = real_->xOpen(real_, name, file, flags, out);
      if (code == SQLITE_OK) watch(*file);
      return code;
    };
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~FaultyDisk() {
    sqlite3_vfs_register(real_, 1);
    sqlite3_vfs_unregister(&vfs_);
  }
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  static void fail_at(std::size_t call, int code) {
    const std::lock_guard lock(mutex_);
    left_ = call;
    code_ = code;
  }
  /// The call has come.
  [[nodiscard]] static bool has_failed() {
    const std::lock_guard lock(mutex_);
    return left_ == 0;
  }

 private:
  /// Its methods are replaced by ours, which end in those it had.
  static void watch(sqlite3_file& file) {
    const std::lock_guard lock(mutex_);
    Methods& methods = methods_[file.pMethods];
    methods.real = file.pMethods;
    methods.ours = *file.pMethods;
    methods.ours.xWrite = [](sqlite3_file* of, const void* bytes, int count, sqlite3_int64 at) {
      const int fault = next(SQLITE_IOERR_WRITE);
      return fault != SQLITE_OK ? fault : real_of(of).xWrite(of, bytes, count, at);
    };
    methods.ours.xSync = [](sqlite3_file* of, int flags) {
      const int fault = next(SQLITE_IOERR_FSYNC);
      return fault != SQLITE_OK ? fault : real_of(of).xSync(of, flags);
    };
    methods.ours.xTruncate = [](sqlite3_file* of, sqlite3_int64 size) {
      const int fault = next(SQLITE_IOERR_TRUNCATE);
      return fault != SQLITE_OK ? fault : real_of(of).xTruncate(of, size);
    };
    file.pMethods = &methods.ours;
  }
  static int next(int io_error) {
    const std::lock_guard lock(mutex_);
    if (left_ == 0 || --left_ > 0) return SQLITE_OK;
    return code_ == SQLITE_IOERR ? io_error : code_;
  }
  static const sqlite3_io_methods& real_of(const sqlite3_file* file) {
    const std::lock_guard lock(mutex_);
    for (const auto& [real, methods] : methods_) {
      if (file->pMethods == &methods.ours) return *methods.real;
    }
    throw std::logic_error("a file that was not watched");
  }

  struct Methods {
    const sqlite3_io_methods* real;
    sqlite3_io_methods ours;
  };
  inline static sqlite3_vfs* real_ = nullptr;
  inline static std::mutex mutex_;
  inline static std::map<const sqlite3_io_methods*, Methods> methods_;
  inline static std::size_t left_ = 0;
  inline static int code_ = SQLITE_OK;
  sqlite3_vfs vfs_;
};

/// What of 1 to `last` is promised; a message that is refused is tried again.
std::vector<std::uint64_t> write_on(const std::string& file, const TopicPtr& topic,
                                    std::uint64_t last) {
  std::vector<std::uint64_t> promised;
  try {
    RunningStore store(file);
    const MonoTime deadline = mono_now() + kDeadline;
    const auto& kept = store.topics();
    std::uint64_t seq = kept.empty() ? 0 : kept.front().seq;
    while (seq < last && mono_now() < deadline) {
      if (store.commit(message_of(topic, seq + 1))) {
        promised.push_back(++seq);
      } else {
        std::this_thread::yield();
      }
    }
    EXPECT_EQ(seq, last);
    store->stop();
  } catch (const std::runtime_error& error) {  // the start is refused
    EXPECT_THAT(error.what(), testing::HasSubstr(file));
  }
  return promised;
}

TEST(SqliteFaultsTest, WhereverTheDiskFailsOnceWhatWasPromisedIsThereAfterwards) {
  const test::CapturedLog log;
  const Directory directory;
  const TopicPtr topic = topic_of("a");
  const FaultyDisk disk;
  for (const int fault : kFaults) {
    bool has_failed = true;
    for (std::size_t call = 1; has_failed; ++call) {
      SCOPED_TRACE("call " + std::to_string(call) + " fails with " + std::to_string(fault));
      const std::string file =
          directory.file(std::to_string(fault) + "-" + std::to_string(call) + ".db");
      const std::vector<std::uint64_t> before = write_on(file, topic, 2);
      ASSERT_THAT(before, testing::ElementsAre(1, 2));
      disk.fail_at(call, fault);
      const std::vector<std::uint64_t> promised = write_on(file, topic, 4);
      has_failed = disk.has_failed();
      disk.fail_at(0, SQLITE_OK);
      RunningStore store(file);
      const std::vector<std::uint64_t> kept = store.seqs("a");
      EXPECT_THAT(kept, IsSupersetOf(before));
      EXPECT_THAT(kept, IsSupersetOf(promised));
    }
  }
}

}  // namespace
}  // namespace broadcast
