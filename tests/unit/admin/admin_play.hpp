#pragma once
// A topic's owner whose verdicts the test gives: at once, or when it likes.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "host/admin/operator_view.hpp"
#include "host/hub/producer_gate.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/hub/topic_owner.hpp"

namespace broadcast {

class FakeOwner final : public TopicOwner {
 public:
  struct Waiting {
    ProducerMessage message;
    std::function<void(Verdict)> done;
  };

  [[nodiscard]] std::string_view owner_name() const override { return "fake"; }
  void post_demand(std::string_view, std::int64_t) override {}
  void post_message(ProducerMessage message, std::function<void(Verdict)> done) override {
    if (const std::optional<Verdict> verdict = at_once()) return done(*verdict);
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(message), std::move(done)});
    arrived_.notify_one();
  }

  /// From now on every message is answered with this, before post_message() returns.
  void answer_at_once(Verdict verdict) {
    const std::lock_guard lock(mutex_);
    at_once_ = std::move(verdict);
  }
  /// The next message that came in. Throws if none comes within ten seconds.
  [[nodiscard]] Waiting next() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return !waiting_.empty(); })) {
      throw std::runtime_error("no message reached the owner");
    }
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
  }
  [[nodiscard]] bool has_none() {
    const std::lock_guard lock(mutex_);
    return waiting_.empty();
  }

 private:
  [[nodiscard]] std::optional<Verdict> at_once() {
    const std::lock_guard lock(mutex_);
    return at_once_;
  }

  std::mutex mutex_;
  std::optional<Verdict> at_once_;
  std::condition_variable arrived_;
  std::deque<Waiting> waiting_;
};

inline Verdict accepted(std::size_t published, std::string topic = "", Published last = {}) {
  return {.outcome = Verdict::Outcome::kAccepted,
          .published = published,
          .topic = std::move(topic),
          .last = std::move(last)};
}

/// A hub where `owner` has signal:vcp and price:{ticker}.
struct OwnedTopics {
  OwnedTopics() {
    const std::vector<TopicPattern> patterns = {{"signal:vcp", "", Delivery::kAll},
                                                {"price:{ticker}", "", Delivery::kLatest}};
    if (hub.topics().try_claim(owner, "libfake.so", patterns)) std::abort();
  }
  Counters counters;
  FakeOwner owner;
  Inbox inbox{[] {}};
  TopicHub hub{{}, counters};
  ProducerGate gate{hub.topics(), counters};
  const std::size_t shard = hub.add_shard(inbox);  // before the first claim
};

/// What an operator may ask about: broadcasters as the test has them, and three clients.
class FakeHost final : public BroadcasterControl,
                       public ClientControl,
                       public ClientCensus,
                       public OperatorControl {
 public:
  explicit FakeHost(OwnedTopics& topics) : topics_(topics) {}

  std::vector<BroadcasterView> views;
  std::vector<std::string> asked;  ///< what operators changed
  Operation operation;             ///< what it comes to

  void reload(Done done) override {
    asked.emplace_back("reload");
    done(operation);
  }
  void act(std::string_view broadcaster, Action action, Done done) override {
    asked.push_back(std::string(broadcaster) + " " + std::to_string(static_cast<int>(action)));
    done(operation);
  }
  [[nodiscard]] HostView view() {
    return {.topics = topics_.hub.topics(),
            .statuses = topics_.hub.statuses(),
            .broadcasters = *this,
            .clients = *this,
            .census = *this,
            .operators = *this,
            .count = [this](Counter counter) { return topics_.counters.get(counter); },
            .shards = 2,
            .version = "1.2.3"};
  }
  /// One that runs, as its status says.
  BroadcasterView& add(const std::string& name, BroadcasterState state,
                       const std::string& detail = "") {
    topics_.hub.statuses().report(name, state, detail);
    return views.emplace_back(BroadcasterView{
        .name = name, .library = "lib" + name + ".so", .version = "1.0.0", .running = true});
  }

  [[nodiscard]] std::vector<BroadcasterView> broadcasters() const override { return views; }
  [[nodiscard]] std::size_t client_count() const override { return 3; }
  [[nodiscard]] bool try_send_all(std::string_view) override { return false; }
  [[nodiscard]] bool try_close_idle(std::chrono::nanoseconds, std::uint16_t,
                                    std::string_view) override {
    return false;
  }
  void ask_slowest(std::size_t most, std::function<void(std::vector<ClientView>)> done) override {
    std::vector<ClientView> slowest{{.address = "10.0.0.7:5000",
                                     .pending_bytes = 700,
                                     .pending_messages = 3,
                                     .held_bytes = 900,
                                     .oldest = std::chrono::milliseconds(40),
                                     .subscriptions = std::vector<std::string>(25, "price:*")}};
    slowest.resize(std::min(most, slowest.size()));
    done(std::move(slowest));
  }
  [[nodiscard]] std::size_t pending_bytes() const override { return 700; }
  [[nodiscard]] std::size_t held_bytes() const override { return 900; }
  [[nodiscard]] std::size_t memory_limit() const override { return 1200; }

 private:
  OwnedTopics& topics_;
};

}  // namespace broadcast
