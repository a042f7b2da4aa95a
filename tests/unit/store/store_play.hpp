#pragma once
// What the store's tests are told with: files in a directory of their own, topics and messages as
// the hub makes them, and a listener that remembers what it was told and can be held up.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "host/base/clock.hpp"
#include "host/base/counters.hpp"
#include "host/store/sqlite_store.hpp"

namespace broadcast {

using namespace std::chrono_literals;

inline constexpr auto kDeadline = 20s;

class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::path(testing::TempDir()) / "store_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
  /// Whose name begins so.
  [[nodiscard]] std::vector<std::string> files(const std::string& beginning) const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().filename().string().starts_with(beginning)) found.push_back(entry.path());
    }
    return found;
  }

 private:
  std::filesystem::path path_;
};

inline std::string content_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// As another program would.
inline void execute_in(const std::string& file, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
}

inline TopicPtr topic_of(const std::string& name, Delivery delivery = Delivery::kAll,
                         const std::string& epoch = "e1") {
  static std::atomic<std::uint64_t> last_id = 0;
  return TopicPtr(new Topic{.id = ++last_id,
                            .name = name,
                            .head = "{\"topic\":\"" + name + "\",\"seq\":",
                            .epochs = {.kept = epoch, .passing = epoch},
                            .delivery = delivery,
                            .owner = nullptr,
                            .evictable = false});
}

inline PendingMessage message_of(const TopicPtr& topic, std::uint64_t seq, std::size_t bytes = 0,
                                 std::int64_t published_ns = wall_now_ns()) {
  const std::string payload = "{\"type\":\"x\",\"fill\":\"" + std::string(bytes, 'x') + "\"}";
  return {.topic = topic,
          .message = Message::publication(topic->id, topic->delivery, seq, topic->head, payload),
          .published_ns = published_ns,
          .position = {}};
}

inline PendingMessage message_of(const TopicPtr& topic, std::uint64_t seq,
                                 StreamPosition position) {
  PendingMessage message = message_of(topic, seq);
  message.position = std::move(position);
  return message;
}

class FakeListener final : public CommitListener {
 public:
  void on_committed(std::span<const PendingMessage> messages) override {
    take(messages, committed_);
    const std::lock_guard lock(mutex_);
    for (const PendingMessage& one : messages) {
      memory_[one.topic->name].push_back({.seq = one.message->seq(),
                                          .published_ns = one.published_ns,
                                          .text = std::string(one.message->payload())});
    }
  }
  void on_lost(std::span<const PendingMessage> messages) override { take(messages, lost_); }
  void recall(StoredTopic& topic) override {
    const std::lock_guard lock(mutex_);
    topic.messages = memory_[topic.name];
  }
  /// What recall() adds to what was committed.
  void remember(const std::vector<StoredTopic>& topics) {
    for (const StoredTopic& topic : topics) memory_[topic.name] = topic.messages;
  }

  /// From now on the store's thread stays in here.
  void hold() { set_hold(true); }
  void release() { set_hold(false); }
  void wait_until_held() {
    std::unique_lock lock(mutex_);
    const bool was_held = changed_.wait_for(lock, kDeadline, [this] { return hold_ && is_held_; });
    if (!was_held) throw std::runtime_error("nothing was committed or lost");
  }

  /// "a1": number 1 of topic a.
  [[nodiscard]] std::vector<std::string> committed() const { return copy_of(committed_); }
  [[nodiscard]] std::vector<std::string> lost() const { return copy_of(lost_); }

 private:
  using Names = std::vector<std::string>;

  void take(std::span<const PendingMessage> messages, Names& names) {
    std::unique_lock lock(mutex_);
    is_held_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !hold_; });
    is_held_ = false;
    for (const PendingMessage& one : messages) names.push_back(name_of(one));
  }
  static std::string name_of(const PendingMessage& one) {
    return one.topic->name + std::to_string(one.message->seq());
  }
  [[nodiscard]] Names copy_of(const Names& names) const {
    const std::lock_guard lock(mutex_);
    return names;
  }
  void set_hold(bool hold) {
    const std::lock_guard lock(mutex_);
    hold_ = hold;
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool hold_ = false;
  bool is_held_ = false;
  Names committed_;
  Names lost_;
  std::map<std::string, std::vector<StoredMessage>> memory_;
};

/// A store on `file` that runs as long as this lives.
class RunningStore {
 public:
  explicit RunningStore(SqliteStore::Options options) : store_(std::move(options), counters_) {
    topics_ = store_.load();
    kept_ = store_.plugin_states();
    listener_.remember(topics_);
    store_.start(listener_);
  }
  explicit RunningStore(const std::string& file)
      : RunningStore(SqliteStore::Options{.path = file}) {}

  SqliteStore* operator->() { return &store_; }
  [[nodiscard]] FakeListener& listener() { return listener_; }
  [[nodiscard]] std::uint64_t count(Counter counter) const { return counters_.get(counter); }

  std::future<CommitOutcome> verdict_of(std::uint64_t ticket) {
    auto promise = std::make_shared<std::promise<CommitOutcome>>();
    store_.when_committed(ticket,
                          [promise](CommitOutcome outcome) { promise->set_value(outcome); });
    return promise->get_future();
  }
  /// Appends and waits: is it committed?
  bool commit(PendingMessage message) {
    const std::uint64_t ticket = store_.try_append(std::move(message));
    return ticket != 0 && committed(ticket);
  }
  /// Appends until the store takes it again, and waits.
  bool commit_again(const PendingMessage& message) {
    const MonoTime deadline = mono_now() + kDeadline;
    std::uint64_t ticket = 0;
    while (ticket == 0 && mono_now() < deadline) {
      ticket = store_.try_append(message);
      if (ticket == 0) std::this_thread::yield();
    }
    return ticket != 0 && committed(ticket);
  }
  bool committed(std::uint64_t ticket) { return outcome_of(ticket) == CommitOutcome::kCommitted; }
  CommitOutcome outcome_of(std::uint64_t ticket) {
    std::future<CommitOutcome> verdict = verdict_of(ticket);
    if (verdict.wait_for(kDeadline) != std::future_status::ready) {
      throw std::runtime_error("no verdict");
    }
    return verdict.get();
  }
  /// As it was when the store was opened.
  [[nodiscard]] const StoredTopic& topic(std::string_view name) const {
    for (const StoredTopic& one : topics_) {
      if (one.name == name) return one;
    }
    throw std::runtime_error("no topic " + std::string(name));
  }
  [[nodiscard]] const std::vector<StoredTopic>& topics() const { return topics_; }
  /// What a broadcaster had kept; "": nothing.
  [[nodiscard]] std::string kept(const std::string& broadcaster) const {
    const auto found = kept_.find(broadcaster);
    return found == kept_.end() ? "" : *found->second;
  }
  void keep(const std::string& broadcaster, std::string state) {
    store_.post_plugin_state(broadcaster, std::make_shared<const std::string>(std::move(state)));
  }
  /// The numbers of its messages.
  [[nodiscard]] std::vector<std::uint64_t> seqs(std::string_view name) const {
    std::vector<std::uint64_t> all;
    for (const StoredMessage& one : topic(name).messages) all.push_back(one.seq);
    return all;
  }

 private:
  Counters counters_;
  FakeListener listener_;
  SqliteStore store_;
  std::vector<StoredTopic> topics_;
  PluginStateMap kept_;
};

}  // namespace broadcast
