#include "host/hub/protocol.hpp"

#include <string>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "allocations.hpp"
#include "host/hub/json_text.hpp"

namespace broadcast {
namespace {

using Kind = Command::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::variant<Command, ErrorReply> parse(std::string_view text) {
  return parse_command(text, Limits{.message_bytes = 1024 * 1024, .topics_per_request = 3});
}
Command command(std::string_view text) {
  const auto parsed = parse(text);
  if (const auto* error = std::get_if<ErrorReply>(&parsed)) {
    ADD_FAILURE() << text << " was refused: " << error->message;
    return {};
  }
  return std::get<Command>(parsed);
}
ErrorReply refusal(std::string_view text) {
  const auto parsed = parse(text);
  if (std::holds_alternative<Command>(parsed)) {
    ADD_FAILURE() << text << " was accepted";
    return {};
  }
  return std::get<ErrorReply>(parsed);
}
std::vector<std::string> topics_of(const Command& command) {
  std::vector<std::string> texts;
  for (const AskedTopic& topic : command.topics) texts.push_back(text_of(topic));
  return texts;
}
std::string code_of(std::string_view text) { return std::string(to_string(refusal(text).code)); }

std::string nested(std::size_t depth, std::string_view open, std::string_view close) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += open;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

// What a client may say.

TEST(ProtocolTest, ACommandThatWasDeflatedIsMeasuredOnceInflated) {
  const std::string long_id(1024 * 1024, 'x');
  EXPECT_EQ(code_of(R"({"type":"ping","id":")" + long_id + "\"}"), "bad_message");
}

TEST(ProtocolTest, ReadsEveryCommand) {
  EXPECT_EQ(command(R"({"type":"subscribe","topic":"signal:vcp"})").kind, Kind::kSubscribe);
  EXPECT_EQ(command(R"({"type":"unsubscribe","topic":"signal:vcp"})").kind, Kind::kUnsubscribe);
  EXPECT_EQ(command(R"({"type":"ping"})").kind, Kind::kPing);
  EXPECT_EQ(command(R"({"type":"pong"})").kind, Kind::kPong);
  EXPECT_EQ(command(R"({"type":"list"})").kind, Kind::kList);
}

TEST(ProtocolTest, ReadsOneTopicOrMany) {
  const Command one = command(R"({"type":"subscribe","topic":"signal:vcp"})");
  EXPECT_FALSE(one.many);
  EXPECT_THAT(topics_of(one), ElementsAre("signal:vcp"));
  const Command many = command(R"({"type":"unsubscribe","topics":["a","b","c"]})");
  EXPECT_TRUE(many.many);
  EXPECT_THAT(topics_of(many), ElementsAre("a", "b", "c"));
}

TEST(ProtocolTest, LeavesTheNamesInAListToBeJudgedOneByOne) {
  EXPECT_THAT(topics_of(command(R"({"type":"subscribe","topics":["a b","price:*"]})")),
              ElementsAre("a b", "price:*"));
}

TEST(ProtocolTest, IgnoresFieldsItDoesNotKnow) {
  EXPECT_EQ(command(R"({"type":"ping","timestamp":"now","x":{"y":[1]}})").kind, Kind::kPing);
  EXPECT_EQ(command(R"({"type":"unsubscribe","topic":"a","since":1})").kind, Kind::kUnsubscribe);
}

TEST(ProtocolTest, AnIdIsKeptAsItsJsonText) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("x")", R"("x")"},
      {R"("")", R"("")"},
      {"7", "7"},
      {"-7", "-7"},
      {"18446744073709551615", "18446744073709551615"},
      {R"("a\"\\\n")", R"("a\"\\\n")"},
      {R"("é")", "\"é\""}};
  for (const auto& [sent, kept] : cases) {
    EXPECT_EQ(command(std::string(R"({"type":"ping","id":)") + sent + "}").id, kept) << sent;
  }
  EXPECT_THAT(command(R"({"type":"ping"})").id, IsEmpty());
}

