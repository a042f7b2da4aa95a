// Which files a host starts with, which it moves aside, and which it leaves alone.

#include <csignal>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/store/file_lock.hpp"
#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/store/store_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

TEST(FileLockTest, IsHadThoughSomebodyLooks) {
  const Directory directory;
  const std::jthread looks([&](const std::stop_token& end) {
    while (!end.stop_requested()) static_cast<void>(FileLock::is_held(directory.file("state.db")));
  });
  for (int i = 0; i < 50'000; ++i) ASSERT_NO_THROW(FileLock(directory.file("state.db")));
}

class StateFileTest : public testing::Test {
 protected:
  void write(std::string_view bytes) const {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }
  /// A good file with some messages.
  void make_state() const {
    RunningStore store(file);
    EXPECT_TRUE(store->try_keep_position({"s", "5-0"}));
    for (std::uint64_t seq = 1; seq <= 40; ++seq) {
      for (const char* topic : {"a", "b"}) {
        EXPECT_NE(store->try_append(message_of(topic_of(topic), seq, 300)), 0U);
      }
    }
  }
  void execute(const std::string& sql) const { execute_in(file, sql); }
  /// As hosts wrote it before there were checksums.
  void as_format_1() const {
    for (const char* table : {"topics", "messages", "positions"}) {
      execute(std::string("ALTER TABLE ") + table + " DROP COLUMN sum");
    }
    for (const char* table : {"topics", "positions"}) {
      execute(std::string("ALTER TABLE ") + table + " DROP COLUMN commits");
    }
    std::filesystem::remove(file + ".commits");
    execute("PRAGMA user_version = 1");
  }
  /// Why a host does not start with it.
  [[nodiscard]] static std::string problem(const std::string& path) {
    Counters counters;
    try {
      SqliteStore store({.path = path}, counters);
      return "no problem";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }
  [[nodiscard]] static SipKey key_of(const std::string& path) {
    Counters counters;
    return SqliteStore({.path = path}, counters).epoch_key();
  }
  [[nodiscard]] std::vector<std::string> aside() const {
    return directory.files("state.db.unreadable-");
  }
  /// A host starts afresh, keeps the bytes aside, says so in a line, and can be used.
  void expect_moved_aside(const std::string& bytes, const std::string& why) {
    test::CapturedLog log;
    {
      RunningStore store(file);
      EXPECT_THAT(store.topics(), IsEmpty());
      EXPECT_TRUE(store.commit(message_of(topic_of("c"), 1)));
    }
    EXPECT_THAT(RunningStore(file).seqs("c"), ElementsAre(1));
    ASSERT_THAT(aside(), SizeIs(1));
    EXPECT_EQ(content_of(aside()[0]), bytes);
    EXPECT_THAT(log.text(), HasSubstr("error state: " + file + " cannot be used (" + why));
    EXPECT_THAT(log.text(),
                HasSubstr("was renamed to " + aside()[0] + "; the host starts without it"));
    std::filesystem::remove(aside()[0]);
  }

  Directory directory;
  const std::string file = directory.file("state.db");
};

TEST_F(StateFileTest, ASecondHostIsRefusedAndTheFirstGoesOn) {
  RunningStore first(file);
  EXPECT_EQ(
      problem(file),
      "state.path: " + file + ": in use by another host; stop that one, or give each its own file");
  EXPECT_TRUE(first.commit(message_of(topic_of("a"), 1)));
  EXPECT_THAT(aside(), IsEmpty());
}

TEST_F(StateFileTest, AFileThatAnotherProgramReadsIsRefused) {
  make_state();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM topics", nullptr, nullptr, nullptr),
            SQLITE_OK);
  EXPECT_EQ(problem(file), "state.path: " + file + ": in use by another program; close it there");
  sqlite3_close(other);
  EXPECT_EQ(problem(file), "no problem");
}

TEST_F(StateFileTest, AMissingDirectoryIsNamed) {
  const std::string path = directory.file("none/state.db");
  EXPECT_EQ(problem(path), "state.path: " + path + ": its directory does not exist; create it");
  EXPECT_THAT(problem("/proc/self/state.db"), StartsWith("state.path: /proc/self/state.db: "));
  std::filesystem::create_directory(file);
  EXPECT_EQ(problem(file), "state.path: " + file + ": a directory; name a file");
}

TEST_F(StateFileTest, SqlitesOwnNamesAreFilesLikeOthers) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.file(""));
  { RunningStore(":memory:").commit(message_of(topic_of("a"), 1)); }
  EXPECT_THAT(RunningStore(":memory:").seqs("a"), ElementsAre(1));
  std::filesystem::current_path(before);
}

