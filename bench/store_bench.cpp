// Group commit: how long a commit takes with 1, 100 and 1,000 messages of 300 bytes in it, and what
// that is a message. The file lies in the directory BENCH_DIRECTORY, or in the current one: what is
// measured is its disk.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <span>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "host/base/clock.hpp"
#include "host/store/sqlite_store.hpp"

namespace broadcast {
namespace {

constexpr std::size_t kMessageBytes = 300;

class Directory {
 public:
  Directory() {
    const char* parent = std::getenv("BENCH_DIRECTORY");
    path_ = std::string(parent == nullptr ? "." : parent) + "/store_bench_XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  [[nodiscard]] std::string file() const { return path_ + "/state.db"; }

 private:
  std::string path_;
};

class QuietListener final : public CommitListener {
 public:
  void on_committed(std::span<const PendingMessage>) override {}
  void on_lost(std::span<const PendingMessage>) override { std::abort(); }
  void recall(StoredTopic&) override {}
};

TopicPtr bench_topic() {
  return TopicPtr(new Topic{.id = 1,
                            .name = "bench",
                            .head = "{\"topic\":\"bench\",\"seq\":",
                            .epochs = {.kept = "epoch", .passing = "epoch"},
                            .delivery = Delivery::kAll,
                            .owner = nullptr,
                            .evictable = false});
}

PendingMessage next_message(const TopicPtr& topic, std::uint64_t seq) {
  const std::size_t around = Message::publication_bytes(seq, topic->head, "{\"p\":\"\"}");
  const std::string payload = "{\"p\":\"" + std::string(kMessageBytes - around, 'x') + "\"}";
  return {.topic = topic,
          .message = Message::publication(topic->id, Delivery::kAll, seq, topic->head, payload),
          .published_ns = wall_now_ns(),
          .position = {}};
}

bool is_committed(SqliteStore& store, std::uint64_t ticket) {
  std::promise<CommitOutcome> verdict;
  store.when_committed(ticket, [&](CommitOutcome outcome) { verdict.set_value(outcome); });
  return verdict.get_future().get() == CommitOutcome::kCommitted;
}

/// What one transaction costs, by number of messages: the file alone, without queue and thread.
void BM_Commit(benchmark::State& state, Synchronous synchronous) {
  const Directory directory;
  StateFile file(directory.file(), synchronous, {});
  const TopicPtr topic = bench_topic();
  const auto count = static_cast<std::size_t>(state.range(0));
  std::uint64_t seq = 0;
  for (auto _ : state) {
    state.PauseTiming();
    StateBatch batch;
    while (batch.messages.size() < count) batch.messages.push_back(next_message(topic, ++seq));
    state.ResumeTiming();
    file.commit(batch);
    file.checkpoint_if_due();
  }
  state.counters["per_message"] = benchmark::Counter(
      static_cast<double>(seq), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// From the first append to the verdict of the last: queue, thread and as many commits as it takes.
void BM_AppendAndWait(benchmark::State& state) {
  const Directory directory;
  Counters counters;
  QuietListener listener;
  SqliteStore store({.path = directory.file()}, counters);
  store.start(listener);
  const TopicPtr topic = bench_topic();
  std::uint64_t seq = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<PendingMessage> messages;
    while (messages.size() < static_cast<std::size_t>(state.range(0))) {
      messages.push_back(next_message(topic, ++seq));
    }
    state.ResumeTiming();
    std::uint64_t ticket = 0;
    for (PendingMessage& message : messages) ticket = store.try_append(std::move(message));
    if (!is_committed(store, ticket)) state.SkipWithError("a commit failed");
  }
  state.counters["per_message"] = benchmark::Counter(
      static_cast<double>(seq), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["commits"] =
      benchmark::Counter(static_cast<double>(counters.get(Counter::kStoreCommits)),
                         benchmark::Counter::kAvgIterations);
}

BENCHMARK_CAPTURE(BM_Commit, full, Synchronous::kFull)->Arg(1)->Arg(100)->Arg(1'000)->UseRealTime();
BENCHMARK_CAPTURE(BM_Commit, off, Synchronous::kOff)->Arg(1)->Arg(100)->Arg(1'000)->UseRealTime();
BENCHMARK(BM_AppendAndWait)->Arg(1)->Arg(100)->Arg(1'000)->UseRealTime();

}  // namespace
}  // namespace broadcast

BENCHMARK_MAIN();
