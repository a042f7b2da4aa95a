// The store's [any] entries at once, for TSan: each thread numbers a topic of its own, waits for
// some of its messages, and leaves last values and positions.

#include <array>
#include <atomic>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/store/store_play.hpp"

namespace broadcast {
namespace {

constexpr std::size_t kThreads = 4;
constexpr std::uint64_t kPerThread = 500;

class OrderListener final : public CommitListener {
 public:
  void on_committed(std::span<const PendingMessage> messages) override {
    for (const PendingMessage& one : messages) {
      std::uint64_t& last = last_[one.topic->name];
      is_in_order_ = is_in_order_ && one.message->seq() == last + 1;
      last = one.message->seq();
    }
  }
  void on_lost(std::span<const PendingMessage>) override { is_in_order_ = false; }
  void recall(StoredTopic&) override { is_in_order_ = false; }
  [[nodiscard]] bool is_in_order() const { return is_in_order_; }

 private:
  std::map<std::string, std::uint64_t> last_;
  bool is_in_order_ = true;
};

void append_all(SqliteStore& store, const std::string& name, std::atomic<std::uint64_t>& promised) {
  const TopicPtr all = topic_of(name);
  const TopicPtr latest = topic_of("latest:" + name, Delivery::kLatest);
  for (std::uint64_t seq = 1; seq <= kPerThread; ++seq) {
    std::uint64_t ticket = 0;
    while (ticket == 0) {  // full: the others and the disk have their turn
      ticket = store.try_append(message_of(all, seq, {name, std::to_string(seq)}));
      if (ticket == 0) std::this_thread::yield();
    }
    store.when_committed(ticket, [&promised](CommitOutcome outcome) {
      promised += outcome == CommitOutcome::kCommitted ? 1U : 0U;
    });
    store.post_latest({message_of(latest, seq)});
    static_cast<void>(store.try_keep_position({"alone:" + name, std::to_string(seq)}));
    store.post_plugin_state(name, std::make_shared<const std::string>(std::to_string(seq)));
  }
}

TEST(StoreStressTest, ManyThreadsAppendAndNothingIsLostOrOutOfOrder) {
  const Directory directory;
  Counters counters;
  OrderListener listener;
  std::atomic<std::uint64_t> promised = 0;
  const SqliteStore::Options options{.path = directory.file("state.db"),
                                     .synchronous = Synchronous::kOff,
                                     .latest_every = 10ms,
                                     .history = {.messages = 100},
                                     .queue_messages = 64};
  SqliteStore store(options, counters);
  store.start(listener);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { append_all(store, std::to_string(i), promised); });
  }
  for (std::thread& thread : threads) thread.join();
  store.stop();
  EXPECT_TRUE(listener.is_in_order());
  EXPECT_EQ(promised, kThreads * kPerThread);
  EXPECT_EQ(counters.get(Counter::kStoreCommitted), kThreads * kPerThread);
  const PluginStateMap kept = store.plugin_states();
  for (std::size_t i = 0; i < kThreads; ++i) {
    EXPECT_EQ(*kept.at(std::to_string(i)), std::to_string(kPerThread));
  }
}

}  // namespace
}  // namespace broadcast
