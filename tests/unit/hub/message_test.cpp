#include "host/hub/message.hpp"

#include <string>

#include <gtest/gtest.h>

#include "allocations.hpp"
#include "hub_play.hpp"

namespace broadcast {
namespace {

constexpr std::string_view kHead = R"({"topic":"price:005930","seq":)";

std::string header_of(std::size_t payload_bytes) {
  const std::string payload(payload_bytes, 'x');
  const MessagePtr message = Message::text_of(payload);
  EXPECT_EQ(message->payload(), payload);
  return std::string(message->frame().substr(0, message->frame().size() - payload_bytes));
}

std::string bytes(std::initializer_list<unsigned> values) {
  std::string text;
  for (const unsigned value : values) text += static_cast<char>(value);
  return text;
}

TEST(MessageTest, TheHeaderIsTheShortestThatHoldsTheLength) {
  EXPECT_EQ(header_of(0), bytes({0x81, 0}));
  EXPECT_EQ(header_of(1), bytes({0x81, 1}));
  EXPECT_EQ(header_of(125), bytes({0x81, 125}));
  EXPECT_EQ(header_of(126), bytes({0x81, 126, 0, 126}));
  EXPECT_EQ(header_of(65535), bytes({0x81, 126, 0xFF, 0xFF}));
  EXPECT_EQ(header_of(65536), bytes({0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST(MessageTest, AFrameCarriesItsOpcodeAsOneWholeMessage) {
  for (const Opcode opcode : {Opcode::kBinary, Opcode::kClose, Opcode::kPing, Opcode::kPong}) {
    const MessagePtr message = Message::frame_of(opcode, "abc");
    EXPECT_EQ(message->frame(), bytes({0x80U | static_cast<unsigned>(opcode), 3}) + "abc");
    EXPECT_EQ(message->topic_id(), 0U);
  }
}

TEST(MessageTest, TheEnvelopeStandsInFrontOfThePayloadForNumbersOfAnyLength) {
  const std::string payload = R"({"type":"price_update","data":{}})";
  std::uint64_t seq = 0;
  for (int digits = 1; digits <= 20; ++digits) {
    seq = seq * 10 + static_cast<std::uint64_t>(digits % 10);
    const MessagePtr message = Message::publication(7, Delivery::kLatest, seq, kHead, payload);
    EXPECT_EQ(message->payload(),
              std::string(kHead) + std::to_string(seq) + R"(,"type":"price_update","data":{}})");
    EXPECT_EQ(message->payload().size(), Message::publication_bytes(seq, kHead, payload));
    EXPECT_EQ(Json::parse(message->payload()).at("seq"), seq);
  }
  EXPECT_EQ(std::to_string(seq).size(), 20U);
}

TEST(MessageTest, RemembersWhatItIsAbout) {
  const MessagePtr message = Message::publication(7, Delivery::kAll, 42, kHead, R"({"a":1})");
  EXPECT_EQ(message->topic_id(), 7U);
  EXPECT_EQ(message->seq(), 42U);
  EXPECT_EQ(message->delivery(), Delivery::kAll);
}

TEST(MessageTest, WhatIsForShardsAloneIsToldByWhatItIsNotByItsBytes) {
  const MessagePtr announcement = Message::announcement(7, 42, "note:a");
  EXPECT_TRUE(announcement->is_announcement());
  EXPECT_FALSE(announcement->is_hand_over());
  EXPECT_EQ(announcement->seq(), 42U);
  EXPECT_EQ(announcement->payload(), "note:a");
  const MessagePtr hand_over = Message::hand_over(7, "note:a");
  EXPECT_TRUE(hand_over->is_announcement());
  EXPECT_TRUE(hand_over->is_hand_over());
  EXPECT_EQ(hand_over->topic_id(), 7U);
  EXPECT_FALSE(Message::frame_of(Opcode::kContinuation, "x")->is_announcement());
  EXPECT_FALSE(Message::bytes_of("\x80")->is_announcement());
}

TEST(MessageTest, IsOneAllocationHoweverManyHoldIt) {
  // The first one of a thread makes what the others use.
  static_cast<void>(Message::publication(7, Delivery::kLatest, 1, kHead, R"({"type":"x"})"));
  const std::size_t before = allocations();
  const MessagePtr message =
      Message::publication(7, Delivery::kLatest, 1, kHead, R"({"type":"price_update"})");
  const std::array<MessagePtr, 3> holders = {message, message, message};
  EXPECT_EQ(allocations() - before, 1U);
  const std::size_t before_reply = allocations();
  const MessagePtr reply = Message::text_of("pong");
  EXPECT_EQ(allocations() - before_reply, 1U);
}

TEST(MessageTest, CarriesItsDeflatedFrameInTheSameAllocation) {
  std::string compressed(200, 'z');
  std::string seen;
  const Compressor compressor = [&](std::string_view text, std::string& deflated) {
    seen = text;
    deflated = compressed;
    return true;
  };
  static_cast<void>(
      Message::publication(7, Delivery::kLatest, 1, kHead, R"({"type":"x"})", compressor));
  const std::size_t before = allocations();
  const MessagePtr message =
      Message::publication(7, Delivery::kLatest, 2, kHead, R"({"type":"y"})", compressor);
  EXPECT_EQ(allocations() - before, 1U);
  EXPECT_EQ(seen, message->payload());
  EXPECT_EQ(message->frame(FrameForm::kDeflated), bytes({0xC1, 126, 0, 200}) + compressed);
  EXPECT_EQ(message->frame(FrameForm::kPlain), message->frame());
}

TEST(MessageTest, IsPlainForEverybodyIfDeflatingIsNotWorthIt) {
  const MessagePtr message = Message::publication(7, Delivery::kLatest, 1, kHead, R"({"type":"x"})",
                                                  [](std::string_view, std::string& deflated) {
                                                    deflated = "longer than it was";
                                                    return false;
                                                  });
  EXPECT_EQ(message->frame(FrameForm::kDeflated), message->frame());
}

TEST(MessageTest, LivesAsLongAsSomebodyHoldsIt) {
  MessagePtr last;
  {
    const MessagePtr message = Message::text_of("still here");
    last = message;
  }
  EXPECT_EQ(last->payload(), "still here");
}

}  // namespace
}  // namespace broadcast
