#include <string>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

#include <broadcast/fields.hpp>

namespace broadcast {
namespace {

static_assert(std::is_constructible_v<Field, const Json&, std::string>);
static_assert(!std::is_constructible_v<Field, Json, std::string>, "it would outlive its value");
static_assert(!std::is_constructible_v<Field, const Json, std::string>);

template <class Check>
std::string refusal_of(const Json& value, Check check) {
  try {
    check(Field(value, "x"));
  } catch (const Refused& refused) {
    return refused.what();
  }
  return "";
}

TEST(FieldsTest, ATickerIsWhatMayNameAnInstrument) {
  for (const char* ticker : {"005930", "0015N0", "BRK.B", "KRX:005930", "a-b_c"}) {
    EXPECT_EQ(refusal_of(ticker, [](const Field& field) { require_ticker(field); }), "") << ticker;
  }
  const std::pair<Json, const char*> rows[] = {
      {"<b>", "x: expected letters, digits and . - _ :, got \"<b>\""},
      {"a b", "x: expected letters, digits and . - _ :, got \"a b\""},
      {"삼성", "x: expected letters, digits and . - _ :, got \"삼성\""},
      {std::string(33, 'A'), "x: expected at most 32 bytes, got 33"},
      {"", "x: expected text, got \"\""},
      {5930, "x: expected text, got 5930"},
  };
  for (const auto& [ticker, why] : rows) {
    EXPECT_EQ(refusal_of(ticker, [](const Field& field) { require_ticker(field); }), why);
  }
}

TEST(FieldsTest, AnItemThatIsNotThereIsRefused) {
  const auto third = [](const Field& field) { static_cast<void>(field.at(2)); };
  EXPECT_EQ(refusal_of(Json{1, 2, 3}, third), "");
  EXPECT_EQ(refusal_of(Json{1, 2}, third), "x[2]: missing");
  EXPECT_EQ(refusal_of("text", third), "x: expected a list, got \"text\"");
}

TEST(FieldsTest, LengthsAreBounded) {
  const auto two_bytes = [](const Field& field) { require_string(field, 2); };
  EXPECT_EQ(refusal_of("ab", two_bytes), "");
  EXPECT_EQ(refusal_of("abc", two_bytes), "x: expected at most 2 bytes, got 3");
  const auto two_items = [](const Field& field) { require_array(field, 2); };
  EXPECT_EQ(refusal_of(Json::array({1, 2}), two_items), "");
  EXPECT_EQ(refusal_of(Json::array({1, 2, 3}), two_items), "x: expected at most 2 items, got 3");
}

TEST(FieldsTest, WhatIsReadIsCheckedFirst) {
  const Json value = Json::parse(R"({"name":"a","points":1.5})");
  const Field field(value, "");
  EXPECT_EQ(string_of(field.at("name")), "a");
  EXPECT_EQ(number_of(field.at("points")), 1.5);
  EXPECT_THROW(static_cast<void>(number_of(field.at("name"))), Refused);
  EXPECT_THROW(static_cast<void>(string_of(field.at("points"))), Refused);
}

}  // namespace
}  // namespace broadcast
