// A disk that fails once, at every call in turn: what was promised is there afterwards, and what
// was not is refused in words.

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <fstream>
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
  /// So many syncs from now on fail, of those that hold the WAL or the file.
  static void fail_syncs(std::size_t count) {
    const std::lock_guard lock(mutex_);
    failing_syncs_ = count;
  }
  /// From now on syncs do not come back.
  static void hang() {
    const std::lock_guard lock(mutex_);
    hangs_ = true;
  }
  static void wait_until_it_hangs() {
    std::unique_lock lock(mutex_);
    const bool is_hanging = changed_.wait_for(lock, kDeadline, [] { return is_hanging_; });
    if (!is_hanging) throw std::runtime_error("nothing was synced");
  }
  static void come_back() {
    const std::lock_guard lock(mutex_);
    hangs_ = false;
    changed_.notify_all();
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
      const int fault = next_sync();
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
  static int next_sync() {
    {
      std::unique_lock lock(mutex_);
      is_hanging_ = true;
      changed_.notify_all();
      changed_.wait(lock, [] { return !hangs_; });
      is_hanging_ = false;
      if (failing_syncs_ > 0) {
        --failing_syncs_;
        return SQLITE_IOERR_FSYNC;
      }
    }
    return next(SQLITE_IOERR_FSYNC);
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
  inline static std::condition_variable changed_;
  inline static std::size_t failing_syncs_ = 0;
  inline static bool hangs_ = false;
  inline static bool is_hanging_ = false;
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

class FailedSyncTest : public testing::Test {
 protected:
  ~FailedSyncTest() override {
    disk.come_back();
    disk.fail_syncs(0);
  }
  [[nodiscard]] std::vector<std::string> aside() const {
    return directory.files("state.db.unreadable-");
  }

  const test::CapturedLog log;
  const Directory directory;
  const FaultyDisk disk;
  const std::string file = directory.file("state.db");
  const TopicPtr a = topic_of("a");
};

TEST_F(FailedSyncTest, WhatWasUnderWayIsInDoubtAndItsNumberIsUsedAgainInAFileWrittenAnew) {
  {
    RunningStore store(file);
    EXPECT_TRUE(store.commit(message_of(a, 1, {"s", "1-0"})));
    EXPECT_TRUE(store.commit(message_of(a, 2, {"s", "2-0"})));
    disk.fail_syncs(1);
    const std::uint64_t ticket = store->try_append(message_of(a, 3, {"s", "3-0"}));
    EXPECT_EQ(store.outcome_of(ticket), CommitOutcome::kInDoubt);
    EXPECT_TRUE(store.commit_again(message_of(a, 3, 7)));
    EXPECT_EQ(store.outcome_of(ticket), CommitOutcome::kInDoubt) << "asked late";
    EXPECT_EQ(store.count(Counter::kStoreRewrites), 1U);
    EXPECT_THAT(store.listener().lost(), testing::ElementsAre("a3"));
  }
  RunningStore again(file);
  EXPECT_EQ(again.topic("a").epoch, "e1");
  EXPECT_THAT(again.seqs("a"), testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(again.topic("a").messages.back().text, message_of(a, 3, 7).message->payload());
  EXPECT_EQ(again->position_of("s"), "2-0");
  ASSERT_THAT(aside(), testing::SizeIs(2)) << "the file and its WAL, as they were";
  EXPECT_EQ(log.count_of("rewritten from memory in the same epochs; the old file is now " +
                         std::min(aside()[0], aside()[1])),
            1);
  EXPECT_EQ(log.count_of("is older than"), 0);
}

TEST_F(FailedSyncTest, WhatWaitedBehindItIsLostAndNotInDoubt) {
  RunningStore store(file);
  disk.hang();
  const std::uint64_t under_way = store->try_append(message_of(a, 1));
  disk.wait_until_it_hangs();
  const std::uint64_t behind = store->try_append(message_of(a, 2));
  disk.fail_syncs(1);
  disk.come_back();
  EXPECT_EQ(store.outcome_of(under_way), CommitOutcome::kInDoubt);
  EXPECT_EQ(store.outcome_of(behind), CommitOutcome::kLost);
}

TEST_F(FailedSyncTest, AFileThatCannotBeWrittenAnewPausesTheStoreUntilARestart) {
  {
    RunningStore store(file);
    EXPECT_TRUE(store.commit(message_of(a, 1)));
    disk.fail_syncs(1'000'000);
    EXPECT_EQ(store.outcome_of(store->try_append(message_of(a, 2))), CommitOutcome::kInDoubt);
    const MonoTime deadline = mono_now() + kDeadline;
    while (store.count(Counter::kStoreFailed) < 2 && mono_now() < deadline) {
      std::this_thread::yield();
    }
    disk.fail_syncs(0);
    EXPECT_EQ(store->try_append(message_of(a, 2)), 0U);
    EXPECT_FALSE(store->try_keep_position({"s", "1-0"}));
    EXPECT_EQ(store.count(Counter::kStoreRewrites), 0U);
  }
  EXPECT_EQ(log.count_of(
                "publishing on topics with delivery \"all\" is paused until the host is restarted"),
            1);
  EXPECT_THAT(directory.files("state.db.rewrit"), testing::IsEmpty());
  RunningStore again(file);
  EXPECT_THAT(again.seqs("a"), IsSupersetOf({1U}));
  EXPECT_EQ(again.topic("a").epoch, "e1");
  EXPECT_TRUE(again.commit(message_of(a, again.topic("a").seq + 1)));
}

TEST_F(FailedSyncTest, AFileThatWasWrittenAnewTakesItsPlaceAtTheNextStart) {
  { EXPECT_TRUE(RunningStore(file).commit(message_of(a, 1))); }
  std::filesystem::rename(file, file + ".rewritten");
  std::ofstream(file) << "what could not be trusted";
  EXPECT_THAT(RunningStore(file).seqs("a"), testing::ElementsAre(1));
  ASSERT_THAT(aside(), testing::SizeIs(1));
  EXPECT_EQ(content_of(aside()[0]), "what could not be trusted");
  EXPECT_EQ(log.count_of("is older than"), 0);
}

TEST_F(FailedSyncTest, ADiskThatHangsDoesNotHoldUpTheEnd) {
  RunningStore store(file);
  disk.hang();
  const std::uint64_t ticket = store->try_append(message_of(a, 1));
  disk.wait_until_it_hangs();
  EXPECT_FALSE(store->stop(mono_now() + 10ms));
  disk.come_back();
  EXPECT_TRUE(store->stop());
  EXPECT_TRUE(store.committed(ticket));
}

}  // namespace
}  // namespace broadcast
