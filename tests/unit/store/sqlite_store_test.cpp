#include "host/store/sqlite_store.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/unit/base/captured_log.hpp"
#include "tests/unit/store/store_play.hpp"

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SqliteStoreTest : public testing::Test {
 protected:
  [[nodiscard]] SqliteStore::Options options(const HistoryBounds& history = {}) const {
    return {.path = file, .history = history};
  }
  /// Commits `count` messages of `bytes` bytes of topic a, and says which are there afterwards.
  std::vector<std::uint64_t> kept(const HistoryBounds& history, std::uint64_t count,
                                  std::size_t bytes = 0) {
    {
      RunningStore store(options(history));
      for (std::uint64_t seq = 1; seq <= count; ++seq) {
        EXPECT_TRUE(store.commit(message_of(a, seq, bytes)));
      }
    }
    return RunningStore(file).seqs("a");
  }

  Directory directory;
  const std::string file = directory.file("state.db");
  const TopicPtr a = topic_of("a");
  const TopicPtr b = topic_of("b");
};

TEST_F(SqliteStoreTest, WhatIsCommittedIsThereAfterARestart) {
  const PendingMessage first = message_of(a, 1, 5, wall_now_ns());
  {
    RunningStore store(file);
    EXPECT_THAT(store.topics(), IsEmpty());
    EXPECT_TRUE(store.commit(first));
    EXPECT_TRUE(store.commit(message_of(a, 2)));
  }
  RunningStore again(file);
  const StoredTopic& topic = again.topic("a");
  EXPECT_EQ(topic.epoch, "e1");
  EXPECT_EQ(topic.delivery, Delivery::kAll);
  EXPECT_EQ(topic.seq, 2U);
  EXPECT_THAT(again.seqs("a"), ElementsAre(1, 2));
  EXPECT_EQ(topic.messages[0].text, first.message->payload());
  EXPECT_EQ(topic.messages[0].published_ns, first.published_ns);
}

TEST_F(SqliteStoreTest, ATopicGoesOnWhereItWas) {
  for (std::uint64_t seq = 1; seq <= 3; ++seq) {
    RunningStore store(file);
    EXPECT_TRUE(store.commit(message_of(topic_of("a"), seq)));
  }
  EXPECT_THAT(RunningStore(file).seqs("a"), ElementsAre(1, 2, 3));
}

TEST_F(SqliteStoreTest, KeepsNoMoreMessagesThanAskedFor) {
  EXPECT_THAT(kept({.messages = 3}, 10), ElementsAre(8, 9, 10));
}