TEST(ProtocolTest, AnIdIsAStringOrAnIntegerOfBoundedSize) {
  for (const char* id : {"1.5", "1e3", "true", "[]", "{}", "99999999999999999999999"}) {
    const ErrorReply error = refusal(std::string(R"({"type":"ping","id":)") + id + "}");
    EXPECT_EQ(error.code, ErrorCode::kBadMessage) << id;
    EXPECT_EQ(error.message, "\"id\" must be a string or an integer") << id;
    EXPECT_THAT(error.id, IsEmpty());
  }
  const auto with_id_of = [](std::size_t bytes) {
    return R"({"type":"ping","id":")" + std::string(bytes, 'x') + "\"}";
  };
  EXPECT_EQ(command(with_id_of(128)).id.size(), 130U);
  EXPECT_THAT(refusal(with_id_of(129)).message, HasSubstr("longer than 128 bytes"));
}

TEST(ProtocolTest, ANullSaysWhatAnAbsentFieldSays) {
  EXPECT_THAT(command(R"({"type":"ping","id":null})").id, IsEmpty());
  const Command one = command(
      R"({"type":"subscribe","topic":"a","topics":null,"since":null,"max_rate":null,"id":null})");
  EXPECT_THAT(topics_of(one), ElementsAre("a"));
  EXPECT_FALSE(one.many);
  EXPECT_THAT(one.since, IsEmpty());
  EXPECT_EQ(one.interval.count(), 0);
  const Command many = command(
      R"({"type":"subscribe","topic":null,"topics":["a","b"],"since":{"a":null,"b":{"epoch":"e","seq":1}}})");
  EXPECT_TRUE(many.many);
  EXPECT_EQ(many.since.size(), 1U);
}

TEST(ProtocolTest, AByteOrderMarkInFrontIsSkippedOnce) {
  EXPECT_EQ(command("\xEF\xBB\xBF{\"type\":\"ping\"}").kind, Kind::kPing);
  EXPECT_EQ(code_of("\xEF\xBB\xBF\xEF\xBB\xBF{\"type\":\"ping\"}"), "bad_json");
  EXPECT_EQ(code_of(std::string_view("{\"type\":\"ping\"}\0x", 17)), "bad_json");
}

TEST(JsonTextTest, SaysWhereATextStopsBeingJson) {
  const std::pair<std::string, const char*> rows[] = {
      {"", "it is empty"},
      {" \n", "it is empty"},
      {"NaN", "line 1, column 1, near NaN"},
      {"[1,]", "line 1, column 4, near [1,]"},
      {"{} x", "line 1, column 4, near {} x"},
      {"{\"a\":1", "line 1, column 7, where it ends too early"},
      {"\"abc", "line 1, column 5, where it ends too early"},
      {"{\n \"a\": tru,\n \"b\": 1}", "line 2, column 10, near  \"a\": tru,"},
      {"[\"삼성\" \"전자\"]", "line 1, column 10, near [\"삼성\" \"전자\"]"},
      {"[\"a\tb\"]", "line 1, column 4, near [\"a b\"]"},
      {"[1e400]", "line 1, column 6, near [1e400]"},
      {std::string("[]\0x", 4), "line 1, column 3, near [] x"},
      {"[\"\xff\"]", "line 1, column 3, near [\"?\"]"},
      {"\xEF\xBB\xBF[]", "line 1, column 1, near \xEF\xBB\xBF[]"}};
  for (const auto& [text, where] : rows) {
    EXPECT_FALSE(is_json(text)) << text;
    EXPECT_EQ(where_not_json(text), where) << text;
  }
}

