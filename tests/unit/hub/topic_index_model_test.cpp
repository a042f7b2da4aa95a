// TopicIndex and TopicHub against a model too simple to be wrong: thousands of random commands,
// publications and drains, after each of which both must agree.

#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub_play.hpp"

namespace broadcast {
namespace {

using Given = std::pair<std::string, std::uint64_t>;  // topic, seq

/// What one subscription should know.
struct Wish {
  std::uint64_t from;     // messages up to this one are not for it
  std::uint64_t reached;  // the newest it was given
};

/// One client, as the model and as the index see it.
struct Twins {
  explicit Twins(TestShard& where)
      : shard(where), outbox(limits, where.counters(), where.touched(), writer), real(outbox) {}

  std::vector<Given> read() {
    std::vector<Given> given;
    for (const std::string& text : texts_of(write_all(outbox))) {
      const Json json = Json::parse(text);
      given.emplace_back(json.at("topic").get<std::string>(), json.at("seq").get<std::uint64_t>());
    }
    return given;
  }

  TestShard& shard;
  Outbox::Limits limits;
  SilentWriter writer;
  Outbox outbox;
  Subscriptions real;
  std::map<std::string, Wish> model;
  std::vector<Given> expected;
};

class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : random_(seed) {
    for (int i = 0; i < 6; ++i) {
      topics_.push_back("price:00000" + std::to_string(i));
      topics_.push_back("note:" + std::to_string(i));
    }
    for (int i = 0; i < 10; ++i)
      twins_.push_back(std::make_unique<Twins>(i % 2 ? play_.a : play_.b));
  }
  ~ModelRun() {
    for (const auto& twins : twins_) twins->shard.index().unsubscribe_all(twins->real, at(0s));
  }
  ModelRun(const ModelRun&) = delete;
  ModelRun& operator=(const ModelRun&) = delete;

  void step() {
    switch (below(12)) {
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
      default:
        return publish(any_topic());
    }
  }

  void compare() {
    for (const auto& twins : twins_) {
      EXPECT_EQ(twins->read(), std::exchange(twins->expected, {}));
      std::vector<Given> listed;
      for (const TopicIndex::View& view : twins->shard.index().list(twins->real)) {
        listed.emplace_back(view.topic, view.seq);
      }
      std::vector<Given> wished;
      for (const auto& [topic, wish] : twins->model) wished.emplace_back(topic, wish.reached);
      EXPECT_EQ(listed, wished);
    }
    for (const std::string& topic : topics_) {
      EXPECT_EQ(play_.hub.subscribers(topic), count(topic)) << topic;
    }
  }

 private:
  void subscribe(Twins& twins, const std::string& topic) {
    const auto [entry, is_new] = twins.model.try_emplace(topic);
    if (is_new || topic.starts_with("price:")) {  // `all`: what waits is still to come
      entry->second = {seqs_[topic], seqs_[topic]};
    }
    const auto answer = twins.shard.index().subscribe(twins.real, topic, {});
    ASSERT_FALSE(answer.error);
    EXPECT_EQ(answer.views.at(0).seq, entry->second.reached);
  }
  void unsubscribe(Twins& twins, const std::string& topic) {
    EXPECT_EQ(twins.shard.index().unsubscribe(twins.real, topic, at(0s)),
              twins.model.erase(topic) == 1);
  }
  void leave(Twins& twins) {
    twins.shard.index().unsubscribe_all(twins.real, at(0s));
    twins.model.clear();
  }
  void publish(const std::string& topic) {
    const Published published = play_.publish(topic);
    EXPECT_EQ(published.seq, ++seqs_[topic]);
    EXPECT_EQ(published.subscribers, static_cast<std::size_t>(count(topic)));
    for (auto& [shard, waiting] : waiting_) waiting.emplace_back(topic, published.seq);
  }
  void drain(TestShard& shard) {
    for (const auto& [topic, seq] : std::exchange(waiting_[&shard], {})) {
      for (const auto& twins : twins_) {
        const auto wish = twins->model.find(topic);
        if (&twins->shard != &shard || wish == twins->model.end() || seq <= wish->second.from)
          continue;
        twins->expected.emplace_back(topic, seq);
        wish->second.reached = seq;
      }
    }
    shard.drain();
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

  std::mt19937_64 random_;
  HubPlay play_;
  std::vector<std::string> topics_;
  std::vector<std::unique_ptr<Twins>> twins_;
  std::map<std::string, std::uint64_t> seqs_;
  std::map<TestShard*, std::vector<Given>> waiting_{{&play_.a, {}}, {&play_.b, {}}};
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
