#include "plugins/price/sources.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Answers when the test says so.
class SlowSource final : public PriceSource {
 public:
  explicit SlowSource(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] bool try_poll(const Wanted& wanted, Done done) override {
    if (done_) return false;
    asked = wanted;
    ++questions;
    done_ = std::move(done);
    return true;
  }
  void answer(const std::vector<std::string>& tickers) {
    Answer answer;
    for (const std::string& ticker : tickers) answer.quotes.tickers.emplace_back(ticker, Quote());
    std::exchange(done_, nullptr)(std::move(answer));
  }
  void fail(const std::string& why) { std::exchange(done_, nullptr)({.quotes = {}, .error = why}); }

  Wanted asked;
  int questions = 0;

 private:
  const std::string name_;
  Done done_;
};

class SourcesTest : public ::testing::Test {
 protected:
  SourcesTest() {
    auto first_one = std::make_unique<SlowSource>("first");
    auto second_one = std::make_unique<SlowSource>("second");
    first = first_one.get();
    second = second_one.get();
    std::vector<std::unique_ptr<PriceSource>> both;
    both.push_back(std::move(first_one));
    both.push_back(std::move(second_one));
    sources.emplace(
        std::move(both),
        Sources::Calls{.mono_ns = [this] { return now.count(); },
                       .after =
                           [this](nanoseconds delay, std::function<void()> run) {
                             timers[++last_timer] = {now + delay, std::move(run)};
                             return last_timer;
                           },
                       .cancel = [this](std::uint64_t id) { timers.erase(id); },
                       .on_quotes =
                           [this](const PriceSource& source, const Quotes& quotes) {
                             for (const auto& [ticker, quote] : quotes.tickers) {
                               published.push_back(ticker + " of " + std::string(source.name()));
                             }
                           },
                       .on_health =
                           [this](const PriceSource& source, const std::string& error) {
                             health.push_back(std::string(source.name()) + ": " + error);
                           },
                       .on_serving =
                           [this](const PriceSource* serving, const PriceSource&) {
                             served_by.emplace_back(serving == nullptr ? "nobody"
                                                                       : serving->name());
                           }});
  }

  void advance(nanoseconds duration) {
    now += duration;
    while (!timers.empty() && timers.begin()->second.first <= now) {
      const auto run = timers.begin()->second.second;
      timers.erase(timers.begin());
      run();
    }
  }
  std::vector<std::string> take_published() { return std::exchange(published, {}); }

  nanoseconds now{1};
  std::map<std::uint64_t, std::pair<nanoseconds, std::function<void()>>> timers;
  std::uint64_t last_timer = 0;
  std::vector<std::string> published;
  std::vector<std::string> health;
  std::vector<std::string> served_by;
  SlowSource* first = nullptr;
  SlowSource* second = nullptr;
  std::optional<Sources> sources;
};

TEST_F(SourcesTest, TheFirstServesAndTheSecondIsNotAsked) {
  sources->poll({.tickers = {"A", "B"}, .indices = {}});
  first->answer({"A", "B"});
  EXPECT_THAT(take_published(), ElementsAre("A of first", "B of first"));
  EXPECT_EQ(second->questions, 0);
  EXPECT_THAT(served_by, ElementsAre("first"));
  EXPECT_THAT(timers, IsEmpty());
}

TEST_F(SourcesTest, WhatTheFirstDoesNotHaveTheSecondIsAskedFor) {
  sources->poll({.tickers = {"A", "B"}, .indices = {kIndices[0]}});
  first->answer({"B"});
  EXPECT_THAT(second->asked.tickers, ElementsAre("A"));
  EXPECT_EQ(second->asked.indices.size(), 1U);
  second->answer({"A"});
  EXPECT_THAT(take_published(), ElementsAre("B of first", "A of second"));
  EXPECT_THAT(served_by, ElementsAre("first"));
}

TEST_F(SourcesTest, AFailureHandsTheSameRoundToTheSecond) {
  sources->poll({.tickers = {"A"}, .indices = {}});
  first->fail("connection refused");
  second->answer({"A"});
  EXPECT_THAT(take_published(), ElementsAre("A of second"));
  EXPECT_THAT(health, ElementsAre("first: connection refused"));
  EXPECT_THAT(served_by, ElementsAre("second"));
}

TEST_F(SourcesTest, TheUnhealthyIsAskedButNotWaitedForUntilItAnswersAgain) {
  sources->poll({.tickers = {"A"}, .indices = {}});
  first->fail("away");
  second->answer({"A"});
  sources->poll({.tickers = {"A"}, .indices = {}});
  EXPECT_EQ(first->questions, 2);
  second->answer({"A"});
  EXPECT_THAT(take_published(), ElementsAre("A of second", "A of second"));
  first->answer({"A"});
  EXPECT_THAT(take_published(), IsEmpty()) << "the round is over: never two sources in one";
  sources->poll({.tickers = {"A"}, .indices = {}});
  first->answer({"A"});
  EXPECT_THAT(take_published(), ElementsAre("A of first"));
  EXPECT_THAT(served_by, ElementsAre("second", "first"));
}

TEST_F(SourcesTest, ASourceThatIsSilentForThreeSecondsIsGivenUpForThisRound) {
  sources->poll({.tickers = {"A"}, .indices = {}});
  advance(seconds(3));
  second->answer({"A"});
  EXPECT_THAT(take_published(), ElementsAre("A of second"));
  EXPECT_THAT(health, ElementsAre("first: no answer for 3 s"));
  first->answer({"A"});
  EXPECT_THAT(take_published(), IsEmpty());
  EXPECT_THAT(health, ElementsAre("first: no answer for 3 s")) << "an answer that late is none";
}

TEST_F(SourcesTest, WhatIsAskedForDuringARoundIsServedByTheNext) {
  sources->poll({.tickers = {"A"}, .indices = {}});
  sources->poll({.tickers = {"B"}, .indices = {}});
  sources->poll({.tickers = {"C"}, .indices = {}});
  first->answer({"A"});
  EXPECT_THAT(first->asked.tickers, ElementsAre("B", "C"));
  first->answer({"B", "C"});
  EXPECT_THAT(take_published(), ElementsAre("A of first", "B of first", "C of first"));
}

TEST_F(SourcesTest, WithoutAnyHealthySourceNobodyServes) {
  sources->poll({.tickers = {"A"}, .indices = {}});
  first->fail("away");
  second->fail("away too");
  EXPECT_THAT(served_by, ElementsAre("nobody"));
}

}  // namespace
}  // namespace broadcast
