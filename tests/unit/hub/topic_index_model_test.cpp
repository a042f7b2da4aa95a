// TopicIndex and TopicHub against a model too simple to be wrong: thousands of random commands, by
// name and by pattern, with rates and `since`, publications and drains, after each of which both
// must agree.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "asked_topics.hpp"
#include "hub_play.hpp"

namespace broadcast {
namespace {

using Given = std::map<std::string, std::vector<std::uint64_t>>;  // by topic
using LastValues = TopicIndex::LastValues;

/// What one subscriber of a topic should know.
struct Expectation {
  std::uint64_t from = 0;     // messages up to this one are not for it
  std::uint64_t reached = 0;  // the newest it was given
  bool is_direct = false;
  std::chrono::nanoseconds own{};       // of the subscription by name
  std::chrono::nanoseconds interval{};  // of all that it has; 0: every message
  bool was_sent = false;
  std::optional<MonoTime> begun;         // of its slot; nothing: it is free
  std::optional<std::uint64_t> waiting;  // for its slot

  /// Up to which number everything was sent, but for what is superseded.
  [[nodiscard]] std::uint64_t told() const { return waiting ? *waiting - 1 : reached; }
  [[nodiscard]] bool is_free(MonoTime now) const { return !begun || *begun + interval <= now; }
};

bool is_latest(std::string_view topic) { return topic.starts_with("tick:"); }

/// One client, as the model and as the index see it.
struct Twins {
  explicit Twins(TestShard& where)
      : shard(where), outbox(limits, where.counters(), where.touched(), writer), real(outbox) {}

  Given read() {
    Given given;
    for (const std::string& text : texts_of(write_all(outbox))) {
      const Json json = Json::parse(text);
      given[json.at("topic").get<std::string>()].push_back(json.at("seq").get<std::uint64_t>());
    }
    return given;
  }
  [[nodiscard]] bool is_under_pattern(const std::string& topic) const {
    return std::ranges::any_of(
        patterns, [&](const auto& pattern) { return topic.starts_with(pattern.first); });
  }

  void send(const std::string& topic, std::uint64_t seq, MonoTime now) {
    Expectation& expectation = model.at(topic);
    expected[topic].push_back(seq);
    expectation.was_sent = true;
    expectation.begun = now;
    expectation.waiting.reset();
  }
  /// The fastest of what it has, from now on.
  void set_interval(const std::string& topic, std::chrono::nanoseconds own, MonoTime now) {
    if (!is_latest(topic)) return;
    Expectation& expectation = model.at(topic);
    const bool had_slot = expectation.own.count() > 0 || expectation.interval.count() > 0;
    expectation.own = own;
    const auto before = expectation.interval;
    expectation.interval = expectation.is_direct ? own : std::chrono::nanoseconds::max();
    for (const auto& [prefix, interval] : patterns) {
      if (topic.starts_with(prefix))
        expectation.interval = std::min(expectation.interval, interval);
    }
    if (!had_slot) expectation.begun = expectation.was_sent ? std::optional(now) : std::nullopt;
    if (expectation.waiting && expectation.interval != before && expectation.is_free(now))
      send(topic, *expectation.waiting, now);
  }
  void on_time(MonoTime now) {
    for (auto& [topic, expectation] : model) {
      if (!expectation.waiting || !expectation.is_free(now)) continue;
      const MonoTime due = *expectation.begun + expectation.interval;
      send(topic, *expectation.waiting, std::max(due, now - expectation.interval));
    }
  }
  /// A run of one topic.
  void deliver(const std::string& topic, const std::vector<std::uint64_t>& seqs, MonoTime now) {
    const auto found = model.find(topic);
    if (found == model.end() || seqs.back() <= found->second.from) return;
    Expectation& expectation = found->second;
    expectation.reached = seqs.back();
    if (expectation.interval.count() == 0) {
      for (const std::uint64_t seq : seqs) {
        if (seq > expectation.from) send(topic, seq, now);
      }
    } else if (!expectation.waiting && expectation.is_free(now)) {
      send(topic, seqs.back(), now);
    } else {
      expectation.waiting = seqs.back();
    }
  }

