// What broadcasters keep from one generation to the next, in the state file.

#include <array>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/store/store_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;

class PluginStateTest : public testing::Test {
 protected:
  [[nodiscard]] SqliteStore::Options every(std::chrono::nanoseconds latest_every) const {
    return {.path = file, .latest_every = latest_every};
  }
  void execute(const std::string& sql) const { execute_in(file, sql); }
  static bool wait_for_commit(RunningStore& store) {
    const MonoTime deadline = mono_now() + kDeadline;
    while (store.count(Counter::kStoreCommits) == 0 && mono_now() < deadline) {
      std::this_thread::yield();
    }
    return store.count(Counter::kStoreCommits) == 1;
  }

  const Directory directory;
  const std::string file = directory.file("state.db");
  const TopicPtr a = topic_of("a");
};

TEST_F(PluginStateTest, TheNewestOfEachBroadcasterIsThereAfterAnOrderlyEnd) {
  const std::string bytes("\0\xFF\"\n", 4);
  {
    RunningStore store(every(1h));
    EXPECT_EQ(store.kept("price"), "");
    for (const char* state : {"first", "second"}) store.keep("price", state);
    store.keep("vcp_signal", bytes);
    store->stop();
    EXPECT_EQ(store.count(Counter::kStoreCommits), 1U);
  }
  RunningStore again(file);
  EXPECT_EQ(again.kept("price"), "second");
  EXPECT_EQ(again.kept("vcp_signal"), bytes);
}

TEST_F(PluginStateTest, WhatIsForgottenIsGone) {
  { RunningStore(file).keep("price", "something"); }
  { RunningStore(file)->post_plugin_state("price", nullptr); }
  EXPECT_EQ(RunningStore(file).kept("price"), "");
}

TEST_F(PluginStateTest, ComesWithTheNextCommitOrCausesOneInTime) {
  {
    RunningStore soon(every(10ms));
    soon.keep("price", "x");
    EXPECT_TRUE(wait_for_commit(soon));
  }
  RunningStore late(every(1h));
  late.keep("price", "y");
  EXPECT_TRUE(late.commit(message_of(a, 1)));
  EXPECT_EQ(late.count(Counter::kStoreCommits), 1U);
}

TEST_F(PluginStateTest, IsInAFileThatIsWrittenAnew) {
  {
    RunningStore store(every(10ms));
    store.keep("price", "x");
    store.keep("vcp_signal", "forgotten");
    EXPECT_TRUE(wait_for_commit(store));
    store->post_plugin_state("vcp_signal", nullptr);
    EXPECT_TRUE(store.commit(message_of(a, 1)));
    std::filesystem::remove(file);
    EXPECT_TRUE(store.commit_again(message_of(a, 2)));
    EXPECT_EQ(store.count(Counter::kStoreRewrites), 1U);
  }
  RunningStore again(file);
  EXPECT_EQ(again.kept("price"), "x");
  EXPECT_EQ(again.kept("vcp_signal"), "");
}

TEST_F(PluginStateTest, AFileFromBeforeItIsRead) {
  { EXPECT_TRUE(RunningStore(file).commit(message_of(a, 1))); }
  execute("DROP TABLE plugin_states");
  {
    RunningStore store(file);
    EXPECT_THAT(store.seqs("a"), ElementsAre(1));
    store.keep("price", "x");
  }
  EXPECT_EQ(RunningStore(file).kept("price"), "x");
  EXPECT_EQ(RunningStore(file).topic("a").epoch, "e1");
  EXPECT_THAT(directory.files("state.db.unreadable-"), testing::IsEmpty());
}

TEST_F(PluginStateTest, IsNoCommitThatAHostFromBeforeItWouldMiss) {
  { EXPECT_TRUE(RunningStore(file).commit(message_of(a, 1))); }
  const auto before = read_commit_counter(file);
  { RunningStore(file).keep("price", "x"); }
  ASSERT_TRUE(before);
  EXPECT_EQ(read_commit_counter(file).value_or(CommitCount{}).commits, before->commits);
  EXPECT_EQ(RunningStore(file).topic("a").epoch, "e1");
}

TEST_F(PluginStateTest, OneThatTheDiskHasChangedCostsItsBroadcasterAlone) {
  {
    RunningStore store(file);
    store.keep("price", "x");
    store.keep("vcp_signal", "y");
    EXPECT_TRUE(store.commit(message_of(a, 1)));
  }
  execute("UPDATE plugin_states SET state = x'7B7D' WHERE broadcaster = 'price'");
  const test::CapturedLog log;
  for (int start = 0; start < 2; ++start) {
    RunningStore store(file);
    EXPECT_EQ(store.kept("price"), "");
    EXPECT_EQ(store.kept("vcp_signal"), "y");
    EXPECT_THAT(store.seqs("a"), ElementsAre(1));
  }
  EXPECT_EQ(log.count_of("error state: " + file + ": the kept state of price fails its checksum"),
            1);
}

/// In the child: keeps one after the other until it is killed, and says when some are written.
[[noreturn]] void keep_for_ever(const SqliteStore::Options& options, std::size_t bytes, int told) {
  RunningStore store(options);
  bool is_told = false;
  for (char fill = 'a';; fill = fill == 'z' ? 'a' : static_cast<char>(fill + 1)) {
    store.keep("price", std::string(bytes, fill));
    if (is_told || store.count(Counter::kStoreCommits) < 3) continue;
    is_told = ::write(told, "x", 1) == 1;
  }
}

TEST_F(PluginStateTest, AKillBetweenTwoLeavesOneOfThemWhole) {
  constexpr std::size_t kBytes = 1024 * 1024;
  for (int kill = 0; kill < 5; ++kill) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) keep_for_ever(every(10ms), kBytes, pipe[1]);
    ::close(pipe[1]);
    char byte = 0;
    EXPECT_EQ(::read(pipe[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    ::close(pipe[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    const std::string kept = RunningStore(file).kept("price");
    ASSERT_EQ(kept.size(), kBytes);
    EXPECT_EQ(kept, std::string(kBytes, kept.front()));
  }
  EXPECT_THAT(directory.files("state.db.unreadable-"), testing::IsEmpty());
}

}  // namespace
}  // namespace broadcast