TEST_F(StateFileTest, AnEmptyFileIsANewOne) {
  write("");
  { EXPECT_TRUE(RunningStore(file).commit(message_of(topic_of("a"), 1))); }
  EXPECT_THAT(RunningStore(file).seqs("a"), ElementsAre(1));
  EXPECT_THAT(aside(), IsEmpty());
}

TEST_F(StateFileTest, GarbageIsMovedAside) {
  write("this is not a database, and longer than the header of one: " + std::string(500, 'x'));
  expect_moved_aside(content_of(file), "file is not a database");
  write("short");
  expect_moved_aside("short", "file is not a database");
}

TEST_F(StateFileTest, ATruncatedFileIsMovedAside) {
  make_state();
  const std::string whole = content_of(file);
  ASSERT_GT(whole.size(), 5U * 4096);
  for (const std::size_t bytes : {std::size_t{50}, std::size_t{100}, std::size_t{4096},
                                  std::size_t{5000}, whole.size() / 2, whole.size() - 4096}) {
    SCOPED_TRACE(bytes);
    write(whole.substr(0, bytes));
    expect_moved_aside(whole.substr(0, bytes), "");
    std::filesystem::remove(file);
  }
}

TEST_F(StateFileTest, WhateverIsFlippedInAFileAHostStartsOrMovesItAside) {
  make_state();
  const std::string whole = content_of(file);
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int i = 0; i < 60; ++i) {
    std::string bytes = whole;
    const std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U + random() % 255U));
    SCOPED_TRACE("seed " + std::to_string(seed) + ", byte " + std::to_string(at));
    write(bytes);
    test::CapturedLog log;
    const std::string why = problem(file);
    EXPECT_TRUE(why == "no problem" || why.find("newer host") != std::string::npos ||
                why.find("another program") != std::string::npos)
        << why;
  }
}

TEST_F(StateFileTest, HistoryBeforeAMessageThatTheDiskHasChangedIsNotOffered) {
  for (const char* change :
       {"text = CAST(replace(CAST(text AS TEXT), 'xxx', 'xyx') AS BLOB)", "text = x'7BFF7D'",
        "published_ns = published_ns + 1", "sum = sum + 1"}) {
    SCOPED_TRACE(change);
    std::filesystem::remove(file);
    make_state();
    execute(std::string("UPDATE messages SET ") + change + " WHERE topic = 1 AND seq IN (5, 7)");
    const test::CapturedLog log;
    {
      RunningStore store(file);
      ASSERT_THAT(store.seqs("a"), SizeIs(33));
      EXPECT_EQ(store.seqs("a").front(), 8U);
      EXPECT_EQ(store.topic("a").seq, 40U);
      EXPECT_THAT(store.seqs("b"), SizeIs(40));
      EXPECT_TRUE(store.commit(message_of(topic_of("a"), 41)));
    }
    EXPECT_EQ(log.count_of("error state: " + file +
                           ": message 7 of a fails its checksum; the history begins after "
                           "it"),
              1);
    EXPECT_THAT(RunningStore(file).seqs("a"), SizeIs(34)) << "and it is told once";
    EXPECT_EQ(log.count_of("fails its checksum"), 1);
    EXPECT_THAT(aside(), IsEmpty());
  }
}