  TestShard& shard;
  Limits limits;
  SilentWriter writer;
  Outbox outbox;
  Subscriptions real;
  std::map<std::string, Expectation> model;
  std::map<std::string, std::chrono::nanoseconds> patterns;  // by prefix
  Given expected;
};

class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : random_(seed) {
    if (play_.hub.topics().try_claim(ticks_, "libtick.so",
                                     {{"tick:{name}", "", Delivery::kLatest}})) {
      std::abort();
    }
    for (int i = 0; i < 6; ++i) {
      topics_.push_back((i % 2 ? "tick:a:" : "tick:") + std::to_string(i));
      topics_.push_back("note:" + std::to_string(i));
    }
    for (const std::string& topic : topics_) {  // so that patterns stand for them from the start
      EXPECT_EQ(play_.publish(topic).seq, ++seqs_[topic]);
      const auto joined = play_.hub.audience().join(topic, 0).joined.value();
      epochs_[topic] = joined.epoch;
      play_.hub.audience().leave(joined.topic, 0, at(0s));
    }
    for (int i = 0; i < 10; ++i)
      twins_.push_back(std::make_unique<Twins>(i % 2 ? play_.a : play_.b));
  }
  ~ModelRun() {
    for (const auto& twins : twins_) twins->shard.index().unsubscribe_all(twins->real, now_);
  }
  ModelRun(const ModelRun&) = delete;
  ModelRun& operator=(const ModelRun&) = delete;

  void step() {
    now_ += std::chrono::milliseconds(below(400));
    switch (below(14)) {
      case 0:
      case 1:
      case 2:
        return subscribe(any_twins(), any_topic());
      case 3:
      case 4:
        return unsubscribe(any_twins(), any_topic());
      case 5:
        return drain(below(2) == 0 ? play_.a : play_.b);
      case 6:
        if (below(10) == 0) leave(any_twins());
        return;
      case 7:
        return subscribe_under(any_twins(), any_prefix());
      case 8:
        return unsubscribe_under(any_twins(), any_prefix());
      default:
        return publish(any_topic());
    }
  }

  void compare() {
    for (const auto& twins : twins_) {
      EXPECT_EQ(twins->read(), std::exchange(twins->expected, {}));
      std::map<std::string, std::uint64_t> listed;
      for (const TopicIndex::View& view : twins->shard.index().list(twins->real)) {
        listed.emplace(view.topic, view.seq);
      }
      std::map<std::string, std::uint64_t> wished;
      for (const auto& [topic, expectation] : twins->model) {
        if (expectation.is_direct) wished.emplace(topic, expectation.told());
      }
      EXPECT_EQ(listed, wished);
    }
    for (const std::string& topic : topics_) {
      EXPECT_EQ(play_.hub.audience().subscribers(topic), count(topic)) << topic;
    }
  }

 private:
  TopicIndex::SubscribeOptions any_options() {
    since_.clear();
    for (const std::string& topic : topics_) {
      if (below(4) == 0) since_[topic] = {epochs_[topic], below(seqs_[topic] + 2)};
    }
    return {.since = &since_,
            .interval = std::chrono::seconds(below(3)),
            .last_values = static_cast<LastValues>(below(3)),
            .now = now_};
  }
  /// What follows the answer, and the number in it; before, what the new rate lets go.
  std::uint64_t answer(Twins& twins, const std::string& topic,
                       const TopicIndex::SubscribeOptions& wanted,
                       std::optional<std::chrono::nanoseconds> own = {}) {
    const auto [entry, is_new] = twins.model.try_emplace(topic);
    Expectation& expectation = entry->second;
    const bool takes_newest = is_latest(topic) && wanted.last_values != LastValues::kOfNone;
    if (is_new || takes_newest) {
      expectation.from = expectation.reached = seqs_[topic];
      expectation.waiting.reset();
    }
    if (own) expectation.is_direct = true;
    twins.set_interval(topic, own.value_or(expectation.own), now_);
    const std::uint64_t seq = expectation.told();
    const auto since = since_.find(topic);
    const bool is_asked = since != since_.end();
    if (!is_latest(topic) && is_asked && since->second.seq <= seqs_[topic]) {
      for (std::uint64_t i = since->second.seq; i < seq; ++i) following_[topic].push_back(i + 1);
    } else if (seq > 0 && (wanted.last_values == LastValues::kOfAll ||
                           (wanted.last_values == LastValues::kOfNew &&
                            (is_new || is_latest(topic) || is_asked)))) {
      following_[topic].push_back(seq);
    }
    return seq;
  }
  void follow(Twins& twins) {
    for (const auto& [topic, seqs] : std::exchange(following_, {})) {
      for (const std::uint64_t seq : seqs) twins.send(topic, seq, now_);
    }
  }
  void check(Twins& twins, const TopicIndex::Answer& answer, const std::string& topic,
             std::uint64_t seq) {
    const auto view = std::ranges::find(answer.views, topic, &TopicIndex::View::topic);
    ASSERT_NE(view, answer.views.end());
    EXPECT_EQ(view->seq, seq) << topic;
    twins.shard.index().send(twins.real, *view, now_);
  }

