#include "host/ingest/producer_check.hpp"

#include <string>

#include <gtest/gtest.h>

namespace broadcast {
namespace {

TEST(ProducerCheckTest, TakesObjectsAndLists) {
  for (const char* good : {"{}", "[]", " \n[{\"a\":1}] ", "{\"이름\":\"삼성\"}"}) {
    EXPECT_EQ(check_payload(good, 64), std::nullopt) << good;
  }
}

TEST(ProducerCheckTest, SaysWhyItTakesNothingElse) {
  EXPECT_EQ(check_payload(std::nullopt, 64), Refusal::kTooLarge);
  EXPECT_EQ(check_payload("[" + std::string(64, ' ') + "]", 64), Refusal::kTooLarge);
  for (const char* bad : {"", "{", "[1,]", "{\"a\":1}}", "nix", "\xff", "[\"\xff\"]"}) {
    EXPECT_EQ(check_payload(bad, 64), Refusal::kNotJson) << bad;
  }
  EXPECT_EQ(check_payload(std::string_view("[1]\0x", 5), 64), Refusal::kNotJson);
  EXPECT_EQ(check_payload(std::string(65, '[') + std::string(65, ']'), 640), Refusal::kNotJson);
  for (const char* neither : {"7", "\"text\"", "null", "true"}) {
    EXPECT_EQ(check_payload(neither, 64), Refusal::kNeither) << neither;
  }
}

TEST(ProducerCheckTest, SaysWhereAPayloadIsNotJson) {
  EXPECT_EQ(words_of(Refusal::kNotJson, "[1,\n}"), "it is not JSON: line 2, column 1, near }");
  EXPECT_EQ(words_of(Refusal::kNotJson, std::string(65, '[') + std::string(65, ']')),
            words_of(Refusal::kNotJson));
  EXPECT_EQ(words_of(Refusal::kNeither, "7"), words_of(Refusal::kNeither));
}

}  // namespace
}  // namespace broadcast
