// A host that is killed while it commits: whatever it promised is there, in order, without a gap.

#include <array>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store/store_play.hpp"

namespace broadcast {
namespace {

constexpr std::array<const char*, 2> kTopics = {"a", "b"};
constexpr std::uint64_t kAtOnce = 64;  // waiting for a commit, of each topic

struct Promise {
  std::uint64_t topic;
  std::uint64_t seq;
};

/// In the child: appends to both topics until it is killed, and writes down each promise.
[[noreturn]] void append_for_ever(const std::string& file, int promises) {
  RunningStore store(
      SqliteStore::Options{.path = file, .history = {.messages = 1'000'000, .bytes = 1 << 30}});
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < kTopics.size(); ++i) {
    std::uint64_t last = 0;
    for (const StoredTopic& known : store.topics())
      last = known.name == kTopics[i] ? known.seq : last;
    threads.emplace_back([&store, promises, i, first = last + 1] {
      const TopicPtr topic = topic_of(kTopics[i]);
      std::atomic<std::uint64_t> promised = first - 1;
      for (std::uint64_t seq = first;; ++seq) {
        while (seq - promised.load() > kAtOnce) std::this_thread::yield();
        const std::uint64_t ticket = store->try_append(message_of(topic, seq, 200));
        if (ticket == 0) ::_exit(2);
        store->when_committed(ticket, [&promised, promises, i, seq](CommitOutcome outcome) {
          const Promise promise{i, seq};
          if (outcome != CommitOutcome::kCommitted ||
              ::write(promises, &promise, sizeof promise) != sizeof promise) {
            ::_exit(3);
          }
          promised = seq;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ::_exit(4);
}

/// A child that appends, killed after `count` promises; returns the last promise of each topic.
std::array<std::uint64_t, 2> killed_after(const std::string& file, std::size_t count) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) append_for_ever(file, pipe[1]);
  ::close(pipe[1]);
  std::array<std::uint64_t, 2> promised{};
  Promise promise{};
  for (std::size_t i = 0; ::read(pipe[0], &promise, sizeof promise) == sizeof promise; ++i) {
    promised.at(promise.topic) = promise.seq;
    if (i == count) ::kill(child, SIGKILL);  // what is in the pipe was promised, too
  }
  ::close(pipe[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "child ended with " << status;
  return promised;
}

void expect_kept(const std::string& file, const std::array<std::uint64_t, 2>& promised) {
  RunningStore store(
      SqliteStore::Options{.path = file, .history = {.messages = 1'000'000, .bytes = 1 << 30}});
  for (std::size_t i = 0; i < kTopics.size(); ++i) {
    if (promised.at(i) == 0) continue;
    const StoredTopic& topic = store.topic(kTopics.at(i));
    EXPECT_GE(topic.seq, promised.at(i));
    EXPECT_EQ(topic.epoch, "e1");
    ASSERT_EQ(topic.messages.size(), topic.seq);
    for (std::uint64_t seq = 1; seq <= topic.seq; ++seq) {
      const StoredMessage& message = topic.messages[seq - 1];
      ASSERT_EQ(message.seq, seq);
      ASSERT_NE(message.text.find("\"seq\":" + std::to_string(seq) + ","), std::string::npos);
    }
  }
}

std::size_t number_of(const char* variable, std::size_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoul(text);
}

// More: BROADCAST_KILLS=200. The same again: BROADCAST_SEED.
TEST(StoreKillTest, WhateverWasPromisedOutlivesAKillAtAnyMoment) {
  const auto seed = static_cast<unsigned>(number_of("BROADCAST_SEED", std::random_device{}()));
  std::cout << "seed " << seed << '\n';
  std::mt19937 random(seed);
  const Directory directory;
  for (std::size_t i = 0; i < number_of("BROADCAST_KILLS", 20); ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", kill " + std::to_string(i));
    const auto promised = killed_after(directory.file("state.db"), random() % 400);
    ASSERT_NO_FATAL_FAILURE(expect_kept(directory.file("state.db"), promised));
  }
  EXPECT_TRUE(directory.files("state.db.unreadable").empty());
}

}  // namespace
}  // namespace broadcast
