// What is registered next, and when the next request may go.

#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "plugins/price/kiwoom/kiwoom_limiter.hpp"
#include "plugins/price/kiwoom/kiwoom_registrations.hpp"

namespace broadcast {
namespace {

using nlohmann::json;

Wanted wanted(std::size_t count) {
  Wanted wanted;
  for (std::size_t i = 0; i < count; ++i) wanted.tickers.push_back(std::to_string(100'000 + i));
  return wanted;
}

/// A server that refuses `bad`; every message that it took.
std::vector<json> settle(KiwoomRegistrations& registrations, const std::set<std::string>& bad = {},
                         std::vector<std::string>* refused = nullptr) {
  std::vector<json> taken;
  for (std::string text = registrations.next(); !text.empty(); text = registrations.next()) {
    const json message = json::parse(text);
    const json& items = message.at("data").at(0).at("item");
    const bool is_ok = std::ranges::none_of(
        items, [&](const json& item) { return bad.contains(item.get<std::string>()); });
    if (is_ok) taken.push_back(message);
    EXPECT_TRUE(registrations.on_answer(message.at("trnm").get<std::string>(), is_ok));
    const auto one = registrations.take_refused();
    if (one && refused != nullptr) refused->push_back(*one);
  }
  return taken;
}

TEST(KiwoomRegistrationsTest, RegistersInGroupsOf100) {
  KiwoomRegistrations registrations;
  Wanted all = wanted(250);
  all.indices = {kIndices.begin(), kIndices.end()};
  registrations.want(all);
  std::map<std::string, std::size_t> sizes;
  for (const json& message : settle(registrations)) {
    EXPECT_EQ(message.at("trnm"), "REG");
    EXPECT_EQ(message.at("refresh"), "0") << "the first of its group";
    const json& data = message.at("data").at(0);
    sizes[message.at("grp_no")] += data.at("item").size();
    const bool is_index = data.at("item").at(0) == "001";
    EXPECT_EQ(data.at("type"), is_index ? json({"0J"}) : json({"0B", "0A"}));
  }
  EXPECT_EQ(sizes,
            (std::map<std::string, std::size_t>{{"1", 2}, {"2", 100}, {"3", 100}, {"4", 50}}));
  EXPECT_EQ(registrations.registered(), 252U);
}

TEST(KiwoomRegistrationsTest, KeepsWhatIsInAGroupWhenItGrows) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(1));
  settle(registrations);
  registrations.want(wanted(3));
  const std::vector<json> messages = settle(registrations);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].at("refresh"), "1");
  EXPECT_EQ(messages[0].at("data").at(0).at("item"), json({"100001", "100002"}));
}

TEST(KiwoomRegistrationsTest, RemovesWhatIsNotWantedFromItsGroup) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(150));
  settle(registrations);
  Wanted rest = wanted(150);
  rest.tickers.erase(rest.tickers.begin() + 120);
  registrations.want(rest);
  const std::vector<json> messages = settle(registrations);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0],
            json({{"trnm", "REMOVE"},
                  {"grp_no", "3"},
                  {"data", json::array({{{"item", {"100120"}}, {"type", {"0B", "0A"}}}})}}));
}

TEST(KiwoomRegistrationsTest, UsesTheRoomThatRemovalsLeave) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(100));
  settle(registrations);
  Wanted moved = wanted(101);
  moved.tickers.erase(moved.tickers.begin());
  registrations.want(moved);
  const std::vector<json> messages = settle(registrations);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[1].at("grp_no"), "2");
  EXPECT_EQ(registrations.registered(), 100U);
}

TEST(KiwoomRegistrationsTest, SendsNothingUntilTheAnswerIsHere) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(150));
  EXPECT_FALSE(registrations.next().empty());
  EXPECT_TRUE(registrations.next().empty());
  EXPECT_FALSE(registrations.on_answer("REMOVE", true)) << "not what is waited for";
  EXPECT_TRUE(registrations.on_answer("REG", true));
  EXPECT_FALSE(registrations.on_answer("LOGIN", true));
  EXPECT_FALSE(registrations.next().empty());
}

