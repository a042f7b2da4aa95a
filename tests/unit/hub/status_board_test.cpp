#include "host/hub/status_board.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/units.hpp>

#include "hub_fixture.hpp"

namespace broadcast {
namespace {

using testing::MatchesRegex;

class StatusBoardTest : public HubTest {};

TEST_F(StatusBoardTest, AStatusIsPublishedAsData) {
  hub.statuses().report("price", BroadcasterState::kDegraded, "kiwoom \"ws\" unreachable");
  const Json text = status("price");
  EXPECT_EQ(text.at("type"), "status");
  EXPECT_EQ(text.at("topic"), "status:price");
  EXPECT_EQ(text.at("seq"), 1);
  EXPECT_EQ(text.at("broadcaster"), "price");
  EXPECT_EQ(text.at("state"), "degraded");
  EXPECT_EQ(text.at("detail"), "kiwoom \"ws\" unreachable");
  EXPECT_THAT(text.at("since").get<std::string>(),
              MatchesRegex("....-..-..T..:..:..\\.......\\+00:00"));
}

TEST_F(StatusBoardTest, AStatusCanBeSubscribedToBeforeItsBroadcasterHasSaidAnything) {
  const Joined joined = join("status:price");
  EXPECT_EQ(joined.seq, 0U);
  hub.statuses().report("price", BroadcasterState::kOk, "");
  EXPECT_EQ(hub.audience().peek(joined.topic).seq, 1U);
}

TEST_F(StatusBoardTest, AStatusHasTheWordsOfTheProtocol) {
  using enum BroadcasterState;
  EXPECT_EQ(to_string(kOk), "ok");
  EXPECT_EQ(to_string(kDegraded), "degraded");
  EXPECT_EQ(to_string(kStale), "stale");
  EXPECT_EQ(to_string(kDown), "down");
  EXPECT_EQ(to_string(kDisabled), "disabled");
}

TEST_F(StatusBoardTest, NothingIsPublishedWhenTheStatusIsTheSame) {
  const std::string endless(5000, 'x');
  hub.statuses().report("price", BroadcasterState::kOk, "");
  hub.statuses().report("price", BroadcasterState::kOk, "");
  EXPECT_EQ(status("price").at("seq"), 1);
  hub.statuses().report("price", BroadcasterState::kDown, endless);
  hub.statuses().report("price", BroadcasterState::kDown, endless);
  EXPECT_EQ(status("price").at("seq"), 2);
  EXPECT_EQ(status("price").at("detail"), endless.substr(0, 1024));
}

TEST_F(StatusBoardTest, SinceMovesOnOnlyWithTheState) {
  hub.statuses().report("price", BroadcasterState::kStale, "5 s");
  const Json first = status("price");
  hub.statuses().report("price", BroadcasterState::kStale, "10 s");
  EXPECT_EQ(status("price").at("seq"), 2);
  EXPECT_EQ(status("price").at("since"), first.at("since"));
  const std::string between = iso_timestamp(wall_now_ns());
  EXPECT_LE(first.at("since").get<std::string>(), between);
  hub.statuses().report("price", BroadcasterState::kOk, "10 s");
  EXPECT_GE(status("price").at("since").get<std::string>(), between);
}

TEST_F(StatusBoardTest, ALongDetailIsCutBetweenCharacters) {
  std::string detail = "x";
  for (int i = 0; i < 600; ++i) detail += "é";
  hub.statuses().report("price", BroadcasterState::kDown, detail);
  EXPECT_EQ(status("price").at("detail"), detail.substr(0, 1023));
}

TEST_F(StatusBoardTest, SubscribersOfAStatusGetItLive) {
  hub.statuses().report("price", BroadcasterState::kOk, "");
  TestClient client(play.a);
  static_cast<void>(client.ask(R"({"type":"subscribe","topic":"status:price"})"));
  hub.statuses().report("price", BroadcasterState::kDown, "exception");
  play.a.drain();
  const std::vector<Json> texts = client.read();
  ASSERT_EQ(texts.size(), 1U);
  EXPECT_EQ(texts[0].at("state"), "down");
  EXPECT_EQ(texts[0].at("seq"), 2);
}

TEST_F(StatusBoardTest, ListsTheStatusesByBroadcaster) {
  hub.statuses().report("vcp_signal", BroadcasterState::kOk, "");
  hub.statuses().report("price", BroadcasterState::kDegraded, "serving sim");
  const auto statuses = hub.statuses().list();
  ASSERT_EQ(statuses.size(), 2U);
  EXPECT_EQ(statuses[0].broadcaster, "price");
  EXPECT_EQ(statuses[0].state, BroadcasterState::kDegraded);
  EXPECT_EQ(statuses[0].detail, "serving sim");
  EXPECT_EQ(statuses[0].since, status("price").at("since"));
}

}  // namespace
}  // namespace broadcast
