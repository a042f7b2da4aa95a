#include "host/app/yaml_document.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/app/yaml_json.hpp"

namespace broadcast {
namespace {

using nlohmann::json;

const Environment kNoEnvironment = [](const std::string&) { return std::nullopt; };

json read(std::string_view text) {
  YamlFindings findings;
  const YamlNode root = read_yaml(text, kNoEnvironment, findings);
  findings.throw_if_any("f.yaml");
  return to_json(root, "").value;
}

std::string problem(std::string_view text) {
  try {
    return "no problem: " + read(text).dump();
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(YamlDocumentTest, CopiesAnchorsAndMergesMaps) {
  EXPECT_EQ(read("base: &b {x: 1, y: 2}\n"
                 "one: {<<: *b, y: 3}\n"
                 "two: {z: 4, <<: [{x: 9}, *b]}\n"
                 "list: [*b, &n 7, *n]\n"),
            json::parse(R"({"base":{"x":1,"y":2},"one":{"x":1,"y":3},"two":{"x":9,"y":2,"z":4},
                            "list":[{"x":1,"y":2},7,7]})"));
}

TEST(YamlDocumentTest, MergesWhatWasMergedItself) {
  EXPECT_EQ(read("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n")["c"],
            json::parse(R"({"x":1,"y":2})"));
}

TEST(YamlDocumentTest, TakesAQuotedMergeKeyForAKey) {
  EXPECT_EQ(read("{\"<<\": 1}"), json::parse(R"({"<<":1})"));
}

TEST(YamlDocumentTest, SkipsAByteOrderMark) {
  EXPECT_EQ(read("\xEF\xBB\xBF"
                 "a: 1\n")["a"],
            1);
  EXPECT_EQ(problem("\xEF\xBB\xBF"
                    "a: 1\na: 2\n"),
            problem("a: 1\na: 2\n"));
  EXPECT_EQ(problem("\xEF\xBB\xBF"
                    "{a: 1, a: 2}"),
            problem("{a: 1, a: 2}"));
}

TEST(YamlDocumentTest, ReadsNothingAsNull) {
  for (const char* text : {"", "\n\n", "# a comment\n", "---\n", "null\n", "~"}) {
    EXPECT_EQ(read(text), nullptr) << text;
  }
}

TEST(YamlDocumentTest, PlacesKeysAndItemsWhereTheyStand) {
  YamlFindings findings;
  const YamlNode root = read_yaml("a:\n  bc: 1\n  d:\n    - x\n", kNoEnvironment, findings);
  const YamlNode& a = root.children.at(0);
  EXPECT_EQ(a.at, (YamlPosition{1, 1}));
  EXPECT_EQ(a.children.at(0).at, (YamlPosition{2, 3}));
  EXPECT_EQ(a.children.at(1).children.at(0).at, (YamlPosition{4, 7}));
}

struct Refusal {
  std::string text;
  std::string problem;
};

TEST(YamlDocumentTest, SaysWhatIsWrongAndWhere) {
  for (const Refusal& one : std::initializer_list<Refusal>{
           {"a: [1, 2", "f.yaml:2:1: not YAML: end of sequence flow not found"},
           {"a: 1\n b: 2\n", "f.yaml:2:3: not YAML: illegal map value"},
           {"a: \"x\nb: 2\n", "f.yaml:3:2: not YAML: illegal EOF in scalar"},
           {"a: 'x", "f.yaml:2:2: not YAML: illegal EOF in scalar"},
           {"a: *nobody\n", "f.yaml:1:4: not YAML: the referenced anchor is not defined"},
           {"a: 1\n---\nb: 2\n", "f.yaml:3:1: a second document; a file may have only one"},
           {"a: 1\n\x01",
            "f.yaml:2:1: a control character; write it as an escape in double quotes"},
           {"a: 1\x04\nb: 2\n",
            "f.yaml:1:5: a control character; write it as an escape in double quotes"},
           {"a: \xFF\n", "f.yaml:1:4: not UTF-8"},
           {"a: \xEC\x82", "f.yaml:1:6: not UTF-8"},
           {"a: !secret x\n", "f.yaml:1:4: the tag \"!secret\" is not supported; remove it"},
           {"a: !!int 5\n",
            "f.yaml:1:4: the tag \"tag:yaml.org,2002:int\" is not supported; remove it"},
           {"{[a, b]: 1}", "f.yaml:1:2: a key must be a text"},
           {"? {a: b}\n: 1\n", "f.yaml:1:3: a key must be a text"},
           {"a: &x [1, *x]\n", "f.yaml:1:11: an alias is inside its own anchor"},
           {"a: 1\nb:\n  c: 2\n  c: 3\na: 4\n",
            "f.yaml:4:3: b.c: given twice, first in line 3; remove one\n"
            "f.yaml:5:1: a: given twice, first in line 1; remove one"},
           {"a: {<<: 5}\n", "f.yaml:1:5: a.<<: expected a map or a list of maps to merge"},
           {"a: [x, \"${GONE}\"]\n",
            "f.yaml:1:8: a[1]: environment variable GONE is not set; set it, or write "
            "${GONE:-default}"},
       }) {
    EXPECT_EQ(problem(one.text), one.problem) << one.text;
  }
}

TEST(YamlDocumentTest, BoundsHowDeepValuesNest) {
  const auto nested = [](std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  std::string dashes;
  for (int i = 0; i < 10'000; ++i) dashes += "- ";
  EXPECT_EQ(problem(nested(65)), "f.yaml:1:65: nested more than 64 levels deep");
  EXPECT_EQ(problem(dashes), "f.yaml:1:129: nested more than 64 levels deep");
  EXPECT_EQ(read(nested(64)).size(), 1U);
}

/// `levels` lists of nine aliases to the list before.
std::string billion_laughs(int levels) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i <= levels; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 8; ++j) text += ", " + before;
    text += "]\n";
  }
  return text;
}

TEST(YamlDocumentTest, BoundsWhatAliasesCopy) {
  EXPECT_EQ(problem(billion_laughs(9)),
            "f.yaml:5:5: more than 100000 values or 16MiB of text, aliases counted where they are "
            "used");
  EXPECT_EQ(read(billion_laughs(2))["a2"][8][8][8], "x");
}

TEST(YamlDocumentTest, BoundsTheTextThatAliasesCopy) {
  std::string text = "a: &a " + std::string(500'000, 'x') + "\nb: [*a";
  for (int i = 0; i < 100; ++i) text += ", *a";
  EXPECT_THAT(problem(text + "]"), testing::HasSubstr(" or 16MiB of text"));
}

}  // namespace
}  // namespace broadcast