TEST(KiwoomRegistrationsTest, SendsAgainWhatWasNeverAnswered) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(2));
  json message = json::parse(registrations.next());
  message["refresh"] = "1";  // what is registered stays
  for (int i = 0; i < 3; ++i) EXPECT_EQ(json::parse(registrations.again()), message);
  EXPECT_TRUE(registrations.next().empty());
  EXPECT_TRUE(registrations.on_answer("REG", true));
  EXPECT_EQ(registrations.registered(), 2U);
  EXPECT_FALSE(registrations.is_waiting());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(registrations.on_answer("REG", true)) << "late";
  EXPECT_FALSE(registrations.on_answer("REG", true)) << "more than were sent";
}

TEST(KiwoomRegistrationsTest, APriceSaysThatItIsRegistered) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(2));
  EXPECT_FALSE(registrations.next().empty());
  EXPECT_FALSE(registrations.on_real("100002")) << "of another one";
  EXPECT_TRUE(registrations.on_real("100001"));
  EXPECT_EQ(registrations.registered(), 2U) << "all of a message or nothing";
  EXPECT_FALSE(registrations.on_real("100001"));
  registrations.want({});
  EXPECT_FALSE(registrations.next().empty());
  EXPECT_FALSE(registrations.on_real("100001")) << "says nothing of a REMOVE";
}

TEST(KiwoomRegistrationsTest, DoesNotTakeALateAnswerForTheNextOnes) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(1));
  EXPECT_FALSE(registrations.next().empty());
  EXPECT_TRUE(registrations.on_real("100000"));
  registrations.want(wanted(3));
  EXPECT_FALSE(registrations.next().empty());
  EXPECT_TRUE(registrations.on_answer("REG", true)) << "of the first one, after all";
  EXPECT_EQ(registrations.registered(), 1U);
  EXPECT_TRUE(registrations.on_answer("REG", false)) << "of the second one";
  std::vector<std::string> refused;
  settle(registrations, {"100001"}, &refused);
  EXPECT_EQ(refused, std::vector<std::string>{"100001"});
  EXPECT_EQ(registrations.registered(), 2U);
}

TEST(KiwoomRegistrationsTest, AnAnswerThatIsLostHoldsUpOneOtherAtMost) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(1));
  EXPECT_FALSE(registrations.next().empty());
  EXPECT_TRUE(registrations.on_real("100000"));
  registrations.want(wanted(2));
  EXPECT_FALSE(registrations.next().empty());
  EXPECT_TRUE(registrations.on_answer("REG", true));
  EXPECT_TRUE(registrations.is_waiting()) << "it may be the first one's";
  EXPECT_FALSE(registrations.again().empty());
  EXPECT_TRUE(registrations.on_answer("REG", true));
  EXPECT_EQ(registrations.registered(), 2U);
  registrations.want(wanted(3));
  EXPECT_EQ(settle(registrations).size(), 1U);
  EXPECT_EQ(registrations.registered(), 3U);
}

TEST(KiwoomRegistrationsTest, RemovesAgainWhatWasNeverAnsweredAndThenGoesOn) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(1));
  settle(registrations);
  registrations.want({});
  const std::string message = registrations.next();
  EXPECT_EQ(registrations.again(), message);
  EXPECT_TRUE(registrations.again().empty());
  EXPECT_FALSE(registrations.is_waiting());
  EXPECT_EQ(registrations.registered(), 0U);
}

TEST(KiwoomRegistrationsTest, RegistersWhatIsWantedAgainThoughItsRemovalIsNotAnswered) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(1));
  settle(registrations);
  registrations.want({});
  EXPECT_FALSE(registrations.next().empty());
  registrations.want(wanted(1));
  EXPECT_EQ(json::parse(registrations.again()).at("trnm"), "REG");
  EXPECT_TRUE(registrations.on_answer("REMOVE", true)) << "late";
  EXPECT_TRUE(registrations.on_answer("REG", true));
  EXPECT_EQ(registrations.registered(), 1U);
}

TEST(KiwoomRegistrationsTest, FindsTheItemsThatAreRefusedAndRegistersTheOthers) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(100));
  std::vector<std::string> refused;
  settle(registrations, {"100013", "100077"}, &refused);
  EXPECT_EQ(registrations.registered(), 98U);
  EXPECT_EQ(refused, (std::vector<std::string>{"100013", "100077"}));
  EXPECT_TRUE(registrations.next().empty()) << "they are not tried again";
}

TEST(KiwoomRegistrationsTest, TriesARefusedItemWhenItIsWantedAnew) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(1));
  settle(registrations, {"100000"});
  registrations.want({});
  registrations.want(wanted(1));
  EXPECT_EQ(settle(registrations).size(), 1U);
}

