// The hub's [any] entries at once, for TSan: publishers on every topic, two shards that drain while
// their sessions come and go, and the control thread that looks on.

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "asked_topics.hpp"
#include "host/hub/producer_gate.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/hub/topic_index.hpp"
#include "silent_writer.hpp"

namespace broadcast {
namespace {

constexpr std::array<std::string_view, 4> kTopics = {"latest:a", "all:a", "latest:b", "all:b"};
constexpr std::uint64_t kPerPublisher = 4000;
constexpr std::size_t kReadersPerShard = 8;

class QuietOwner final : public TopicOwner {
 public:
  [[nodiscard]] std::string_view owner_name() const override { return "quiet"; }
  void post_message(ProducerMessage, std::function<void(Verdict)>) override {}
  void post_demand(std::string_view, std::int64_t subscribers) override {
    told_.fetch_add(subscribers, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> told_{0};
};

/// Checks, of each topic, that the numbers follow the one it subscribed at. Lives on its shard.
class Reader {
 public:
  Reader(TopicIndex& index, Counters& counters, TouchedList& touched)
      : index_(index), outbox_(limits_, counters, touched, writer_), wants_(outbox_) {}
  ~Reader() { index_.unsubscribe_all(wants_, MonoTime{}); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Leaves the topic, or comes back to where it has been in it.
  void toggle(std::string_view topic) {
    read();
    const std::string name(topic);
    if (const auto left = reached_.extract(name)) {
      ASSERT_TRUE(index_.unsubscribe(wants_, topic_named(topic), MonoTime{}));
      since_[name].seq = left.mapped();
      return;
    }
    const auto answer = index_.subscribe(wants_, topic_named(topic), {.since = &since_});
    ASSERT_FALSE(answer.error);
    const TopicIndex::View& view = answer.views.at(0);
    const bool recovered = view.recovered && since_[name].seq > 0;
    reached_[name] = recovered ? since_[name].seq : view.seq;
    since_[name].epoch = view.epoch;
    recovered_ += view.missed.size();
    if (recovered) index_.send(wants_, view, MonoTime{});
  }

  /// Asks again for what it has, from somewhere before.
  void ask_again(std::string_view topic) {
    read();
    const std::string name(topic);
    const auto had = reached_.find(name);
    if (had == reached_.end()) return;
    since_[name].seq = had->second - std::min<std::uint64_t>(had->second, 5);
    const auto answer =
        index_.subscribe(wants_, topic_named(topic),
                         {.since = &since_, .last_values = TopicIndex::LastValues::kOfAll});
    ASSERT_FALSE(answer.error);
    const TopicIndex::View& view = answer.views.at(0);
    if (topic.starts_with("all:")) {
      ASSERT_EQ(view.seq, had->second) << "what it has been given";
    }
    recovered_ += view.missed.size();
    if (view.recovered) had->second = since_[name].seq;
    if (view.snapshot) had->second = view.snapshot->seq() - 1;
    index_.send(wants_, view, MonoTime{});
    read();
    ASSERT_GE(had->second, view.seq) << "up to the number of the answer, at once";
  }

  /// Everything under `prefix`, also what is made later; or no longer.
  void toggle_under(std::string_view prefix) {
    read();
    if (index_.unsubscribe_under(wants_, all_under(prefix), MonoTime{}) > 0) {
      reached_.clear();
      follows_new_ = false;
      return;
    }
    const auto answer = index_.subscribe_under(wants_, all_under(prefix), {});
    ASSERT_FALSE(answer.error);
    for (const TopicIndex::View& view : answer.views) reached_[view.topic] = view.seq;
    follows_new_ = true;
  }

  void read() {
    std::array<std::string_view, 64> pieces;
    while (const std::size_t count = outbox_.gather(pieces)) {
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < count; ++i) {
        check(pieces[i]);
        bytes += pieces[i].size();
      }
      outbox_.consume(bytes);
    }
    ASSERT_FALSE(outbox_.closing()) << "too slow for its own shard";
  }

  [[nodiscard]] const std::map<std::string, std::uint64_t>& reached() const { return reached_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }
  [[nodiscard]] std::uint64_t recovered() const { return recovered_; }

 private:
  void check(std::string_view frame) {
    const std::string_view text = frame.substr(2);  // the texts are short
    const std::size_t name = text.find("\"topic\":\"") + 9;
    const std::string topic(text.substr(name, text.find('"', name) - name));
    std::uint64_t seq = 0;
    const char* digits = text.data() + text.find("\"seq\":") + 6;
    std::from_chars(digits, text.data() + text.size(), seq);
    if (text.find(R"("reason":"new")") != std::string_view::npos) {
      ASSERT_TRUE(follows_new_);
      ASSERT_TRUE(reached_.emplace(topic, seq).second) << topic << " is told once";
      return;
    }
    const auto found = reached_.find(topic);
    ASSERT_NE(found, reached_.end()) << topic << " was not subscribed";
    ASSERT_GT(seq, found->second) << topic;
    if (topic.starts_with("all:")) {
      ASSERT_EQ(seq, found->second + 1) << topic;
    }
    found->second = seq;
    ++received_;
  }

  TopicIndex& index_;
  Limits limits_;
  SilentWriter writer_;
  Outbox outbox_;
  Subscriptions wants_;
  std::map<std::string, std::uint64_t> reached_;
  SinceByTopic since_;  // where it was in what it left
  bool follows_new_ = false;
  std::uint64_t received_ = 0;
  std::uint64_t recovered_ = 0;
};

class StressShard {
 public:
  StressShard(TopicHub& hub, unsigned seed)
      : hub_(hub),
        inbox_([this] { wakes_.fetch_add(1); }),
        index_(hub.topics(), hub.audience(), hub.add_shard(inbox_)),
        random_(seed) {
    inbox_.set_bounds({.messages = 64, .bytes = 64 * 1024});  // so that it is full now and then
  }

  /// [shard] Until the publishers are done; then the rest, with what is subscribed by then.
  void run(const std::atomic<bool>& publishers_done) {
    add_readers();
    run_until(publishers_done, [this] {
      any_reader().toggle(kTopics[random_() % kTopics.size()]);
      any_reader().ask_again(kTopics[random_() % kTopics.size()]);
    });
  }

  /// The same with readers of everything under `prefix`; the first of them stays.
  void run_under(const std::atomic<bool>& publishers_done, std::string_view prefix) {
    add_readers();
    readers_.front()->toggle_under(prefix);
    run_until(publishers_done, [&] {
      Reader& reader = any_reader();
      if (&reader != readers_.front().get()) reader.toggle_under(prefix);
    });
  }

  [[nodiscard]] std::uint64_t received() const { return received_; }
  [[nodiscard]] std::uint64_t recovered() const { return recovered_; }

 private:
  void add_readers() {
    for (std::size_t i = 0; i < kReadersPerShard; ++i) {
      readers_.push_back(std::make_unique<Reader>(index_, counters_, touched_));
    }
  }
  template <class Step>
  void run_until(const std::atomic<bool>& publishers_done, Step step) {
    while (!publishers_done.load()) {
      step();
      if (wakes_.exchange(0) > 0) drain();
      std::this_thread::yield();
    }
    drain();
    check_the_end();
    readers_.clear();
  }
  void drain() {
    std::vector<MessagePtr> messages;
    inbox_.take(messages);
    for (std::span<const MessagePtr> rest = messages; !rest.empty();) {
      const std::size_t run = run_length(rest, 1 + random_() % 1024);
      index_.deliver(rest.first(run), MonoTime{});
      rest = rest.subspan(run);
    }
    for (const auto& reader : readers_) reader->read();
  }
  void check_the_end() {
    for (const auto& reader : readers_) {
      received_ += reader->received();
      recovered_ += reader->recovered();
      for (const auto& [topic, seq] : reader->reached()) {
        const Audience::JoinResult now = hub_.audience().join(topic, 0);
        EXPECT_EQ(seq, now.joined->seq) << topic << ": the newest message reached everybody";
        hub_.audience().leave(now.joined->topic, 0, MonoTime{});
      }
    }
  }
  Reader& any_reader() { return *readers_[random_() % readers_.size()]; }

  TopicHub& hub_;
  std::atomic<int> wakes_{0};
  Inbox inbox_;
  TopicIndex index_;
  std::mt19937 random_;
  Counters counters_;
  TouchedList touched_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::uint64_t received_ = 0;
  std::uint64_t recovered_ = 0;
};

class HubStressTest : public testing::Test {
 protected:
  HubStressTest() {
    const std::vector<TopicPattern> patterns = {{"latest:{x}", "", Delivery::kLatest},
                                                {"all:{x}", "", Delivery::kAll}};
    EXPECT_FALSE(hub_.topics().try_claim(owner_, "libquiet.so", patterns));
  }

  /// Every publisher uses every topic, so that they meet under each topic's lock.
  void publish_all(std::size_t first) {
    for (std::uint64_t i = 0; i < kPerPublisher; ++i) {
      const std::string_view topic = kTopics[(first + i) % kTopics.size()];
      while (hub_.publisher().publish(owner_, topic, R"({"type":"x"})").status ==
             PublishStatus::kBusy) {
        std::this_thread::yield();
      }
    }
  }
  void look_on() {
    MonoTime now{};
    while (!publishers_done_.load()) {
      hub_.on_tick(now += std::chrono::seconds(1), 0);
      static_cast<void>(hub_.audience().demand_of(owner_));
      static_cast<void>(hub_.audience().subscribers("all:a"));
      static_cast<void>(hub_.topics().owner_of("latest:zzz"));
      hub_.statuses().report("quiet", BroadcasterState::kOk,
                             std::to_string(now.time_since_epoch().count()));
    }
  }

  Counters counters_;
  QuietOwner owner_;
  TopicHub hub_{{.demand_linger = std::chrono::seconds(2)}, counters_};
  StressShard a_{hub_, 1};
  StressShard b_{hub_, 2};
  std::atomic<bool> publishers_done_{false};
};

TEST_F(HubStressTest, EverySubscriberSeesItsTopicsInOrderAndNothingIsLost) {
  std::thread shard_a([&] { a_.run(publishers_done_); });
  std::thread shard_b([&] { b_.run(publishers_done_); });
  std::thread control([&] { look_on(); });
  std::vector<std::thread> publishers;
  for (std::size_t i = 0; i < 3; ++i) publishers.emplace_back([this, i] { publish_all(i); });
  for (std::thread& publisher : publishers) publisher.join();
  publishers_done_ = true;
  for (std::thread* thread : {&shard_a, &shard_b, &control}) thread->join();
  for (const std::string_view topic : kTopics) {
    EXPECT_EQ(hub_.audience().join(topic, 0).joined->seq, 3 * kPerPublisher / kTopics.size())
        << topic;
  }
  EXPECT_GT(a_.received(), 0U);
  EXPECT_GT(b_.received(), 0U);
  EXPECT_GT(a_.recovered() + b_.recovered(), 0U);
}

TEST_F(HubStressTest, WhoSubscribesToAPatternMissesNothingOfTheTopicsMadeMeanwhile) {
  constexpr std::uint64_t kMade = 400;
  constexpr std::uint64_t kEach = 5;
  std::thread shard_a([&] { a_.run_under(publishers_done_, "all:"); });
  std::thread shard_b([&] { b_.run_under(publishers_done_, "all:"); });
  std::vector<std::thread> publishers;
  for (std::uint64_t publisher = 0; publisher < 2; ++publisher) {
    publishers.emplace_back([this, publisher] {
      for (std::uint64_t i = 0; i < kMade * kEach; ++i) {
        const std::string topic = "all:" + std::to_string(2 * (i / kEach) + publisher);
        while (hub_.publisher().publish(owner_, topic, R"({"type":"x"})").status ==
               PublishStatus::kBusy) {
          std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  publishers_done_ = true;
  for (std::thread* thread : {&shard_a, &shard_b}) thread->join();
  EXPECT_GT(a_.received(), 0U);
  EXPECT_GT(b_.received(), 0U);
  for (const TopicTable::View& topic : hub_.topics().list()) {
    if (topic.name.starts_with("all:")) {
      EXPECT_EQ(topic.subscribers, 0U) << topic.name;
    }
  }
}

/// A topic that somebody asked for by its name first, so that the pattern is no demand for it: it
/// is given up at the very moment when it is published on again.
TEST(HubGiveUpStressTest, WhatIsPublishedOnATopicThatIsBeingGivenUpReachesThoseByAPattern) {
  constexpr int kRounds = 1000;
  Counters counters;
  QuietOwner owner;
  TopicHub hub({.limits = {.topics = 1}, .demand_linger = std::chrono::nanoseconds(0)}, counters);
  Inbox inbox([] {});
  TopicIndex index(hub.topics(), hub.audience(), hub.add_shard(inbox));
  TouchedList touched;
  SilentWriter writer;
  const Limits limits;
  Outbox outbox(limits, counters, touched, writer);
  Subscriptions watcher(outbox);
  const auto read = [&] {
    std::vector<MessagePtr> messages;
    inbox.take(messages);
    for (const MessagePtr& message : messages) index.deliver(message, MonoTime{});
    std::string text;
    std::array<std::string_view, 8> pieces;
    while (const std::size_t count = outbox.gather(pieces)) {
      const std::size_t before = text.size();
      for (std::size_t i = 0; i < count; ++i) text += pieces[i];
      outbox.consume(text.size() - before);
    }
    return text;
  };
  ASSERT_FALSE(
      hub.topics().try_claim(owner, "libquiet.so", {{"latest:{x}", "", Delivery::kLatest}}));
  ASSERT_FALSE(index.subscribe_under(watcher, all_under("latest:"), {}).error);
  std::atomic<int> begun = 0;
  std::atomic<int> ticked = 0;
  std::thread control([&] {
    for (int i = 1; i <= kRounds; ++i) {
      while (begun.load() < i) std::this_thread::yield();
      hub.on_tick(MonoTime{}, 0);
      ticked = i;
    }
  });
  std::mt19937 random(1);
  for (int i = 1; i <= kRounds; ++i) {
    const std::string topic = "latest:" + std::to_string(i);
    const Audience::JoinResult joined = hub.audience().join(topic, 0);
    EXPECT_TRUE(joined.joined) << topic;
    EXPECT_EQ(hub.publisher().publish(owner, topic, R"({"type":"x"})").seq, 1U);
    if (joined.joined) hub.audience().leave(joined.joined->topic, 0, MonoTime{});
    static_cast<void>(read());
    begun = i;
    for (unsigned spins = random() % 256; spins > 0; --spins) static_cast<void>(ticked.load());
    EXPECT_EQ(hub.publisher().publish(owner, topic, R"({"type":"x"})").seq, 2U);
    while (ticked.load() < i) std::this_thread::yield();
    EXPECT_NE(read().find("\"" + topic + R"(","seq":2,"type":"x")"), std::string::npos) << topic;
    index.unsubscribe_under(watcher, all_under("latest:"), MonoTime{});
    hub.on_tick(MonoTime{}, 0);  // it was published on since the last one
    hub.on_tick(MonoTime{}, 0);
    static_cast<void>(read());
    static_cast<void>(index.subscribe_under(watcher, all_under("latest:"), {}));
  }
  control.join();
  index.unsubscribe_all(watcher, MonoTime{});
}

class AcceptingOwner final : public TopicOwner {
 public:
  [[nodiscard]] std::string_view owner_name() const override { return "accepting"; }
  void post_message(ProducerMessage, std::function<void(Verdict)> done) override {
    done({.outcome = Verdict::Outcome::kAccepted, .text = {}, .last = {}});
  }
  void post_demand(std::string_view, std::int64_t) override {}
};

TEST(ProducerGateStressTest, WhatDoorsPostWhileOwnersComeAndGoIsCountedOnce) {
  constexpr std::uint64_t kEach = 2000;
  constexpr std::uint64_t kDoors = 3;
  Counters counters;
  AcceptingOwner owner;
  TopicHub hub({}, counters);
  ProducerGate gate(hub.topics(), counters);
  std::atomic<std::uint64_t> told{0};
  std::atomic<std::uint64_t> turned_away{0};
  std::vector<std::thread> doors;
  for (std::uint64_t i = 0; i < kDoors; ++i) {
    doors.emplace_back([&] {
      for (std::uint64_t n = 0; n < kEach; ++n) {
        const auto refused = gate.try_post({.source = "door", .takes = {}}, "all:a", "{}",
                                           [&](const Verdict&) { ++told; });
        if (refused) ++turned_away;
      }
    });
  }
  while (told + turned_away < kDoors * kEach) {
    EXPECT_FALSE(
        hub.topics().try_claim(owner, "libaccepting.so", {{"all:{x}", "", Delivery::kAll}}));
    EXPECT_FALSE(hub.topics().try_claim(owner, "libaccepting.so", {}));
  }
  for (std::thread& door : doors) door.join();
  EXPECT_EQ(counters.get(Counter::kProducerAccepted), told);
  EXPECT_EQ(counters.get(Counter::kProducerRefused), turned_away);
}

/// Of a pattern that is claimed as `latest` while clients of its topics come and go: each of them
/// knows the epoch of what it gets.
TEST(HubClaimStressTest, WhoeverListensKnowsTheEpochOfWhatItGets) {
  constexpr int kTopicsMade = 200;
  Counters counters;
  QuietOwner owner;
  TopicHub hub({.accept_unknown = true}, counters);
  Inbox inbox([] {});
  TopicIndex index(hub.topics(), hub.audience(), hub.add_shard(inbox));
  std::atomic<int> made{0};
  std::thread claims([&] {
    std::vector<TopicPattern> patterns;
    for (int i = 0; i < kTopicsMade; ++i) {
      while (made.load() < i) std::this_thread::yield();
      const std::string name = "late:" + std::to_string(i);
      patterns.emplace_back(name, "", Delivery::kLatest);
      EXPECT_FALSE(hub.topics().try_claim(owner, "libquiet.so", patterns));
      EXPECT_EQ(hub.publisher().publish(owner, name, R"({"type":"x"})").status, PublishStatus::kOk);
    }
  });
  Limits limits;
  TouchedList touched;
  SilentWriter writer;
  Outbox outbox(limits, counters, touched, writer);
  Subscriptions wants(outbox);
  std::map<std::string, std::string> told;
  std::vector<MessagePtr> messages;
  const auto drain = [&] {
    inbox.take(messages);
    for (const MessagePtr& message : messages) index.deliver(message, MonoTime{});
    messages.clear();
    std::array<std::string_view, 1> piece;
    while (outbox.gather(piece) > 0) {
      const std::string_view text = piece[0].substr(2);
      const std::size_t name = text.find("\"topic\":\"") + 9;
      const std::string topic(text.substr(name, text.find('"', name) - name));
      if (const std::size_t at = text.find("\"epoch\":\""); at != std::string_view::npos) {
        told[topic] = text.substr(at + 9, 8);
      } else {
        const Joined now = hub.audience().join(topic, 0).joined.value();
        EXPECT_EQ(told[topic], now.epoch) << topic;
        hub.audience().leave(now.topic, 0, MonoTime{});
      }
      outbox.consume(piece[0].size());
    }
  };
  for (int i = 0; i < kTopicsMade; ++i) {
    const std::string name = "late:" + std::to_string(i);
    const auto answer = index.subscribe(wants, topic_named(name), {});
    ASSERT_FALSE(answer.error);
    told[name] = answer.views.at(0).epoch;
    index.send(wants, answer.views.at(0), MonoTime{});
    ++made;
    drain();
  }
  claims.join();
  drain();
  EXPECT_EQ(told.size(), static_cast<std::size_t>(kTopicsMade));
  index.unsubscribe_all(wants, MonoTime{});
}

TEST(HubClaimStressTest, ATopicIsClaimedWhileClientsComeAndGo) {
  constexpr std::uint64_t kMessages = 2000;
  Counters counters;
  QuietOwner owner;
  TopicHub hub({.accept_unknown = true}, counters);
  Inbox inbox([] {});
  static_cast<void>(hub.add_shard(inbox));
  const Audience::JoinResult before = hub.audience().join("late:a", 0);
  std::atomic<bool> is_claimed{false};
  std::atomic<bool> is_done{false};
  std::thread shard([&] {
    std::vector<MessagePtr> messages;
    while (!is_done.load()) {
      const bool was_claimed = is_claimed.load();
      const Audience::JoinResult again = hub.audience().join("late:a", 0);
      ASSERT_TRUE(again.joined);
      EXPECT_TRUE(!was_claimed || again.joined->topic->delivery == Delivery::kAll);
      hub.audience().leave(again.joined->topic, 0, MonoTime{});
      hub.on_tick(MonoTime{}, 0);
      inbox.take(messages);
      messages.clear();
    }
  });
  EXPECT_EQ(hub.publisher().publish(owner, "late:a", R"({"type":"x"})").status,
            PublishStatus::kDenied);
  EXPECT_FALSE(hub.topics().try_claim(owner, "libquiet.so", {{"late:{x}", "", Delivery::kAll}}));
  is_claimed = true;
  for (std::uint64_t seq = 1; seq <= kMessages;) {
    const Published published = hub.publisher().publish(owner, "late:a", R"({"type":"x"})");
    if (published.status == PublishStatus::kBusy) continue;
    EXPECT_EQ(published.seq, seq++);
  }
  is_done = true;
  shard.join();
  EXPECT_EQ(hub.audience().demand_of(owner).size(), 1U);
  EXPECT_EQ(before.joined->topic->owner.load(), &owner);
}

}  // namespace
}  // namespace broadcast
