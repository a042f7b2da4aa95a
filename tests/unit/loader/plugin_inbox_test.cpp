#include "host/loader/plugin_inbox.hpp"

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

using namespace std::chrono_literals;

struct Asked {
  std::vector<Verdict> verdicts;
  void post(PluginInbox& inbox, const std::string& payload) {
    PluginInbox::Message message{
        .message = {.topic = "t", .source = "test", .payload = payload},
        .done = [this](Verdict verdict) { verdicts.push_back(std::move(verdict)); }};
    if (auto refused = inbox.try_post_message(message)) message.done(*std::move(refused));
  }
};

template <class T>
T take_one(PluginInbox& inbox) {
  auto item = inbox.take();
  return item && std::holds_alternative<T>(*item) ? std::move(std::get<T>(*item)) : T{};
}

TEST(PluginInboxTest, RefusesMessagesUntilItIsOpen) {
  PluginInbox inbox("price", {});
  Asked asked;
  asked.post(inbox, "{}");
  ASSERT_EQ(asked.verdicts.size(), 1u);
  EXPECT_EQ(asked.verdicts[0].outcome, Verdict::Outcome::kUnavailable);
  EXPECT_EQ(asked.verdicts[0].text, "price is not started yet");
}

TEST(PluginInboxTest, HandsMessagesOnInOrder) {
  PluginInbox inbox("price", {});
  Asked asked;
  inbox.open();
  asked.post(inbox, "1");
  asked.post(inbox, "2");
  EXPECT_EQ(take_one<PluginInbox::Message>(inbox).message.payload, "1");
  EXPECT_EQ(take_one<PluginInbox::Message>(inbox).message.payload, "2");
  EXPECT_FALSE(inbox.take());
  EXPECT_TRUE(asked.verdicts.empty());
}

TEST(PluginInboxTest, RefusesWhatIsBeyondItsBounds) {
  PluginInbox by_count("price", {.messages = 2, .posts = 1});
  PluginInbox by_bytes("price", {.message_bytes = 20});
  Asked count, bytes;
  by_count.open();
  by_bytes.open();
  for (int i = 0; i < 3; ++i) count.post(by_count, "{}");
  bytes.post(by_bytes, "0123456789");
  bytes.post(by_bytes, "0123456789");
  ASSERT_EQ(count.verdicts.size(), 1u);
  EXPECT_EQ(count.verdicts[0].retry_after, 0ms);
  EXPECT_EQ(count.verdicts[0].text,
            "price has 2 messages waiting and takes no more; try again later");
  ASSERT_EQ(bytes.verdicts.size(), 1u);
  EXPECT_EQ(bytes.verdicts[0].outcome, Verdict::Outcome::kUnavailable);
  EXPECT_EQ(by_count.try_post(1, nullptr), BC_OK);
  EXPECT_EQ(by_count.try_post(1, nullptr), BC_E_BUSY);
}

TEST(PluginInboxTest, AnswersWhatWaitsAndWhatComesWhileItIsClosed) {
  PluginInbox inbox("price", {});
  Asked asked;
  inbox.open();
  asked.post(inbox, "{}");
  inbox.close_messages("is restarting after an exception", mono_now() + 3500ms);
  asked.post(inbox, "{}");
  ASSERT_EQ(asked.verdicts.size(), 2u);
  EXPECT_EQ(asked.verdicts[0].text, "price is restarting after an exception; try again in 4 s");
  EXPECT_EQ(asked.verdicts[1].text, asked.verdicts[0].text);
  for (const Verdict& verdict : asked.verdicts) {
    EXPECT_GT(verdict.retry_after, 0ms);
    EXPECT_LE(verdict.retry_after, 3500ms);
  }
  inbox.open();
  asked.post(inbox, "{}");
  EXPECT_EQ(asked.verdicts.size(), 2u);
}

TEST(PluginInboxTest, SaysThatItHasGivenUpUntilItIsOpenedAgain) {
  PluginInbox inbox("price", {});
  Asked asked;
  inbox.open();
  asked.post(inbox, "{}");
  inbox.give_up("has given up");
  asked.post(inbox, "{}");
  inbox.open();
  asked.post(inbox, "{}");
  inbox.request_stop(mono_now());
  ASSERT_EQ(asked.verdicts.size(), 3u);
  EXPECT_TRUE(asked.verdicts[0].has_given_up);
  EXPECT_TRUE(asked.verdicts[1].has_given_up);
  EXPECT_FALSE(asked.verdicts[2].has_given_up);
}

