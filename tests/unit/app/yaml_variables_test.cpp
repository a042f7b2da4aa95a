#include "host/app/yaml_variables.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace broadcast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ExpandedText expanded(std::string_view text) {
  const std::map<std::string, std::string> set = {
      {"HOST", "example.com"}, {"EMPTY", ""}, {"DOLLARS", "$$ ${HOST}"}, {"_x9", "under"}};
  return expand_variables(text, [&](const std::string& name) -> std::optional<std::string> {
    const auto found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional(found->second);
  });
}

struct Expansion {
  std::string_view from;
  std::string_view to;
};

TEST(YamlVariablesTest, ExpandsWhatIsWritten) {
  for (const Expansion& one : std::initializer_list<Expansion>{
           {"", ""},
           {"plain", "plain"},
           {"${HOST}", "example.com"},
           {"https://${HOST}:80/${_x9}", "https://example.com:80/under"},
           {"${HOST:-other}", "example.com"},
           {"${EMPTY}", ""},
           {"${EMPTY:-other}", "other"},
           {"${MISSING:-other}", "other"},
           {"${MISSING:-}", ""},
           {"${MISSING:-${HOST}}", "example.com"},
           {"${MISSING:-${EMPTY:-${ABSENT:-deep}}}!", "deep!"},
           {"${HOST:-${MISSING}}", "example.com"},
           {"${MISSING:-a{b}", "a{b"},
           {"$$", "$"},
           {"$${HOST}", "${HOST}"},
           {"${MISSING:-$$5}", "$5"},
           {"^[0-9]+$", "^[0-9]+$"},
           {"$5 and 5$ ", "$5 and 5$ "},
           {"${DOLLARS}", "$$ ${HOST}"},
       }) {
    const ExpandedText result = expanded(one.from);
    EXPECT_THAT(result.problems, IsEmpty()) << one.from;
    EXPECT_EQ(result.text, one.to) << one.from;
  }
}

TEST(YamlVariablesTest, NamesTheVariableThatIsNotSet) {
  EXPECT_THAT(expanded("${MISSING} ${ABSENT}").problems,
              ElementsAre("environment variable MISSING is not set; set it, or write "
                          "${MISSING:-default}",
                          "environment variable ABSENT is not set; set it, or write "
                          "${ABSENT:-default}"));
  EXPECT_THAT(expanded("${MISSING:-${ABSENT}}").problems,
              ElementsAre(HasSubstr("variable ABSENT is not set")));
}

TEST(YamlVariablesTest, RefusesWhatIsNotAVariable) {
  const std::string expected = "expected ${NAME} or ${NAME:-default}, found ";
  EXPECT_THAT(expanded("${}").problems, ElementsAre(expected + "\"${}\""));
  EXPECT_THAT(expanded("${9A}").problems, ElementsAre(expected + "\"${9A}\""));
  EXPECT_THAT(expanded("${HOST-x}").problems, ElementsAre(expected + "\"${HOST-x}\""));
  EXPECT_THAT(expanded("${HOST").problems, ElementsAre(expected + "\"${HOST\""));
  EXPECT_THAT(expanded("${A:-${B:-x}").problems,
              ElementsAre("\"${\" without \"}\", expected ${NAME} or ${NAME:-default}"));
  EXPECT_THAT(expanded("a $HOST b").problems,
              ElementsAre("\"$HOST\" is not expanded; write ${HOST} for the variable, or $$ for a "
                          "dollar"));
}

TEST(YamlVariablesTest, ChecksTheFormOfADefaultThatIsNotNeeded) {
  EXPECT_THAT(expanded("${HOST:-${}}").problems, ElementsAre(HasSubstr("found \"${}}\"")));
}

TEST(YamlVariablesTest, BoundsHowDeepDefaultsNest) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "${A:-";
  EXPECT_THAT(expanded(text).problems, ElementsAre("more than 16 variables nested in each other"));
}

TEST(YamlVariablesTest, RefusesAValueThatIsNotUtf8) {
  const ExpandedText result = expand_variables(
      "${RAW}", [](const std::string&) { return std::optional<std::string>("\xFF"); });
  EXPECT_THAT(result.problems, ElementsAre("environment variable RAW is not UTF-8"));
}

}  // namespace
}  // namespace broadcast
