#include "host/hub/history.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

class HistoryTest : public testing::Test {
 protected:
  void push(std::uint64_t count, std::size_t filling = 0) {
    for (std::uint64_t i = 0; i < count; ++i) {
      ++seq_;
      const std::string payload = R"({"f":")" + std::string(filling, '.') + "\"}";
      const MessagePtr message =
          Message::publication(1, Delivery::kAll, seq_, R"({"topic":"a","seq":)", payload);
      history_.push(message, now_, limits_);
    }
  }
  std::optional<std::vector<std::uint64_t>> after(std::uint64_t seq) {
    const auto messages = history_.after(seq, seq_);
    if (!messages) return std::nullopt;
    std::vector<std::uint64_t> numbers;
    for (const MessagePtr& message : *messages) numbers.push_back(message->seq());
    return numbers;
  }

  History::Limits limits_;
  History history_;
  std::uint64_t seq_ = 0;
  std::int64_t now_ = 0;
};

TEST_F(HistoryTest, GivesEverythingAfterANumberOrNothing) {
  limits_.messages = 3;
  push(5);
  EXPECT_THAT(after(2), Optional(ElementsAre(3, 4, 5)));
  EXPECT_THAT(after(4), Optional(ElementsAre(5)));
  EXPECT_THAT(after(5), Optional(IsEmpty()));
  EXPECT_EQ(after(1), std::nullopt) << "2 is gone: never a part";
  EXPECT_EQ(after(6), std::nullopt) << "a number that was never given";
}

TEST_F(HistoryTest, IsBoundedByBytes) {
  limits_.bytes = 1000;
  push(10, 400);
  EXPECT_THAT(after(8), Optional(ElementsAre(9, 10)));
  EXPECT_EQ(after(7), std::nullopt);
  push(1, 2000);
  EXPECT_EQ(after(10), std::nullopt) << "larger than all of it";
  EXPECT_THAT(after(11), Optional(IsEmpty()));
}

TEST_F(HistoryTest, IsBoundedByAge) {
  limits_.age = std::chrono::nanoseconds(100);
  push(1);
  now_ = 60;
  push(1);
  EXPECT_THAT(after(0), Optional(ElementsAre(1, 2)));
  now_ = 101;
  push(1);
  EXPECT_EQ(after(0), std::nullopt);
  EXPECT_THAT(after(1), Optional(ElementsAre(2, 3)));
  history_.drop_older_than(101);
  EXPECT_THAT(after(2), Optional(ElementsAre(3)));
  EXPECT_EQ(after(1), std::nullopt);
}

TEST_F(HistoryTest, KeepsNothingIfNothingIsToBeKept) {
  limits_.messages = 0;
  push(2);
  EXPECT_EQ(after(1), std::nullopt);
  EXPECT_THAT(after(2), Optional(IsEmpty()));
}

}  // namespace
}  // namespace broadcast
