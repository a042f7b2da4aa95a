#include <chrono>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

namespace broadcast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Whether it was published with its number: the text as clients get it.
std::string whole_text(const FakeHost::Publication& publication) {
  const std::string number = std::to_string(publication.json().at("bseq").get<int>());
  return R"({"topic":")" + publication.topic + R"(","seq":)" + number + ',' +
         publication.payload.substr(1);
}

TEST(BenchFeedTest, PublishesOnceAtTheStartSoThatThereIsASnapshot) {
  FakeHost host(BENCH_FEED, R"({"topics":["bench"],"topic_count":2,"rate":0})");
  host.start();
  host.advance(seconds(10));
  std::set<std::string> topics;
  for (const auto& publication : host.published()) topics.insert(publication.topic);
  EXPECT_EQ(host.published().size(), 3U);
  EXPECT_THAT(topics, testing::ElementsAre("bench", "t0", "t1"));
}

TEST(BenchFeedTest, SpacesTheMessagesOfAllTopicsEvenly) {
  FakeHost host(BENCH_FEED, R"({"topics":[],"topic_count":4,"rate":25})");
  host.start();
  host.advance(seconds(1));
  ASSERT_EQ(host.published().size(), 4U + 100U);
  for (std::size_t i = 0; i < 100; ++i) {
    const auto& publication = host.published()[4 + i];
    EXPECT_EQ(publication.topic, "t" + std::to_string(i % 4));
    EXPECT_EQ(publication.at, milliseconds(10 * (i + 1)));
    EXPECT_EQ(publication.json().at("t").get<std::int64_t>(), publication.at.count());
    EXPECT_EQ(publication.json().at("bseq"), i / 4 + 2);
  }
}

TEST(BenchFeedTest, PublishesATicksMessagesTogether) {
  FakeHost host(BENCH_FEED, R"({"rate":400,"tick":"50ms"})");
  host.start();
  host.advance(milliseconds(100));
  ASSERT_EQ(host.published().size(), 1U + 40U);
  EXPECT_EQ(host.published()[1].at, milliseconds(50));
  EXPECT_EQ(host.published()[20].at, milliseconds(50));
  EXPECT_EQ(host.published()[21].at, milliseconds(100));
}

TEST(BenchFeedTest, MakesUpForWhatIsLate) {
  for (const char* config : {R"({"rate":100})", R"({"rate":100,"tick":"50ms"})"}) {
    FakeHost host(BENCH_FEED, config);
    host.start();
    host.pass(seconds(1));
    host.advance(milliseconds(50));
    EXPECT_EQ(host.published().size(), 1U + 105U) << config;
  }
}

TEST(BenchFeedTest, TheWholeTextIsAsLongAsAsked) {
  FakeHost host(BENCH_FEED, R"({"topics":["bench","benchall:x"],"rate":200,"payload_bytes":300})");
  host.start();
  host.advance(seconds(1));
  ASSERT_EQ(host.published().size(), 402U);
  for (const auto& publication : host.published()) {
    EXPECT_EQ(whole_text(publication).size(), 300U) << publication.payload;
  }
}

TEST(BenchFeedTest, GoesOnWhereItWasOnceTheHostHasRoomAgain) {
  FakeHost host(BENCH_FEED, R"({"topics":["benchall"],"rate":10})");
  host.start();
  host.set_publish_status(BC_E_BUSY);
  host.advance(seconds(1));
  host.set_publish_status(BC_OK);
  host.advance(milliseconds(100));
  ASSERT_EQ(host.published().size(), 12U);
  EXPECT_EQ(host.published().back().json().at("bseq"), 12);
}

}  // namespace
}  // namespace broadcast