TEST(PluginInboxTest, NeverOpensAgainOnceStopped) {
  PluginInbox inbox("price", {});
  Asked asked;
  inbox.open();
  inbox.request_stop(mono_now());
  inbox.close_messages("is restarting", mono_now());
  inbox.open();
  asked.post(inbox, "{}");
  ASSERT_EQ(asked.verdicts.size(), 1u);
  EXPECT_EQ(asked.verdicts[0].text, "price is stopped");
}

TEST(PluginInboxTest, KeepsOnlyTheNewestDemandOfATopic) {
  PluginInbox inbox("price", {});
  inbox.post_demand("a", 9);
  inbox.open_demand();
  inbox.post_demand("a", 1);
  inbox.post_demand("b", 1);
  inbox.post_demand("a", 0);
  const auto first = take_one<PluginInbox::Demand>(inbox);
  EXPECT_EQ(first.topic, "a");
  EXPECT_EQ(first.subscribers, 0);
  EXPECT_EQ(take_one<PluginInbox::Demand>(inbox).topic, "b");
  EXPECT_FALSE(inbox.take());
  inbox.close_demand();
  inbox.post_demand("a", 1);
  EXPECT_FALSE(inbox.take());
}

TEST(PluginInboxTest, DeliversEveryAcceptedPostAlsoWhenClosed) {
  PluginInbox inbox("price", {});
  EXPECT_EQ(inbox.try_post(1, nullptr), BC_E_REVOKED);
  inbox.open();
  EXPECT_EQ(inbox.try_post(2, &inbox), BC_OK);
  inbox.close_posts();
  EXPECT_EQ(inbox.try_post(3, nullptr), BC_E_REVOKED);
  const auto post = inbox.take_post();
  ASSERT_TRUE(post);
  EXPECT_EQ(post->id, 2u);
  EXPECT_EQ(post->ptr, &inbox);
  EXPECT_FALSE(inbox.take_post());
}

TEST(PluginInboxTest, LetsKindsTakeTurns) {
  PluginInbox inbox("price", {});
  Asked asked;
  inbox.open();
  inbox.open_demand();
  for (int i = 0; i < 3; ++i) {
    asked.post(inbox, "{}");
    EXPECT_EQ(inbox.try_post(1, nullptr), BC_OK);
    inbox.post_demand(std::to_string(i), 1);
  }
  for (int round = 0; round < 3; ++round) {
    std::set<std::size_t> kinds;
    for (int i = 0; i < 3; ++i) kinds.insert(inbox.take()->index());
    EXPECT_EQ(kinds.size(), 3u);
  }
}

TEST(PluginInboxTest, RoundsSecondsUp) {
  EXPECT_EQ(in_seconds(-5s), "1 s");
  EXPECT_EQ(in_seconds(1ms), "1 s");
  EXPECT_EQ(in_seconds(3001ms), "4 s");
}

// Every caller at once, with a stop in the middle: each message gets one verdict, each accepted
// post is taken once.
TEST(PluginInboxStressTest, LosesNothingWhileCallersOverlapWithAStop) {
  constexpr int kCallers = 4;
  constexpr int kEach = 2000;
  PluginInbox inbox("price", {.messages = 64, .posts = 64});
  inbox.open();
  inbox.open_demand();
  std::atomic<int> verdicts{0};
  std::atomic<int> posts_accepted{0};
  std::atomic<int> callers_left{kCallers};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < kEach; ++i) {
        PluginInbox::Message message{.message = {.topic = "t", .source = "test", .payload = "{}"},
                                     .done = [&](const Verdict&) { ++verdicts; }};
        if (inbox.try_post_message(message)) ++verdicts;
        inbox.post_demand("t" + std::to_string(i % 8), i);
        if (inbox.try_post(1, nullptr) == BC_OK) ++posts_accepted;
        if (caller == 0 && i == kEach / 2) inbox.request_stop(mono_now());
      }
      --callers_left;
      inbox.post_demand("done", 0);
    });
  }
  int posts_taken = 0;
  while (callers_left > 0) {
    while (auto item = inbox.take()) {
      if (auto* message = std::get_if<PluginInbox::Message>(&*item)) message->done({});
      if (std::holds_alternative<PluginInbox::Post>(*item)) ++posts_taken;
    }
    inbox.wait(mono_now() + 1s);
  }
  for (std::thread& caller : callers) caller.join();
  inbox.close_posts();
  while (inbox.take_post()) ++posts_taken;
  EXPECT_EQ(verdicts, kCallers * kEach);
  EXPECT_EQ(posts_taken, posts_accepted);
}

}  // namespace
}  // namespace broadcast