  void subscribe(Twins& twins, const std::string& topic) {
    TopicIndex::SubscribeOptions wanted = any_options();
    if (!is_latest(topic)) wanted.interval = {};
    const auto answers = twins.shard.index().subscribe(twins.real, topic_named(topic), wanted);
    ASSERT_FALSE(answers.error);
    const std::uint64_t seq = answer(twins, topic, wanted, wanted.interval);
    check(twins, answers, topic, seq);
    follow(twins);
  }
  void subscribe_under(Twins& twins, const std::string& prefix) {
    const TopicIndex::SubscribeOptions wanted = any_options();
    const auto answers = twins.shard.index().subscribe_under(twins.real, all_under(prefix), wanted);
    ASSERT_FALSE(answers.error);
    twins.patterns[prefix] = wanted.interval;
    for (const std::string& topic : topics_) {
      if (!topic.starts_with(prefix)) continue;
      const std::uint64_t seq = answer(twins, topic, wanted);
      check(twins, answers, topic, seq);
    }
    follow(twins);
  }
  void unsubscribe(Twins& twins, const std::string& topic) {
    const auto found = twins.model.find(topic);
    const bool was_direct = found != twins.model.end() && found->second.is_direct;
    EXPECT_EQ(twins.shard.index().unsubscribe(twins.real, topic_named(topic), now_), was_direct);
    if (!was_direct) return;
    found->second.is_direct = false;
    end(twins, topic);
  }
  void unsubscribe_under(Twins& twins, const std::string& prefix) {
    EXPECT_EQ(twins.shard.index().unsubscribe_under(twins.real, all_under(prefix), now_) > 0,
              twins.patterns.erase(prefix) == 1);
    for (const std::string& topic : topics_) {
      if (topic.starts_with(prefix) && twins.model.contains(topic)) end(twins, topic);
    }
  }
  /// One of the topic's subscriptions is over.
  void end(Twins& twins, const std::string& topic) {
    const Expectation& expectation = twins.model.at(topic);
    if (expectation.is_direct || twins.is_under_pattern(topic)) {
      twins.set_interval(topic, expectation.is_direct ? expectation.own : 0ns, now_);
    } else {
      twins.model.erase(topic);
    }
  }
  void leave(Twins& twins) {
    twins.shard.index().unsubscribe_all(twins.real, now_);
    twins.model.clear();
    twins.patterns.clear();
  }
  void publish(const std::string& topic) {
    const Published published = play_.publish(topic);
    EXPECT_EQ(published.seq, ++seqs_[topic]);
    EXPECT_EQ(published.subscribers, static_cast<std::size_t>(count(topic)));
    for (const auto& twins : twins_) {
      if (!twins->model.contains(topic)) continue;
      auto& waiting = waiting_[&twins->shard];
      if (waiting.empty() || waiting.back().first != topic) waiting.push_back({topic, {}});
      auto& seqs = waiting.back().second;
      if (seqs.empty() || seqs.back() != published.seq) seqs.push_back(published.seq);
    }
  }
  void drain(TestShard& shard) {
    for (const auto& twins : twins_) {
      if (&twins->shard == &shard) twins->on_time(now_);
    }
    for (const auto& [topic, seqs] : std::exchange(waiting_[&shard], {})) {
      for (const auto& twins : twins_) {
        if (&twins->shard == &shard) twins->deliver(topic, seqs, now_);
      }
    }
    shard.drain(now_);
  }

  [[nodiscard]] std::int64_t count(const std::string& topic) const {
    return std::ranges::count_if(twins_,
                                 [&](const auto& twins) { return twins->model.contains(topic); });
  }
  std::size_t below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
  }
  Twins& any_twins() { return *twins_[below(twins_.size())]; }
  const std::string& any_topic() { return topics_[below(topics_.size())]; }
  const std::string& any_prefix() { return prefixes_[below(prefixes_.size())]; }

  std::mt19937_64 random_;
  FakeOwner ticks_{"tick"};
  HubPlay play_;
  MonoTime now_ = at(0s);
  const std::vector<std::string> prefixes_ = {"tick:", "tick:a:", "note:"};
  std::vector<std::string> topics_;
  std::map<std::string, std::string> epochs_;
  std::vector<std::unique_ptr<Twins>> twins_;
  std::map<std::string, std::uint64_t> seqs_;
  std::map<TestShard*, std::vector<std::pair<std::string, std::vector<std::uint64_t>>>> waiting_;
  SinceByTopic since_;
  Given following_;  // behind the answer
};

std::uint64_t chosen_seed() {
  const char* wanted = std::getenv("BROADCAST_TEST_SEED");
  const std::uint64_t seed =
      wanted == nullptr ? std::random_device{}() : std::strtoull(wanted, nullptr, 10);
  std::cout << "again with BROADCAST_TEST_SEED=" << seed << '\n';
  return seed;
}

TEST(TopicIndexModelTest, AgreesWithTheModelAfterEveryOneOfThousandsOfSteps) {
  ModelRun run(chosen_seed());
  for (int step = 0; step < 5'000 && !testing::Test::HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    run.step();
    run.compare();
  }
}

}  // namespace
}  // namespace broadcast
