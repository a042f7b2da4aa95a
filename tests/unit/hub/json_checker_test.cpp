#include "host/hub/json_checker.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/testing/rules.hpp>

#include "allocations.hpp"
#include "hub_play.hpp"

namespace broadcast {
namespace {

using Type = JsonChecker::Type;

std::string nested(std::size_t depth, std::string_view begin, std::string_view bottom,
                   std::string_view end) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += begin;
  text += bottom;
  for (std::size_t i = 0; i < depth; ++i) text += end;
  return text;
}
std::string objects(std::size_t depth) { return nested(depth, R"({"a":)", "1", "}"); }
std::string lists(std::size_t depth) {
  return R"({"type":"x","a":)" + nested(depth - 1, "[", "1", "]") + '}';
}

struct Row {
  std::string text;
  std::optional<JsonFault> fault;
};

const std::vector<Row>& rows() {
  using enum JsonFault;
  static const std::vector<Row> kRows = {
      {R"({"type":"x"})", {}},
      {"{ \t\r\n\"type\" : 1 }", {}},
      {R"({"type":"x","종목":"삼성전자 😀 \ud83d\ude00"})", {}},
      {R"({"type":"x","data":{"topic":1,"seq":[{"seq":2}]}})", {}},
      {R"({"type":"x","n":[18446744073709551615,-9223372036854775808,-0,1e308,1e-400]})", {}},
      {R"({"type":"x","n":123456789012345678901234567890.5})", {}},
      {R"({"type":"x","twice":1,"twice":2})", {}},
      {lists(1024), {}},
      {R"({"type":"x","a":})", kNotJson},
      {R"({"type":"x",})", kNotJson},
      {R"({"type":x})", kNotJson},
      {R"({"type" "x"})", kNotJson},
      {R"({"type":"x"}{"type":"x"})", kNotJson},
      {R"({"type":"x","a":[1,2})", kNotJson},
      {R"({"type":"x","a":nulls})", kNotJson},
      {R"({"type":"x","a":NaN})", kNotJson},
      {R"({"type":"x","a":"\ud800"})", kNotJson},
      {R"({"type":"x","a":"\x"})", kNotJson},
      {"{\"type\":\"x\ny\"}", kNotJson},
      {std::string("{\"type\":\"x\",\0\"a\":1}", 19), kNotJson},
      {std::string("{\"type\":\"\0\"}", 12), kNotJson},
      {"{\"type\":\"\xff\"}", kNotJson},
      {"{\"type\":\"\xed\xa0\x80\"}", kNotJson},
      {'{' + std::string(100'000, '[') + '}', kNotJson},
      {R"({"type":"x","a":01})", kNumber},
      {R"({"type":"x","a":18446744073709551616})", kNumber},
      {R"({"type":"x","a":-9223372036854775809})", kNumber},
      {R"({"type":"x","a":[{"b":1e309}]})", kNumber},
      {lists(1025), kTooDeep},
      {objects(1025), kTooDeep},
      {objects(30'000), kTooDeep},
      {R"({"type":"x","seq":1})", kHostsMember},
      {R"({"topic":"t","type":"x"})", kHostsMember},
      {R"({"type":"x","\u0074opic":"t"})", kHostsMember},
      {R"({"type":"x","s\u0065\u0071":null})", kHostsMember},
      {"", kNotAnObject},
      {"7", kNotAnObject},
      {"[]", kNotAnObject},
      {R"([{"type":"x"}])", kNotAnObject},
      {R"( {"type":"x"})", kNotAnObject},
      {"{\"type\":\"x\"}\n", kNotAnObject},
      {std::string("{\"type\":\"x\"}\0", 13), kNotAnObject},
      {"\xEF\xBB\xBF{\"type\":\"x\"}", kNotAnObject},
      {"{}", kNoMembers},
      {"{ \n}", kNoMembers},
      {R"({"Type":"x"})", kNoType}};
  return kRows;
}

std::string shown(const std::string& text) { return text.substr(0, 60); }

TEST(JsonCheckerTest, SaysByNameWhyATextIsNoMessage) {
  JsonChecker checker;
  for (const auto& [text, fault] : rows()) {
    EXPECT_EQ(checker.fault_of_payload(text, Type::kRequired), fault) << shown(text);
  }
}

TEST(JsonCheckerTest, FakeHostRefusesTheSame) {
  for (const auto& [text, fault] : rows()) {
    EXPECT_EQ(fake::payload_problem("t", text).empty(), !fault) << shown(text);
  }
}

TEST(JsonCheckerTest, AskedForNoTypeItDoesWithoutOne) {
  EXPECT_EQ(JsonChecker().fault_of_payload(R"({"a":1})", Type::kOptional), std::nullopt);
}

TEST(JsonCheckerTest, WhatGoesToEveryClientMayBeAnyJsonWithoutTheHostsMembers) {
  JsonChecker checker;
  for (const char* good : {"{}", "[1]", " 7 ", R"([{"seq":1}])", R"({"type":"ping"})"}) {
    EXPECT_EQ(checker.fault_of_text(good), std::nullopt) << good;
    EXPECT_EQ(fake::text_problem(good), "") << good;
  }
  for (const char* bad : {"", " ", "{", "x", "\xEF\xBB\xBF{}", R"({"\u0073eq":1})"}) {
    EXPECT_NE(checker.fault_of_text(bad), std::nullopt) << bad;
    EXPECT_NE(fake::text_problem(bad), "") << bad;
  }
}

TEST(JsonCheckerTest, AllocatesNothingOnceItHasAParser) {
  JsonChecker checker;
  const std::string text = R"({"type":"x","data":[1,2,{"a":"b"}]})";
  EXPECT_EQ(checker.fault_of_payload(text, Type::kRequired), std::nullopt);
  const std::size_t before = allocations();
  EXPECT_EQ(checker.fault_of_payload(text, Type::kRequired), std::nullopt);
  EXPECT_EQ(allocations() - before, 0U);
}

TEST(PublishedJsonTest, WhatIsNotJsonReachesNobodyAlsoWithoutStrict) {
  HubPlay play;
  TestClient client(play.a, {.topics = {"signal:vcp"}});
  write_all(client.outbox());
  std::size_t refused = 0;
  for (const auto& [text, fault] : rows()) {
    if (!fault || fault == JsonFault::kNoType) continue;
    const Published published = play.publish("signal:vcp", text);
    EXPECT_EQ(published.status, PublishStatus::kInvalid) << shown(text);
    EXPECT_EQ(published.problem, words_of(*fault)) << shown(text);
    ++refused;
  }
  EXPECT_EQ(play.counters.get(Counter::kPublishInvalid), refused);
  EXPECT_EQ(play.publish("signal:vcp").seq, 1U) << "nothing was numbered";
  play.a.drain();
  EXPECT_EQ(client.read().size(), 1U);
}

TEST(PublishedJsonTest, WhatIsTooLargeIsNotParsed) {
  HubPlay play({.limits = {.publish_bytes = 100}});
  EXPECT_EQ(play.publish("signal:vcp", std::string(101, '{')).problem,
            "it is larger than limits.publish");
  EXPECT_EQ(play.counters.get(Counter::kLimitPublish), 1U);
}

}  // namespace
}  // namespace broadcast
