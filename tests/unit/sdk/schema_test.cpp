#include <algorithm>

#include <gtest/gtest.h>

#include <broadcast/schema.hpp>

namespace broadcast {
namespace {

using nlohmann::json;

const json kPrice = json::parse(R"({
  "type": "object", "additionalProperties": false, "required": ["sources"],
  "properties": {
    "interval": {"type": "string", "format": "duration", "minimum": "100ms", "maximum": "1h",
                 "default": "5s"},
    "buffer": {"type": "string", "format": "size", "maximum": "1MiB", "description": "bytes kept"},
    "tickers": {"type": "array", "minItems": 1,
                "items": {"type": "string", "pattern": "^[0-9A-Z]{6}$", "minLength": 6, "maxLength": 6}},
    "limit": {"type": "integer", "minimum": 1, "maximum": 10, "default": 3},
    "ratio": {"type": ["number", "null"], "default": null},
    "verbose": {"type": "boolean", "default": false},
    "sources": {"type": "array", "items": {
      "type": "object", "additionalProperties": false,
      "properties": {"type": {"enum": ["sim", "database"]}, "seed": {"type": "integer", "default": 1}}}}
  }})");

/// "/pointer: text" of every error, one a line.
std::string errors_of(const json& schema, const json& value) {
  std::string lines;
  for (const SchemaError& error : check_value(schema, value)) {
    lines += error.pointer + ": " + error.text + "\n";
  }
  return lines;
}

std::string errors_in_price(const std::string& members) {
  return errors_of(kPrice, json::parse(R"({"sources":[])" + members + "}"));
}

TEST(SchemaTest, AcceptsAConfigThatFits) {
  EXPECT_EQ(check_schema(kPrice).size(), 0u);
  EXPECT_EQ(
      errors_in_price(
          R"(,"interval":"100ms","buffer":"64KiB","tickers":["0015N0"],"limit":10,"ratio":0.5)"),
      "");
}

TEST(SchemaTest, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(errors_in_price(R"(,"interval":"20ms")"),
            "/interval: 20ms is below the minimum 100ms\n");
  EXPECT_EQ(errors_in_price(R"(,"interval":"2h")"), "/interval: 2h is above the maximum 1h\n");
  EXPECT_EQ(errors_in_price(R"(,"interval":"5 s")"),
            "/interval: \"5 s\" is not a duration such as 250ms, 30s, 5m or 24h\n");
  EXPECT_EQ(errors_in_price(R"(,"interval":5)"),
            "/interval: expected a duration such as 250ms, 30s, 5m or 24h, got 5\n");
  EXPECT_EQ(errors_in_price(R"(,"buffer":"2MiB")"), "/buffer: 2MiB is above the maximum 1MiB\n");
  EXPECT_EQ(errors_in_price(R"(,"buffer":"2MB")"),
            "/buffer: \"2MB\" is not a size such as 512B, 64KiB or 1MiB\n");
  EXPECT_EQ(errors_in_price(R"(,"limit":0)"), "/limit: 0 is below the minimum 1\n");
  EXPECT_EQ(errors_in_price(R"(,"limit":11)"), "/limit: 11 is above the maximum 10\n");
  EXPECT_EQ(errors_in_price(R"(,"limit":1.5)"), "/limit: expected integer, got 1.5\n");
  EXPECT_EQ(errors_in_price(R"(,"ratio":"x")"), "/ratio: expected number, null, got \"x\"\n");
  EXPECT_EQ(errors_in_price(R"(,"verbose":{})"), "/verbose: expected boolean, got a map\n");
  EXPECT_EQ(errors_in_price(R"(,"tickers":[])"), "/tickers: needs at least 1 entry, has 0\n");
  EXPECT_EQ(errors_in_price(R"(,"tickers":["005930","abcdef"])"),
            "/tickers/1: \"abcdef\" does not match the pattern ^[0-9A-Z]{6}$\n");
  EXPECT_EQ(errors_in_price(R"(,"sources":[{"type":"foo"}])"),
            "/sources/0/type: \"foo\" is not one of sim, database\n");
}

TEST(SchemaTest, ChecksNothingByASchemaThatIsWrong) {
  EXPECT_THROW(static_cast<void>(check_value(json{{"minimum", "low"}}, 7)), std::invalid_argument);
}

TEST(SchemaTest, CountsCharactersAndNotBytes) {
  const json schema = {{"type", "string"}, {"minLength", 2}, {"maxLength", 4}};
  EXPECT_EQ(errors_of(schema, "삼성전자"), "");
  EXPECT_EQ(errors_of(schema, "삼"), ": \"삼\" is shorter than 2 characters\n");
  EXPECT_EQ(errors_of(schema, "abcde"), ": \"abcde\" is longer than 4 characters\n");
}

TEST(SchemaTest, NamesTheNearestKnownKey) {
  EXPECT_EQ(errors_in_price(R"(,"intervall":"5s")"),
            "/intervall: unknown key \"intervall\"; did you mean \"interval\"?\n");
  EXPECT_EQ(errors_in_price(R"(,"sources":[{"colour":1}])"),
            "/sources/0/colour: unknown key \"colour\"; known keys: seed, type\n");
  EXPECT_EQ(errors_of({{"additionalProperties", false}}, {{"a/b", 1}}),
            "/a~1b: unknown key \"a/b\"; no keys are known here\n");
}

TEST(SchemaTest, ReportsAllErrorsAtOnce) {
  const auto errors = check_value(
      kPrice, json::parse(R"({"interval":"1ms","limit":"x","tickers":["a"],"oops":1})"));
  std::vector<std::string> pointers;
  for (const SchemaError& error : errors) pointers.push_back(error.pointer);
  std::ranges::sort(pointers);
  EXPECT_EQ(pointers, (std::vector<std::string>{"", "/interval", "/limit", "/oops", "/tickers/0",
                                                "/tickers/0"}));
}

TEST(SchemaTest, ChecksKeysItDoesNotNameWithTheirOwnSchema) {
  const json schema = {{"additionalProperties", {{"type", "integer"}}}};
  EXPECT_EQ(errors_of(schema, {{"a", 1}, {"b", "x"}}), "/b: expected integer, got \"x\"\n");
}

TEST(SchemaTest, DoesNotRunAPatternOverAnEndlessText) {
  const json schema = {{"type", "string"}, {"pattern", "(a|b)*"}};
  EXPECT_EQ(errors_of(schema, std::string(1'000'000, 'a')),
            ": a text of 1000002 bytes is too long for the pattern (a|b)*\n");
}

TEST(SchemaTest, FillsDefaultsDownToTheEntriesOfLists) {
  EXPECT_EQ(
      with_defaults(kPrice, json::parse(R"({"sources":[{"type":"sim"}],"limit":7})")),
      json::parse(
          R"({"interval":"5s","limit":7,"ratio":null,"verbose":false,"sources":[{"type":"sim","seed":1}]})"));
}

TEST(SchemaTest, FillsDefaultsInsideADefault) {
  const json schema = json::parse(
      R"({"properties":{"a":{"type":"object","default":{},"properties":{"b":{"default":1}}}}})");
  EXPECT_EQ(with_defaults(schema, json::object()), json::parse(R"({"a":{"b":1}})"));
}

TEST(SchemaTest, RefusesASchemaThatItCannotCheck) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"anyOf":[]})", "/anyOf: unknown schema keyword \"anyOf\""},
      {R"({"properties":{"a":{"const":1}}})",
       "/properties/a/const: unknown schema keyword \"const\""},
      {R"({"items":{"$ref":"#"}})", "/items/$ref: unknown schema keyword \"$ref\""},
      {R"({"additionalProperties":{"if":{}}})",
       "/additionalProperties/if: unknown schema keyword \"if\""},
      {R"({"type":"float"})",
       "/type: expected one of object, array, string, integer, number, boolean, null"},
      {R"({"properties":[]})", "/properties: expected an object of schemas"},
      {R"({"required":"a"})", "/required: expected a list of key names"},
      {R"({"enum":[]})", "/enum: expected a list with at least one value"},
      {R"({"minimum":"5s"})", "/minimum: expected a number"},
      {R"({"format":"duration","minimum":5})",
       "/minimum: expected a duration such as 250ms, 30s, 5m or 24h"},
      {R"({"format":"email"})", "/format: expected duration or size"},
      {R"({"pattern":"["})", "/pattern: not a regular expression: "},
      {R"({"pattern":"a{0,4222222222222222222}"})",
       "/pattern: repeats something more than 999 times"},
      {R"({"minLength":-1})", "/minLength: expected a whole number from 0"},
      {R"({"type":"integer","default":"x"})", "/default: expected integer, got \"x\""},
      {R"([])", ": expected a schema (an object)"},
  };
  for (const auto& [schema, expected] : cases) {
    const auto errors = check_schema(json::parse(schema));
    ASSERT_EQ(errors.size(), 1u) << schema;
    EXPECT_TRUE((errors[0].pointer + ": " + errors[0].text).starts_with(expected))
        << errors[0].pointer << ": " << errors[0].text;
  }
}

TEST(SchemaTest, RefusesAPatternLongEnoughToEndAStack) {
  const auto errors = check_schema({{"type", "string"}, {"pattern", std::string(100'000, '(')}});
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].text, "longer than 1024 bytes");
}

TEST(SchemaTest, RefusesASchemaThatNestsWithoutEnd) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += R"({"items":)";
  text += "{}" + std::string(10'000, '}');
  const auto errors = check_schema(json::parse(text));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].text, "schema nested too deep");
}

}  // namespace
}  // namespace broadcast