TEST_F(StateFileTest, AHistoryWhoseNewestMessageTheDiskHasChangedIsNoneAndItsNumbersGoOn) {
  make_state();
  execute("UPDATE messages SET text = x'7B7D' WHERE topic = 1 AND seq = 40");
  {
    RunningStore store(file);
    EXPECT_THAT(store.seqs("a"), IsEmpty());
    EXPECT_EQ(store.topic("a").seq, 40U);
    EXPECT_TRUE(store.commit(message_of(topic_of("a"), 41)));
  }
  EXPECT_THAT(RunningStore(file).seqs("a"), ElementsAre(41));
}

TEST_F(StateFileTest, ATopicOrAPositionThatTheDiskHasChangedMovesItAside) {
  for (const char* change :
       {"UPDATE topics SET seq = 39 WHERE id = 1; DELETE FROM messages WHERE topic = 1",
        "UPDATE topics SET epoch = 'e2' WHERE id = 1", "UPDATE topics SET delivery = 0",
        "UPDATE positions SET id = '4-0'"}) {
    SCOPED_TRACE(change);
    std::filesystem::remove(file);
    make_state();
    execute(change);
    expect_moved_aside(content_of(file), "the row of a topic or a stream fails its checksum");
  }
}

TEST_F(StateFileTest, AnEpochThatIsNoneNeverReachesClients) {
  for (const char* epoch : {"''", "CAST(x'65FF' AS TEXT)", "'e\"1'", "'E 1'"}) {
    SCOPED_TRACE(epoch);
    std::filesystem::remove(file);
    make_state();
    as_format_1();
    execute(std::string("UPDATE topics SET epoch = ") + epoch + " WHERE id = 1");
    const test::CapturedLog log;
    EXPECT_THAT(RunningStore(file).topics(), IsEmpty());
    EXPECT_EQ(log.count_of("cannot be used (the name or the epoch of a topic is invalid)"), 1);
  }
}

TEST_F(StateFileTest, AFileOfFormat1IsReadAndGetsChecksums) {
  make_state();
  const SipKey key = key_of(file);
  as_format_1();
  execute("UPDATE messages SET text = CAST('{\"a\":}' AS BLOB) WHERE topic = 2 AND seq = 39");
  {
    RunningStore store(file);
    EXPECT_THAT(store.seqs("a"), SizeIs(40));
    EXPECT_EQ(store.topic("a").epoch, "e1");
    EXPECT_THAT(store.seqs("b"), ElementsAre(40)) << "what no client can read stays behind";
    EXPECT_TRUE(store.commit(message_of(topic_of("a"), 41)));
  }
  EXPECT_EQ(key_of(file), key);
  EXPECT_THAT(RunningStore(file).seqs("a"), SizeIs(41));
  execute("UPDATE messages SET text = x'7B7D' WHERE topic = 1 AND seq = 7");
  EXPECT_THAT(RunningStore(file).seqs("a"), SizeIs(34));
  EXPECT_THAT(aside(), IsEmpty());
}

TEST_F(StateFileTest, NobodyElseReadsIt) {
  namespace fs = std::filesystem;
  const auto mode_of = [](const std::string& path) { return fs::status(path).permissions(); };
  constexpr fs::perms kOurs = fs::perms::owner_read | fs::perms::owner_write;
  {
    RunningStore store(file);
    EXPECT_TRUE(store.commit(message_of(topic_of("a"), 1)));
    for (const std::string& path : directory.files("state.db")) EXPECT_EQ(mode_of(path), kOurs);
    EXPECT_EQ(mode_of(file + "-wal"), kOurs);
  }
  as_format_1();
  fs::permissions(file, kOurs | fs::perms::others_read);
  { RunningStore store(file); }
  EXPECT_EQ(mode_of(file), kOurs) << "as older hosts made it";
  fs::permissions(file, kOurs | fs::perms::group_read);
  { RunningStore store(file); }
  EXPECT_EQ(mode_of(file), kOurs | fs::perms::group_read) << "as its owner wants it";
}