TEST_F(SqliteStoreTest, KeepsNoMoreBytesThanAskedFor) {
  EXPECT_THAT(kept({.bytes = 2'500}, 5, 1'000), ElementsAre(4, 5));
  EXPECT_EQ(RunningStore(file).topic("a").seq, 5U);
}

TEST_F(SqliteStoreTest, AMessageLargerThanTheHistoryLeavesItsNumberOnly) {
  EXPECT_THAT(kept({.bytes = 2'500}, 2, 3'000), IsEmpty());
  EXPECT_EQ(RunningStore(file).topic("a").seq, 2U);
}

TEST_F(SqliteStoreTest, WithoutHistoryNumbersAreKeptAllTheSame) {
  EXPECT_THAT(kept({.messages = 0}, 3), IsEmpty());
  EXPECT_EQ(RunningStore(file).topic("a").seq, 3U);
}

TEST_F(SqliteStoreTest, WhatIsOlderThanAskedForGoesWithTheNextMessageAndAtTheStart) {
  const std::int64_t now = wall_now_ns();
  const std::int64_t hour = std::chrono::nanoseconds(1h).count();
  {
    RunningStore store(options({.age = 2h}));
    EXPECT_TRUE(store.commit(message_of(a, 1, 0, now - 4 * hour)));
    EXPECT_TRUE(store.commit(message_of(a, 2, 0, now - hour)));
    EXPECT_TRUE(store.commit(message_of(a, 3, 0, now)));
    EXPECT_TRUE(store.commit(message_of(b, 1, 0, now - 3 * hour)));
  }
  EXPECT_THAT(RunningStore(options({.age = 5h})).seqs("a"), ElementsAre(2, 3));
  EXPECT_THAT(RunningStore(options({.age = 2h})).seqs("b"), IsEmpty());
  EXPECT_EQ(RunningStore(file).topic("b").seq, 1U);
}

TEST_F(SqliteStoreTest, ALowerBoundHoldsFromTheStart) {
  EXPECT_THAT(kept({.messages = 10}, 5), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(RunningStore(options({.messages = 2})).seqs("a"), ElementsAre(4, 5));
  EXPECT_THAT(RunningStore(options({.messages = 10})).seqs("a"), ElementsAre(4, 5));
}

TEST_F(SqliteStoreTest, ANewEpochForgetsTheOldOne) {
  const TopicPtr later = topic_of("a", Delivery::kAll, "e2");
  {
    RunningStore store(file);
    for (std::uint64_t seq = 1; seq <= 3; ++seq) EXPECT_TRUE(store.commit(message_of(a, seq)));
    EXPECT_TRUE(store.commit(message_of(later, 1)));
  }
  RunningStore again(file);
  EXPECT_EQ(again.topic("a").epoch, "e2");
  EXPECT_THAT(again.seqs("a"), ElementsAre(1));
}

TEST_F(SqliteStoreTest, AHistoryIsWholeOrNone) {
  {
    RunningStore store(file);
    for (const std::uint64_t seq : {1U, 2U, 5U, 6U}) EXPECT_TRUE(store.commit(message_of(a, seq)));
  }
  EXPECT_THAT(RunningStore(file).seqs("a"), ElementsAre(5, 6));
}

TEST_F(SqliteStoreTest, WhatHasGatheredIsOneCommitAndKeepsItsOrder) {
  RunningStore store(file);
  store.listener().hold();
  EXPECT_NE(store->try_append(message_of(a, 1)), 0U);
  store.listener().wait_until_held();
  for (std::uint64_t seq = 2; seq <= 4; ++seq) {
    EXPECT_NE(store->try_append(message_of(a, seq)), 0U);
    EXPECT_NE(store->try_append(message_of(b, seq - 1)), 0U);
  }
  store.listener().release();
  store->stop();
  EXPECT_THAT(store.listener().committed(), ElementsAre("a1", "a2", "b1", "a3", "b2", "a4", "b3"));
  EXPECT_EQ(store.count(Counter::kStoreCommits), 2U);
  EXPECT_EQ(store.count(Counter::kStoreCommitted), 7U);
}

TEST_F(SqliteStoreTest, TheListenerIsToldBeforeThoseWhoWait) {
  RunningStore store(file);
  store.listener().hold();
  const std::uint64_t ticket = store->try_append(message_of(a, 1));
  std::future<CommitOutcome> verdict = store.verdict_of(ticket);
  store.listener().wait_until_held();
  EXPECT_EQ(verdict.wait_for(0s), std::future_status::timeout);
  store.listener().release();
  ASSERT_EQ(verdict.wait_for(kDeadline), std::future_status::ready);
  EXPECT_EQ(verdict.get(), CommitOutcome::kCommitted);
  EXPECT_THAT(store.listener().committed(), ElementsAre("a1"));
}

TEST_F(SqliteStoreTest, AVerdictThatIsPastIsToldAtOnce) {
  RunningStore store(file);
  EXPECT_TRUE(store.commit(message_of(a, 1)));
  std::thread::id told_on;
  store->when_committed(1, [&](CommitOutcome outcome) {
    EXPECT_EQ(outcome, CommitOutcome::kCommitted);
    told_on = std::this_thread::get_id();
  });
  EXPECT_EQ(told_on, std::this_thread::get_id());
  store->when_committed(0, [](CommitOutcome outcome) { EXPECT_EQ(outcome, CommitOutcome::kLost); });
}

TEST_F(SqliteStoreTest, StopCommitsWhatWaits) {
  const TopicPtr price = topic_of("price", Delivery::kLatest);
  {
    RunningStore store(file);
    store.listener().hold();
    EXPECT_NE(store->try_append(message_of(a, 1)), 0U);
    store.listener().wait_until_held();
    EXPECT_NE(store->try_append(message_of(a, 2)), 0U);
    store->post_latest({message_of(price, 7)});
    store.listener().release();
    store->stop();
    EXPECT_THAT(store.listener().committed(), ElementsAre("a1", "a2"));
    EXPECT_EQ(store->try_append(message_of(a, 3)), 0U);
    EXPECT_EQ(store.count(Counter::kStoreUnavailable), 1U);
  }
  RunningStore again(file);
  EXPECT_THAT(again.seqs("a"), ElementsAre(1, 2));
  EXPECT_THAT(again.seqs("price"), ElementsAre(7));
}

TEST_F(SqliteStoreTest, AFullQueueRefusesByMessagesAndByBytes) {
  SqliteStore::Options small = options();
  small.queue_messages = 3;
  small.queue_bytes = 2'500;
  RunningStore store(small);
  store.listener().hold();
  EXPECT_NE(store->try_append(message_of(a, 1)), 0U);
  store.listener().wait_until_held();
  EXPECT_NE(store->try_append(message_of(a, 2, 3'000)), 0U) << "alone, it has room";
  EXPECT_EQ(store->try_append(message_of(a, 3)), 0U);
  store.listener().release();
  EXPECT_TRUE(store.committed(2));
  store.listener().hold();
  EXPECT_NE(store->try_append(message_of(a, 3)), 0U);
  store.listener().wait_until_held();
  for (std::uint64_t seq = 4; seq <= 6; ++seq) EXPECT_NE(store->try_append(message_of(a, seq)), 0U);
  EXPECT_EQ(store->try_append(message_of(a, 7)), 0U);
  EXPECT_EQ(store.count(Counter::kStoreFull), 2U);
  store.listener().release();
}

TEST_F(SqliteStoreTest, OfATopicOnlyTheNewestValueIsKept) {
  const TopicPtr price = topic_of("price", Delivery::kLatest);
  {
    RunningStore store(file);
    store->post_latest({message_of(price, 3), message_of(price, 9), message_of(price, 5)});
    store->stop();
    EXPECT_EQ(store.count(Counter::kStoreCommits), 1U);
    EXPECT_EQ(store.count(Counter::kStoreCommitted), 0U);
  }
  RunningStore again(file);
  EXPECT_THAT(again.seqs("price"), ElementsAre(9));
  EXPECT_EQ(again.topic("price").delivery, Delivery::kLatest);
}

TEST_F(SqliteStoreTest, OfAForgottenTopicTheNumberIsKeptAndNoMessage) {
  {
    RunningStore store(file);
    EXPECT_TRUE(store.commit(message_of(a, 1)));
    store->post_forgotten(a->name);
    store->post_forgotten("nobody:knows");
    store->stop();
  }
  {
    RunningStore again(file);
    EXPECT_THAT(again.seqs(a->name), IsEmpty());
    EXPECT_EQ(again.topic(a->name).seq, 1U);
    EXPECT_EQ(again.topic(a->name).epoch, a->epoch()) << "it is no older state";
    EXPECT_TRUE(again.commit(message_of(a, 2)));
  }
  RunningStore last(file);
  EXPECT_THAT(last.seqs(a->name), ElementsAre(2));
}

TEST_F(SqliteStoreTest, AValueThatComesLateDoesNotReplaceANewerOne) {
  const TopicPtr price = topic_of("price", Delivery::kLatest);
  {
    RunningStore store(file);
    store->post_latest({message_of(price, 9)});
    EXPECT_TRUE(store.commit(message_of(a, 1)));
    store->post_latest({message_of(price, 5)});
  }
  EXPECT_THAT(RunningStore(file).seqs("price"), ElementsAre(9));
}

TEST_F(SqliteStoreTest, LastValuesComeWithTheNextCommitOrCauseOneInTime) {
  const TopicPtr price = topic_of("price", Delivery::kLatest);
  SqliteStore::Options soon = options();
  soon.latest_every = 10ms;
  RunningStore store(soon);
  store->post_latest({message_of(price, 1)});
  const MonoTime deadline = mono_now() + kDeadline;
  while (store.count(Counter::kStoreCommits) == 0 && mono_now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(store.count(Counter::kStoreCommits), 1U);
}

TEST_F(SqliteStoreTest, LastValuesRideWithMessages) {
  const TopicPtr price = topic_of("price", Delivery::kLatest);
  SqliteStore::Options late = options();
  late.latest_every = 1h;
  RunningStore store(late);
  store->post_latest({message_of(price, 1)});
  EXPECT_TRUE(store.commit(message_of(a, 1)));
  store->stop();
  EXPECT_EQ(store.count(Counter::kStoreCommits), 1U);
}

TEST_F(SqliteStoreTest, PositionsAreKeptWithTheirMessagesAndAlone) {
  {
    RunningStore store(file);
    EXPECT_EQ(store->position_of("s"), std::nullopt);
    EXPECT_TRUE(store.commit(message_of(a, 1, {"s", "5-0"})));
    EXPECT_TRUE(store.commit(message_of(a, 2, {"s", "6-0"})));
    EXPECT_TRUE(store->try_keep_position({"t", "1-1"}));
    EXPECT_TRUE(store.committed(store->try_keep_position({"t", "1-2"})));
    store->stop();
    EXPECT_FALSE(store->try_keep_position({"t", "1-3"}));
  }
  RunningStore again(file);
  EXPECT_EQ(again->position_of("s"), "6-0");
  EXPECT_EQ(again->position_of("t"), "1-2");
}

class StateFileInUseTest : public SqliteStoreTest {
 protected:
  StateFileInUseTest() {
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
      EXPECT_TRUE(RunningStore(file).commit(message_of(a, seq)));
    }
  }
  /// It is noticed before the next commit, told, and nothing is lost: not what is in the file, nor
  /// what comes.
  void expect_healed_after(const std::function<void()>& damage, const std::string& why) {
    const test::CapturedLog log;
    SipKey key{};
    {
      RunningStore store(file);
      key = store->epoch_key();
      EXPECT_TRUE(store.commit(message_of(a, 4, {"s", "4-0"})));
      damage();
      EXPECT_TRUE(store.commit_again(message_of(a, 5)));
      EXPECT_EQ(store.count(Counter::kStoreRewrites), 1U);
      EXPECT_TRUE(store.commit(message_of(a, 6)));
    }
    RunningStore again(file);
    EXPECT_EQ(again.topic("a").epoch, "e1");
    EXPECT_THAT(again.seqs("a"), ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_EQ(again->position_of("s"), "4-0");
    EXPECT_EQ(again->epoch_key(), key);
    EXPECT_THAT(log.text(),
                HasSubstr("error state: " + file + " could no longer be trusted (" + why + ")"));
    EXPECT_EQ(log.count_of("older"), 0);
  }
};

TEST_F(StateFileInUseTest, ThatIsRemovedIsWrittenAnew) {
  expect_healed_after([&] { std::filesystem::remove(file); }, "it was removed");
}

TEST_F(StateFileInUseTest, ThatIsCutIsWrittenAnew) {
  expect_healed_after([&] { std::filesystem::resize_file(file, 5'000); }, "it was truncated");
}

TEST_F(StateFileInUseTest, WhoseWalIsRemovedIsWrittenAnew) {
  expect_healed_after([&] { std::filesystem::remove(file + "-wal"); },
                      "its WAL was removed or truncated");
}

TEST_F(StateFileInUseTest, WhosePlaceAnotherTakesIsWrittenAnew) {
  expect_healed_after(
      [&] {
        std::ofstream(file + ".other") << "garbage";
        std::filesystem::rename(file + ".other", file);
      },
      "another file has taken its place");
}

TEST_F(StateFileInUseTest, ThatIsRemovedIsWrittenAnewThoughNothingIsPublished) {
  RunningStore store(file);
  std::filesystem::remove(file);
  const MonoTime deadline = mono_now() + kDeadline;
  while (store.count(Counter::kStoreRewrites) == 0 && mono_now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(store.count(Counter::kStoreRewrites), 1U);
}

/// While it lives, no file of this process grows beyond `bytes`: the disk is full.
class FullDisk {
 public:
  explicit FullDisk(std::size_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  const sighandler_t handler_ = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before_{};
};

class SqliteStoreOnAFullDiskTest : public SqliteStoreTest {
 protected:
  [[nodiscard]] std::size_t wal_bytes() const { return std::filesystem::file_size(file + "-wal"); }
};

TEST_F(SqliteStoreOnAFullDiskTest, EverythingQueuedIsLostTogetherAndThenItGoesOn) {
  test::CapturedLog log;
  {
    RunningStore store(file);
    EXPECT_TRUE(store.commit(message_of(a, 1)));
    store.listener().hold();
    EXPECT_NE(store->try_append(message_of(a, 2)), 0U);
    store.listener().wait_until_held();
    const std::uint64_t third = store->try_append(message_of(a, 3));
    const std::uint64_t fourth = store->try_append(message_of(b, 1));
    std::future<CommitOutcome> verdict = store.verdict_of(fourth);
    {
      const FullDisk full(wal_bytes());
      store.listener().release();
      EXPECT_FALSE(store.committed(third));
      EXPECT_EQ(verdict.get(), CommitOutcome::kLost);
    }
    EXPECT_THAT(store.listener().lost(), ElementsAre("a3", "b1"));
    EXPECT_TRUE(store.commit_again(message_of(a, 3)));
    EXPECT_TRUE(store.committed(2)) << "before the loss";
    EXPECT_FALSE(store.committed(third)) << "asked late";
    EXPECT_THAT(store.listener().committed(), ElementsAre("a1", "a2", "a3"));
    EXPECT_EQ(store.count(Counter::kStoreLost), 2U);
    EXPECT_GE(store.count(Counter::kStoreFailed), 1U);
  }
  EXPECT_THAT(RunningStore(file).seqs("a"), ElementsAre(1, 2, 3));
  EXPECT_EQ(
      log.count_of("cannot be written (disk I/O error, SQLite's code 778); messages that were "
                   "not published: 2; publishing"),
      1);
  EXPECT_EQ(log.count_of("can be written again; failed tries: 1"), 1);
}

TEST_F(SqliteStoreOnAFullDiskTest, AsLongAsItIsFullMessagesAreRefusedAndTheFirstLineIsTheOnlyOne) {
  test::CapturedLog log;
  {
    RunningStore store(file);
    EXPECT_TRUE(store.commit(message_of(a, 1)));
    {
      const FullDisk full(wal_bytes());
      store.listener().hold();
      EXPECT_NE(store->try_append(message_of(a, 2)), 0U);
      store.listener().wait_until_held();
      EXPECT_EQ(store->try_append(message_of(a, 2)), 0U);
      EXPECT_FALSE(store->try_keep_position({"s", "1"}));
      store.listener().release();
      EXPECT_FALSE(store.commit_again(message_of(a, 2)));
      EXPECT_GE(store.count(Counter::kStoreFailed), 2U);
      EXPECT_GE(store.count(Counter::kStoreUnavailable), 2U);
    }
    EXPECT_TRUE(store.commit_again(message_of(a, 2)));
  }
  EXPECT_EQ(log.count_of("cannot be written ("), 1);
}

TEST_F(SqliteStoreOnAFullDiskTest, LastValuesAndPluginStatesOutliveAFailedCommitAndPositionsDoNot) {
  const TopicPtr price = topic_of("price", Delivery::kLatest);
  {
    RunningStore store(file);
    EXPECT_TRUE(store.commit(message_of(a, 1, {"s", "1"})));
    {
      const FullDisk full(wal_bytes());
      store->post_latest({message_of(price, 4)});
      store.keep("price", "kept");
      EXPECT_FALSE(store.commit(message_of(a, 2, {"s", "2"})));
    }
    EXPECT_TRUE(store.commit_again(message_of(a, 2)));
  }
  RunningStore again(file);
  EXPECT_THAT(again.seqs("price"), ElementsAre(4));
  EXPECT_EQ(again.kept("price"), "kept");
  EXPECT_EQ(again->position_of("s"), "1");
}

TEST_F(SqliteStoreOnAFullDiskTest, StoppingOnAFullDiskEnds) {
  RunningStore store(file);
  EXPECT_TRUE(store.commit(message_of(a, 1)));
  const FullDisk full(wal_bytes());
  store->post_latest({message_of(topic_of("price", Delivery::kLatest), 4)});
  store->stop();
  EXPECT_EQ(store.count(Counter::kStoreCommits), 1U);
  EXPECT_GE(store.count(Counter::kStoreFailed), 1U);
}

TEST_F(SqliteStoreOnAFullDiskTest, AWalThatCannotBeMovedIsToldOnceAndLosesNothing) {
  test::CapturedLog log;
  const HistoryBounds history{.messages = 1'000, .bytes = 1 << 30};
  std::uint64_t seq = 0;
  {
    RunningStore store(options(history));
    {
      // The file reaches it while its WAL, begun anew, still has room.
      const FullDisk full(6 << 20);
      while (seq < 1'000 && store.commit(message_of(a, seq + 1, 64 * 1024))) ++seq;
    }
    EXPECT_TRUE(store.commit_again(message_of(a, seq + 1)));
  }
  EXPECT_EQ(log.count_of("cannot be checkpointed ("), 1);
  EXPECT_THAT(RunningStore(options(history)).seqs("a"), testing::SizeIs(seq + 1));
}

TEST_F(SqliteStoreTest, TheWalDoesNotGrowForEver) {
  RunningStore store(file);
  for (std::uint64_t seq = 1; seq <= 300; ++seq) {
    EXPECT_TRUE(store.commit(message_of(a, seq, 64 * 1024)));  // 20 MiB in all
  }
  EXPECT_LT(std::filesystem::file_size(file + "-wal"), 8U << 20);
}

}  // namespace
}  // namespace broadcast
