#pragma once
// What the loader's tests share: the test plugins' files, a hub whose messages a test can wait for,
// and a deadline for every wait.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/hub/topic_hub.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/loader/plugin_refused.hpp"
#include "host/loader/plugin_runner.hpp"

namespace broadcast::test {

/// Long enough for a loaded machine under a sanitizer; reached only when a test fails.
inline constexpr std::chrono::seconds kPatience(30);

/// Made before any thread, as the host does: TSan cannot see that libspdlog guards it.
inline const auto kLogger = spdlog::default_logger();

inline std::filesystem::path plugin_path(const std::string& name) {
  return std::filesystem::path(TEST_PLUGIN_DIRECTORY) / (name + ".so");
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The text that `action` is refused with; "not refused" if it is not.
template <class F>
std::string refusal_of(F&& action) {
  try {
    std::forward<F>(action)();
  } catch (const PluginRefused& refused) {
    return refused.what();
  }
  return "not refused";
}

inline std::shared_ptr<const PluginFile> read_plugin(const std::string& name) {
  return PluginFile::read(plugin_path(name), Broadcasters::offer("1.3.2"));
}

/// How often something of broadcaster `name` is mapped.
inline std::size_t mappings_of(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("bc:" + name + "#") != std::string::npos) ++count;
  }
  return count;
}

/// A hub with one shard's inbox that a test listens on. [any]
class ListeningHub {
 public:
  ListeningHub() : inbox_([this] { wake(); }), hub_(options(), counters_) {
    shard_ = hub_.add_shard(inbox_);
  }

  TopicHub& hub() { return hub_; }
  PluginStates& states() { return states_; }
  PluginRunner::Surroundings surroundings() { return {.hub = hub_, .states = &states_}; }

  TopicPtr subscribe(std::string_view topic) {
    auto result = hub_.audience().join(topic, shard_);
    return result.joined ? result.joined->topic : nullptr;
  }
  void unsubscribe(const TopicPtr& topic) { hub_.audience().leave(topic, shard_, mono_now()); }
  /// status:{name} exists from the first report on.
  void subscribe_status(const std::string& name) {
    hub_.statuses().report(name, BroadcasterState::kDisabled, "before the test");
    subscribe("status:" + name);
  }

  /// Waits until a message with all of `parts` came that no earlier wait has taken; false: none did
  /// in time.
  [[nodiscard]] bool wait_for(const std::vector<std::string>& parts) {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, kPatience, [&] {
      take();
      for (auto text = texts_.begin(); text != texts_.end(); ++text) {
        if (!contains_all(*text, parts)) continue;
        texts_.erase(text);
        return true;
      }
      return false;
    });
  }
  /// Whether one is among what has come by now.
  [[nodiscard]] bool came(const std::vector<std::string>& parts) {
    const std::lock_guard lock(mutex_);
    take();
    return std::ranges::any_of(texts_,
                               [&](const std::string& text) { return contains_all(text, parts); });
  }
  /// An event that the probe told of.
  [[nodiscard]] bool wait_for_event(const std::string& event) {
    return wait_for({"\"event\":\"" + event + "\""});
  }

 private:
  static TopicHub::Options options() {
    TopicHub::Options options;
    options.demand_linger = std::chrono::nanoseconds(0);
    return options;
  }
  static bool contains_all(const std::string& text, const std::vector<std::string>& parts) {
    for (const std::string& part : parts) {
      if (text.find(part) == std::string::npos) return false;
    }
    return true;
  }
  void wake() {
    const std::lock_guard lock(mutex_);
    came_.notify_all();
  }
  void take() {
    std::vector<MessagePtr> messages;
    inbox_.take(messages);
    for (const MessagePtr& message : messages) texts_.emplace_back(message->payload());
  }

  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::string> texts_;
  Counters counters_;
  Inbox inbox_;
  TopicHub hub_;
  PluginStates states_;
  std::size_t shard_ = 0;
};

/// What CARELESS_HOLD names, for careless_load_slow and careless_load_held.
class Hold {
 public:
  Hold() {
    ::mkfifo(path_.c_str(), 0600);
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);  // so that nobody waits for a writer
    ::setenv("CARELESS_HOLD", path_.c_str(), 1);
  }
  ~Hold() {
    ::unsetenv("CARELESS_HOLD");
    ::close(descriptor_);
    ::unlink(path_.c_str());
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  /// One that waits for it, or will.
  void let_go() const { ASSERT_EQ(::write(descriptor_, "x", 1), 1); }

 private:
  const std::string path_ = testing::TempDir() + "hold-" + std::to_string(::getpid());
  int descriptor_ = -1;
};

/// Posts a message and waits for the verdict.
inline std::future<Verdict> post(TopicOwner& owner, const std::string& payload,
                                 const std::string& topic = "probe:log") {
  auto promise = std::make_shared<std::promise<Verdict>>();
  owner.post_message({.topic = topic, .source = "test", .payload = payload},
                     [promise](Verdict verdict) { promise->set_value(std::move(verdict)); });
  return promise->get_future();
}
inline Verdict verdict_of(std::future<Verdict> future) {
  if (future.wait_for(kPatience) == std::future_status::ready) return future.get();
  return {.outcome = Verdict::Outcome::kUnavailable, .text = "no verdict in time", .last = {}};
}
inline Verdict ask(TopicOwner& owner, const std::string& payload) {
  return verdict_of(post(owner, payload));
}

}  // namespace broadcast::test