TEST_F(StateFileTest, AMissingMessageMovesItAside) {
  make_state();
  execute("DELETE FROM messages WHERE topic = 1 AND seq = 7");
  expect_moved_aside(content_of(file), "a message is missing");
  std::filesystem::remove(file);
  make_state();
  execute("DELETE FROM messages WHERE topic = 1 AND seq = 40");
  expect_moved_aside(content_of(file), "the newest message of a is missing");
}

TEST_F(StateFileTest, WhatANewerHostWroteIsLeftAlone) {
  make_state();
  execute("PRAGMA user_version = 3");
  const std::string before = content_of(file);
  EXPECT_EQ(problem(file),
            "state.path: " + file +
                ": written by a newer host (format 3, this one reads 2); start that one, or name "
                "another file");
  EXPECT_EQ(content_of(file), before);
  EXPECT_THAT(aside(), IsEmpty());
}

TEST_F(StateFileTest, AnotherProgramsDatabaseIsLeftAlone) {
  execute("CREATE TABLE market (ticker TEXT)");
  const std::string before = content_of(file);
  EXPECT_EQ(problem(file),
            "state.path: " + file +
                ": a database of another program; it is left alone; name another file");
  EXPECT_EQ(content_of(file), before);
  EXPECT_THAT(aside(), IsEmpty());
}

TEST_F(StateFileTest, TheKeyOfItsEpochsLivesAsLongAsTheFile) {
  const SipKey key = key_of(file);
  EXPECT_EQ(key_of(file), key);
  EXPECT_NE(key_of(directory.file("another.db")), key);
  write("garbage that is longer than a header of a database would be" + std::string(500, 'x'));
  EXPECT_NE(key_of(file), key);
}

TEST_F(StateFileTest, AFileFromBeforeThatKeyGetsOneAndKeepsWhatItHas) {
  make_state();
  execute("DROP TABLE epoch_key");
  const SipKey key = key_of(file);
  EXPECT_NE(key, SipKey{});
  EXPECT_EQ(key_of(file), key);
  EXPECT_THAT(RunningStore(file).seqs("a"), SizeIs(40));
  EXPECT_THAT(aside(), IsEmpty());
}