TEST(KiwoomRegistrationsTest, EndsWhereTheServerRefusesAll) {
  KiwoomRegistrations registrations;
  registrations.want(wanted(64));
  std::set<std::string> all;
  for (const std::string& ticker : wanted(64).tickers) all.insert(ticker);
  std::vector<std::string> refused;
  settle(registrations, all, &refused);
  EXPECT_EQ(registrations.registered(), 0U);
  EXPECT_EQ(refused.size(), 64U);
}

TEST(KiwoomRegistrationsTest, FollowsAnyChanges) {
  KiwoomRegistrations registrations;
  std::map<std::string, std::set<std::string>> groups;  // as the server has them
  std::uint64_t random = 1;
  for (int round = 0; round < 50; ++round) {
    Wanted some;
    for (const std::string& ticker : wanted(230).tickers) {
      random = random * 6364136223846793005U + 1442695040888963407U;
      if ((random >> 33) % 3 != 0) some.tickers.push_back(ticker);
    }
    registrations.want(some);
    for (const json& message : settle(registrations)) {
      auto& group = groups[message.at("grp_no")];
      if (message.value("refresh", "1") == "0") group.clear();
      for (const std::string item : message.at("data").at(0).at("item")) {
        message.at("trnm") == "REG" ? void(group.insert(item)) : void(group.erase(item));
      }
      ASSERT_LE(group.size(), 100U);
    }
    std::set<std::string> all;
    for (const auto& [number, items] : groups) all.insert(items.begin(), items.end());
    ASSERT_EQ(std::vector<std::string>(all.begin(), all.end()), some.tickers) << round;
  }
}

TEST(KiwoomRegistrationsTest, FollowsAnyChangesWhereAnswersAreLateOrLost) {
  KiwoomRegistrations registrations;
  std::set<std::string> all;         // as the server has them
  std::vector<std::string> answers;  // on their way
  std::uint64_t random = 1;
  const auto draw = [&random] {
    random = random * 6364136223846793005U + 1442695040888963407U;
    return random >> 33;
  };
  for (int round = 0; round < 50; ++round) {
    Wanted some;
    for (const std::string& ticker : wanted(230).tickers) {
      if (draw() % 3 != 0) some.tickers.push_back(ticker);
    }
    registrations.want(some);
    for (std::string text = registrations.next(); !text.empty(); text = registrations.next()) {
      while (!text.empty()) {
        const json message = json::parse(text);
        const std::string trnm = message.at("trnm");
        for (const std::string item : message.at("data").at(0).at("item")) {
          if (trnm == "REMOVE") {
            ASSERT_TRUE(std::ranges::find(some.tickers, item) == some.tickers.end()) << item;
          }
          trnm == "REG" ? void(all.insert(item)) : void(all.erase(item));
        }
        if (draw() % 3 != 0) answers.push_back(trnm);
        const bool is_in_time = draw() % 3 != 0;
        for (const std::string& answer :
             is_in_time ? std::exchange(answers, {}) : std::vector<std::string>()) {
          static_cast<void>(registrations.on_answer(answer, /*is_ok=*/true));
        }
        text = registrations.is_waiting() ? registrations.again() : std::string();
      }
    }
    ASSERT_EQ(std::vector<std::string>(all.begin(), all.end()), some.tickers) << round;
  }
}

TEST(KiwoomLimiterTest, LetsFiveGoAtOnceAndTheNextASecondAfterTheFirstAnswer) {
  KiwoomLimiter limiter;
  const std::int64_t second = 1'000'000'000;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(limiter.wait(10 * second + i).count(), 0);
    limiter.note_end(10 * second + i);
  }
  EXPECT_EQ(limiter.wait(10 * second + 5).count(), second - 5);
  EXPECT_EQ(limiter.wait(11 * second).count(), 0);
  limiter.note_end(11 * second);
  EXPECT_EQ(limiter.wait(11 * second).count(), 1) << "after the second one";
}

TEST(KiwoomLimiterTest, PausesWhenTheServerSaysSo) {
  KiwoomLimiter limiter;
  limiter.pause(5);
  EXPECT_EQ(limiter.wait(5), KiwoomLimiter::kWindow);
}

}  // namespace
}  // namespace broadcast