TEST(JsonTextTest, ShowsNoMoreOfATextThanALineHasRoomFor) {
  for (const char* unit : {"x", "가", "\xff", "\x01", "[", "\"", "1"}) {
    std::string text = "[\"";
    for (int i = 0; i < 10'000; ++i) text += unit;
    text += "\n";
    const std::string where = where_not_json(text);
    EXPECT_LT(where.size(), 100U) << where;
    EXPECT_TRUE(std::ranges::none_of(where, [](char c) { return c >= 0 && c < ' '; })) << where;
    EXPECT_TRUE(nlohmann::json::accept(nlohmann::json(where).dump())) << unit;
  }
}

TEST(JsonTextTest, LooksForNestingNoFurtherThanItMust) {
  EXPECT_FALSE(is_nested_deeper(R"({"[[[":["\"[[[",{},[]]})", 3));
  EXPECT_TRUE(is_nested_deeper("[[[", 2));
  EXPECT_FALSE(is_nested_deeper("]]]}}[]", 1));
}

std::string pong_nested(std::size_t depth) {
  return R"({"type":"pong","a":)" + nested(depth - 1, "[", "]") + '}';
}

TEST(ProtocolTest, ACommandIsNestedAtMost64Deep) {
  EXPECT_TRUE(std::holds_alternative<Command>(parse_command(pong_nested(64), {})));
  const ErrorReply refused = refusal(pong_nested(65));
  EXPECT_EQ(to_string(refused.code), "bad_json");
  EXPECT_EQ(refused.message, "Objects and lists may be nested at most 64 deep");
}

TEST(ProtocolTest, WhatIsNestedTooDeepIsNotParsed) {
  const std::string bomb = pong_nested(32'700);
  const std::size_t before = allocations();
  EXPECT_EQ(to_string(refusal(bomb).code), "bad_json");
  EXPECT_LT(allocations() - before, 10U);
}

TEST(ProtocolTest, AnErrorAnswersTheIdOfItsCommand) {
  EXPECT_EQ(refusal(R"({"type":"x","id":"a"})").id, R"("a")");
  EXPECT_EQ(refusal(R"({"id":5})").id, "5");
  EXPECT_EQ(refusal(R"({"type":"subscribe","topic":"a b","id":6})").id, "6");
}

TEST(ProtocolTest, SaysWhatIsWrong) {
  struct Case {
    const char* text;
    const char* code;
    const char* words;
  };
  const Case cases[] = {
      {"", "bad_json", "not valid JSON"},
      {"{", "bad_json", "not valid JSON"},
      {"{}x", "bad_json", "not valid JSON"},
      {"{'type':'ping'}", "bad_json", "not valid JSON"},
      {R"({"type":"ping",})", "bad_json", "not valid JSON"},
      {"NaN", "bad_json", "not valid JSON"},
      {"[]", "bad_message", "must be a JSON object"},
      {R"("ping")", "bad_message", "must be a JSON object"},
      {"null", "bad_message", "must be a JSON object"},
      {"{}", "bad_message", R"("type" is missing)"},
      {R"({"type":7})", "bad_message", R"("type" is missing or not a string)"},
      {R"({"type":""})", "unknown_type", "Unknown message type: "},
      {R"({"type":"Ping"})", "unknown_type", "Unknown message type: Ping"},
      {R"({"type":"subscribe"})", "bad_message", R"(either "topic" or "topics")"},
      {R"({"type":"subscribe","topic":"a","topics":["a"]})", "bad_message", R"(either "topic")"},
      {R"({"type":"subscribe","topic":7})", "bad_message", R"("topic" must be a string)"},
      {R"({"type":"subscribe","topic":null})", "bad_message", R"("topic" must be a string)"},
      {R"({"type":"subscribe","topic":""})", "invalid_topic", "is not a topic"},
      {R"({"type":"subscribe","topic":"a b"})", "invalid_topic", R"("a b" is not a topic)"},
      {R"({"type":"subscribe","topic":"*"})", "invalid_topic", "is not a topic"},
      {R"({"type":"subscribe","topic":"price*"})", "invalid_topic", "or a pattern such as price:*"},
      {R"({"type":"subscribe","topic":"a:*:*"})", "invalid_topic", "is not a topic"},
      {R"({"type":"subscribe","topics":[]})", "bad_message", "at least one topic"},
      {R"({"type":"subscribe","topics":"a"})", "bad_message", "must be a list"},
      {R"({"type":"subscribe","topics":["a",7]})", "bad_message",
       R"("topics[1]" must be a string)"},
      {R"({"type":"subscribe","topics":["a","b","c","d"]})", "too_many_topics",
       "has 4 entries; a request may name at most 3"},
      {R"({"type":"subscribe","topic":"a","since":7})", "bad_message", R"("since" must be)"},
      {R"({"type":"subscribe","topic":"a","since":{"epoch":"x"}})", "bad_message",
       R"("since" must be)"},
      {R"({"type":"subscribe","topic":"a","since":{"epoch":"x","seq":-1}})", "bad_message",
       "a number of 0 or more"},
      {R"({"type":"subscribe","topic":"a","since":{"a":{"epoch":"x","seq":1.5}}})", "bad_message",
       R"("since" of "a" must be)"},
      {R"({"type":"subscribe","topics":["a","b"],"since":{"epoch":"x","seq":1}})", "bad_message",
       "must be {topic: {epoch, seq}}"},
      {R"({"type":"subscribe","topic":"a","snapshot":"true"})", "bad_message",
       "\"snapshot\" must be true or false"},
      {R"({"type":"subscribe","topic":"a:*","since":{"epoch":"x","seq":1}})", "bad_message",
       "must be {topic: {epoch, seq}}"},
      {R"({"type":"subscribe","topics":["a"],"max_rate":0})", "bad_message", "from 0.001 to 1000"},
      {R"({"type":"subscribe","topic":"a","max_rate":1e300})", "bad_message", "from 0.001 to 1000"},
      {R"({"type":"subscribe","topic":"a","max_rate":"2"})", "bad_message", "must be a number"},
  };
  for (const auto& [text, code, words] : cases) {
    EXPECT_EQ(code_of(text), code) << text;
    EXPECT_THAT(refusal(text).message, HasSubstr(words)) << text;
  }
}

TEST(ProtocolTest, ATopicMayBe255BytesLong) {
  const auto with_topic_of = [](std::size_t bytes) {
    return R"({"type":"subscribe","topic":")" + std::string(bytes, 'x') + "\"}";
  };
  EXPECT_EQ(topics_of(command(with_topic_of(255)))[0].size(), 255U);
  const ErrorReply error = refusal(with_topic_of(60'000));
  EXPECT_EQ(error.code, ErrorCode::kInvalidTopic);
  EXPECT_LT(write_error(error).size(), 500U) << "what is quoted back is cut";
}

// What an enemy may say.

TEST(ProtocolTest, SixtyThousandBracketsAreJustBadJson) {
  for (const char* end : {"", "]"}) {
    EXPECT_EQ(code_of(nested(60'000, "[", end)), "bad_json");
    EXPECT_EQ(code_of(nested(60'000, "{\"a\":", end)), "bad_json");
    EXPECT_EQ(code_of(R"({"type":)" + nested(60'000, "[", end) + "}"), "bad_json");
    EXPECT_EQ(code_of(R"({"type":"ping","id":)" + nested(60'000, "[", end) + "}"), "bad_json");
  }
}

TEST(ProtocolTest, HugeNumbersAreJustBadJson) {
  EXPECT_EQ(code_of(R"({"type":"ping","id":1e400})"), "bad_json");
  EXPECT_EQ(code_of(R"({"type":"ping","x":)" + std::string(60'000, '9') + "}"), "bad_json");
  EXPECT_EQ(code_of(R"({"type":"ping","id":9223372036854775808000})"), "bad_message");
}

TEST(ProtocolTest, LoneSurrogatesAreBadJsonAndPairsAreNot) {
  for (const char* bad : {R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\ud800")"}) {
    EXPECT_EQ(code_of(std::string(R"({"type":"ping","id":)") + bad + "}"), "bad_json") << bad;
  }
  EXPECT_EQ(command(R"({"type":"ping","id":"\ud83d\ude00"})").id, "\"😀\"");
}

TEST(ProtocolTest, ControlCharactersComeBackEscaped) {
  const ErrorReply error = refusal(R"({"type":"a\u0000\n\u001b[2J\"\\"})");
  EXPECT_EQ(error.code, ErrorCode::kUnknownType);
  const nlohmann::json json = nlohmann::json::parse(write_error(error));
  EXPECT_EQ(json.at("message"), "Unknown message type: " + std::string("a\0\n\x1b[2J\"\\", 9));
}

TEST(ProtocolTest, ALongTypeIsCutBetweenCharacters) {
  std::string type = "x";
  for (int i = 0; i < 1000; ++i) type += "é";
  const ErrorReply error = refusal(R"({"type":")" + type + "\"}");
  EXPECT_EQ(error.message, "Unknown message type: " + type.substr(0, 127));
}

TEST(ProtocolTest, ANameThatIsNotUtf8IsNotQuotedBack) {
  const AskedTopic topic = parse_topic("price:\xff", 255);
  EXPECT_EQ(nlohmann::json::parse(write_error(not_a_topic(std::get<NotATopic>(topic), Limits{}))),
            nlohmann::json::parse(
                R"({"type":"error","code":"invalid_topic","message":"A topic is not UTF-8"})"));
}

// What the host says.

const SubscriptionText kVcp{
    .topic = "signal:vcp", .epoch = "k3v9", .seq = 31, .delivery = Delivery::kAll};
const SubscriptionText kKospi{
    .topic = "market:kospi", .epoch = "a0b1", .seq = 0, .delivery = Delivery::kLatest};

SubscribedText only(const SubscriptionText& topic) {
  return {.name = topic.topic, .topics = {topic}};
}

TEST(ProtocolTest, WritesConnected) {
  EXPECT_EQ(
      write_connected("c-1"),
      R"({"type":"connected","client_id":"c-1","message":"WebSocket connection established"})");
}

TEST(ProtocolTest, WritesSubscribedForOneTopic) {
  EXPECT_EQ(nlohmann::json::parse(write_subscribed(only(kVcp), R"("x")")), nlohmann::json::parse(R"(
      {"type":"subscribed","topic":"signal:vcp","message":"Subscribed to signal:vcp",
       "epoch":"k3v9","seq":31,"delivery":"all","recovered":false,"id":"x"})"));
  EXPECT_FALSE(nlohmann::json::parse(write_subscribed(only(kVcp), "")).contains("id"));
}

TEST(ProtocolTest, WritesSubscribedForManyTopics) {
  const std::vector<ErrorReply> rejected = {
      {.code = ErrorCode::kUnknownTopic, .message = "No \"x\"", .topic = "x"}};
  EXPECT_EQ(nlohmann::json::parse(write_subscribed({only(kVcp), only(kKospi)}, rejected, "4")),
            nlohmann::json::parse(R"(
      {"type":"subscribed","message":"Subscribed to 2 topics","topics":[
        {"topic":"signal:vcp","epoch":"k3v9","seq":31,"delivery":"all","recovered":false},
        {"topic":"market:kospi","epoch":"a0b1","seq":0,"delivery":"latest","recovered":false}],
       "rejected":[{"topic":"x","code":"unknown_topic","message":"No \"x\""}],"id":4})"));
  EXPECT_EQ(nlohmann::json::parse(write_subscribed({}, {}, "")), nlohmann::json::parse(R"(
      {"type":"subscribed","message":"Subscribed to 0 topics","topics":[],"rejected":[]})"));
}

TEST(ProtocolTest, WritesSubscribedForAPatternWithTheTopicsThatExist) {
  SubscriptionText recovered = kVcp;
  recovered.recovered = true;
  const SubscribedText signals{.name = "signal:*", .is_pattern = true, .topics = {recovered}};
  EXPECT_EQ(nlohmann::json::parse(write_subscribed(signals, "1")), nlohmann::json::parse(R"(
      {"type":"subscribed","topic":"signal:*","message":"Subscribed to signal:*","topics":[
        {"topic":"signal:vcp","epoch":"k3v9","seq":31,"delivery":"all","recovered":true}],"id":1})"));
  EXPECT_EQ(nlohmann::json::parse(write_topic(kVcp, TopicReason::kNew)),
            nlohmann::json::parse(R"({"type":"topic","topic":"signal:vcp","epoch":"k3v9","seq":31,
                            "delivery":"all","reason":"new"})"));
  EXPECT_EQ(nlohmann::json::parse(write_topic(kKospi, TopicReason::kEpoch)).at("reason"), "epoch");
  const SubscribedText none{.name = "price:*", .is_pattern = true, .topics = {}};
  EXPECT_EQ(nlohmann::json::parse(write_subscribed({none, only(kKospi)}, {}, "")),
            nlohmann::json::parse(R"(
      {"type":"subscribed","message":"Subscribed to 2 topics","topics":[
        {"topic":"price:*","topics":[]},
        {"topic":"market:kospi","epoch":"a0b1","seq":0,"delivery":"latest","recovered":false}],
       "rejected":[]})"));
}

TEST(ProtocolTest, ReadsSinceInBothFormsAndMaxRate) {
  const Command one = command(
      R"({"type":"subscribe","topic":"a","since":{"epoch":"x","seq":18446744073709551615},"max_rate":0.5})");
  EXPECT_EQ(one.since.at("a").epoch, "x");
  EXPECT_EQ(one.since.at("a").seq, UINT64_MAX);
  EXPECT_EQ(one.interval, std::chrono::seconds(2));
  EXPECT_EQ(one.snapshot, std::nullopt);
  EXPECT_EQ(command(R"({"type":"subscribe","topic":"a","snapshot":false})").snapshot, false);
  EXPECT_EQ(command(R"({"type":"subscribe","topic":"a","snapshot":null})").snapshot, std::nullopt);
  EXPECT_EQ(command(R"({"type":"subscribe","topics":["a"],"snapshot":true})").snapshot, true);
  const Command many = command(
      R"({"type":"subscribe","topics":["epoch","b:*"],"since":{"epoch":{"epoch":"x","seq":1},"b:1":{"epoch":"y","seq":2}}})");
  EXPECT_EQ(many.since.at("epoch").seq, 1U);
  EXPECT_EQ(many.since.at("b:1").epoch, "y");
  EXPECT_EQ(many.interval, std::chrono::seconds(0));
}

TEST(ProtocolTest, WritesUnsubscribed) {
  EXPECT_EQ(nlohmann::json::parse(write_unsubscribed("signal:vcp", "4")), nlohmann::json::parse(R"(
      {"type":"unsubscribed","topic":"signal:vcp","message":"Unsubscribed from signal:vcp","id":4})"));
  const std::vector<AskedTopic> odd = {parse_topic("a\"b\n", 255)};
  EXPECT_EQ(nlohmann::json::parse(write_unsubscribed(odd, "")), nlohmann::json::parse(R"(
      {"type":"unsubscribed","message":"Unsubscribed from 1 topic","topics":["a\"b\n"]})"));
}

TEST(ProtocolTest, WritesSubscriptions) {
  EXPECT_EQ(nlohmann::json::parse(write_subscriptions({kVcp, kKospi}, {"price:*"}, "")),
            nlohmann::json::parse(R"(
      {"type":"subscriptions","topics":[
        {"topic":"signal:vcp","epoch":"k3v9","seq":31,"delivery":"all"},
        {"topic":"market:kospi","epoch":"a0b1","seq":0,"delivery":"latest"}],
       "patterns":["price:*"]})"));
  EXPECT_EQ(nlohmann::json::parse(write_subscriptions({}, {}, "")),
            nlohmann::json::parse(R"({"type":"subscriptions","topics":[],"patterns":[]})"));
}

TEST(ProtocolTest, WritesPongAndShutdown) {
  EXPECT_EQ(write_pong(""), R"({"type":"pong"})");
  EXPECT_EQ(write_pong("7"), R"({"type":"pong","id":7})");
  EXPECT_EQ(write_server_shutdown(std::chrono::milliseconds(1830)),
            R"({"type":"server_shutdown","retry_after_ms":1830})");
}

TEST(ProtocolTest, WritesErrorsWithWhatTheyHave) {
  EXPECT_EQ(nlohmann::json::parse(write_error({.code = ErrorCode::kBadJson, .message = "m"})),
            nlohmann::json::parse(R"({"type":"error","code":"bad_json","message":"m"})"));
  EXPECT_EQ(
      nlohmann::json::parse(write_error({.code = ErrorCode::kRateLimited,
                                         .message = "m",
                                         .topic = "t",
                                         .id = "7",
                                         .retry_after = std::chrono::milliseconds(250)})),
      nlohmann::json::parse(R"({"type":"error","code":"rate_limited","message":"m","topic":"t",
                            "retry_after_ms":250,"id":7})"));
}

TEST(ProtocolTest, ErrorCodesHaveTheWordsOfTheProtocol) {
  using enum ErrorCode;
  EXPECT_EQ(to_string(kBadJson), "bad_json");
  EXPECT_EQ(to_string(kBadMessage), "bad_message");
  EXPECT_EQ(to_string(kUnknownType), "unknown_type");
  EXPECT_EQ(to_string(kInvalidTopic), "invalid_topic");
  EXPECT_EQ(to_string(kUnknownTopic), "unknown_topic");
  EXPECT_EQ(to_string(kTooManyTopics), "too_many_topics");
  EXPECT_EQ(to_string(kRateLimited), "rate_limited");
}

// The pieces below.

TEST(JsonTextTest, QuotesEveryCharacterSoThatItParsesBack) {
  std::string text;
  for (int c = 0; c < 128; ++c) text += static_cast<char>(c);
  text += "é삼😀";
  std::string quoted;
  append_quoted(quoted, text);
  EXPECT_EQ(nlohmann::json::parse(quoted).get<std::string>(), text);
}

}  // namespace
}  // namespace broadcast
