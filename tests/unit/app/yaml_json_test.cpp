#include "host/app/yaml_json.hpp"

#include <gtest/gtest.h>

namespace broadcast {
namespace {

using nlohmann::json;

const Environment kEnvironment = [](const std::string& name) -> std::optional<std::string> {
  if (name == "FIVE") return "5";
  if (name == "TICKER") return "005930";
  return std::nullopt;
};

JsonFromYaml converted(std::string_view text) {
  YamlFindings findings;
  const YamlNode root = read_yaml(text, kEnvironment, findings);
  findings.throw_if_any("f.yaml");
  return to_json(root, "base");
}

struct Scalar {
  std::string yaml;
  json value;
};

TEST(YamlJsonTest, TypesPlainScalars) {
  for (const Scalar& one : std::initializer_list<Scalar>{
           {"true", true},
           {"False", false},
           {"null", nullptr},
           {"~", nullptr},
           {"yes", "yes"},
           {"0", 0},
           {"42", 42},
           {"-7", -7},
           {"+7", 7},
           {"9223372036854775807", std::int64_t{9223372036854775807}},
           {"18446744073709551615", std::uint64_t{18446744073709551615U}},
           {"1.5", 1.5},
           {"-.5", -0.5},
           {"1e3", 1000.0},
           {"1E-2", 0.01},
           {"1e999", "1e999"},
           {".inf", ".inf"},
           {"+-5", "+-5"},
           {"--5", "--5"},
           {"1.2.3", "1.2.3"},
           {"0x1F", "0x1F"},
           {"5s", "5s"},
           {"2026-02-05", "2026-02-05"},
           {"005930", "005930"},
           {"0015N0", "0015N0"},
           {"00.5", "00.5"},
           {"0.5", 0.5},
           {"text", "text"},
       }) {
    EXPECT_EQ(converted("v: " + one.yaml).value["v"].dump(), one.value.dump()) << one.yaml;
  }
}

TEST(YamlJsonTest, LeavesQuotedScalarsAsText) {
  for (const char* yaml : {"'5'", "\"true\"", "'null'", "''", "!!str 5", "|-\n  5"}) {
    EXPECT_TRUE(converted("v: " + std::string(yaml)).value["v"].is_string()) << yaml;
  }
}

TEST(YamlJsonTest, TypesPlainScalarsAfterVariablesAreExpanded) {
  const json value = converted(
                         "a: ${FIVE}\nb: \"${FIVE}\"\nc: ${TICKER}\nd: ${GONE:-true}\n"
                         "e: ${GONE:-}\nf: \"${GONE:-}\"\ng: ${FIVE}s\n")
                         .value;
  EXPECT_EQ(value,
            json::parse(R"({"a":5,"b":"5","c":"005930","d":true,"e":null,"f":"","g":"5s"})"));
}

TEST(YamlJsonTest, PlacesEverythingByItsPointer) {
  const JsonFromYaml result = converted("a:\n  - x/y~z: 1\n  - {p: [2]}\n");
  EXPECT_EQ(result.value, json::parse(R"({"a":[{"x/y~z":1},{"p":[2]}]})"));
  ASSERT_TRUE(result.places.contains("/a/0/x~1y~0z"));
  EXPECT_EQ(result.places.at("/a/0/x~1y~0z").path, "base.a[0].x/y~z");
  EXPECT_EQ(result.places.at("/a/1/p/0").path, "base.a[1].p[0]");
  EXPECT_EQ(result.places.at("/a/1/p/0").at, (YamlPosition{3, 10}));
  for (const auto& [pointer, place] : result.places) {
    EXPECT_TRUE(result.value.contains(json::json_pointer(pointer)) || pointer.empty()) << pointer;
  }
}

}  // namespace
}  // namespace broadcast