/// A process of its own that commits one message and dies without a word.
void commit_and_die(const SqliteStore::Options& options, std::uint64_t seq) {
  const pid_t child = ::fork();
  if (child == 0) {
    RunningStore store(options);
    if (!store.commit(message_of(topic_of("a"), seq))) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

class OldStateTest : public StateFileTest {
 protected:
  OldStateTest() { commit(1); }
  void commit(std::uint64_t seq) const {
    EXPECT_TRUE(RunningStore(file).commit(message_of(topic_of("a"), seq)));
  }
  /// Numbers, messages and positions go on, in another epoch, which is told; the next start is as
  /// any other.
  void expect_new_epoch(const std::string& why) const {
    const test::CapturedLog log;
    const SipKey key_before = key_;
    std::string epoch;
    {
      RunningStore store(file);
      epoch = store.topic("a").epoch;
      EXPECT_NE(epoch, "e1");
      EXPECT_THAT(store.seqs("a"), ElementsAre(1));
      EXPECT_NE(store->epoch_key(), key_before) << "of topics without a message";
    }
    EXPECT_EQ(log.count_of("error state: " + file + " is older than what clients were given (" +
                           why + "): every topic begins a new epoch"),
              1);
    EXPECT_EQ(RunningStore(file).topic("a").epoch, epoch);
    EXPECT_EQ(log.count_of("is older than"), 1);
    EXPECT_THAT(aside(), IsEmpty());
  }
  const SipKey key_ = key_of(file);
};

TEST_F(OldStateTest, ABackupWrittenOverTheFileBeginsNewEpochs) {
  const std::string backup = content_of(file);
  commit(2);
  commit(3);
  write(backup);
  expect_new_epoch("missing commits: 2");
}

TEST_F(OldStateTest, ACopyPutInPlaceOfTheFileBeginsNewEpochs) {
  std::filesystem::copy_file(file, file + ".copy");
  std::filesystem::rename(file + ".copy", file);
  expect_new_epoch("another file was here, so this is a copy");
}

TEST_F(OldStateTest, ACommitOfNothingIsNone) {
  const auto before = read_commit_counter(file);
  {
    StateFile state(file, Synchronous::kFull, {});
    state.commit({});
  }
  ASSERT_TRUE(before);
  EXPECT_EQ(read_commit_counter(file).value_or(CommitCount{}).commits, before->commits);
  EXPECT_EQ(RunningStore(file).topic("a").epoch, "e1");
}

TEST_F(OldStateTest, AFileWithoutItsCounterBeginsNewEpochs) {
  for (const char* text : {"", "garbage"}) {
    std::ofstream(file + ".commits", std::ios::trunc) << text;
    EXPECT_EQ(read_commit_counter(file), std::nullopt);
  }
  expect_new_epoch("its commit counter is missing");
}

TEST_F(OldStateTest, AWalThatIsCutAfterACrashBeginsNewEpochs) {
  commit_and_die({.path = file}, 2);
  std::filesystem::resize_file(file + "-wal", std::filesystem::file_size(file + "-wal") - 1);
  expect_new_epoch("missing commits: 1");
}

TEST_F(OldStateTest, AWalThatIsGoneAfterACrashBeginsNewEpochs) {
  commit_and_die({.path = file}, 2);
  commit_and_die({.path = file}, 3);
  std::filesystem::remove(file + "-wal");
  expect_new_epoch("missing commits: 2");
}

TEST_F(OldStateTest, ACounterThatLagsBehindAsAfterAPowerFailureIsNone) {
  const std::string before = content_of(file + ".commits");
  commit_and_die({.path = file}, 2);
  std::ofstream(file + ".commits", std::ios::binary) << before;
  RunningStore store(file);
  EXPECT_EQ(store.topic("a").epoch, "e1");
  EXPECT_THAT(store.seqs("a"), ElementsAre(1, 2));
}

TEST_F(OldStateTest, AFileThatIsMadeAnewBesideAnOldCounterIsNew) {
  std::filesystem::remove(file);
  const test::CapturedLog log;
  EXPECT_THAT(RunningStore(file).topics(), IsEmpty());
  EXPECT_EQ(log.text(), "");
}

TEST_F(StateFileTest, ACrashOfTheHostLosesNothingWhateverIsSynchronous) {
  std::uint64_t seq = 0;
  for (const Synchronous synchronous :
       {Synchronous::kFull, Synchronous::kNormal, Synchronous::kOff}) {
    ++seq;
    commit_and_die({.path = file, .synchronous = synchronous}, seq);
    EXPECT_THAT(RunningStore(file).seqs("a"), SizeIs(seq));
  }
}

TEST_F(StateFileTest, APowerFailureWithoutFullSyncsBeginsAnew) {
  commit_and_die({.path = file, .synchronous = Synchronous::kNormal}, 1);
  execute("UPDATE unclean SET boot = 'of another life'");
  expect_moved_aside(content_of(file), "the machine went down while");
}

TEST_F(StateFileTest, APowerFailureAfterAnOrderlyEndOrWithFullSyncsIsNone) {
  for (const Synchronous synchronous : {Synchronous::kFull, Synchronous::kNormal}) {
    { RunningStore store(SqliteStore::Options{.path = file, .synchronous = synchronous}); }
    execute("UPDATE unclean SET boot = 'of another life'");
    EXPECT_EQ(problem(file), "no problem");
    EXPECT_THAT(aside(), IsEmpty());
  }
}

}  // namespace
}  // namespace broadcast
