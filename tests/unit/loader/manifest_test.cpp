#include "host/loader/manifest.hpp"

#include <gtest/gtest.h>

#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

using test::plugin_path;
using test::refusal_of;

std::string manifest_with(const std::string& members) {
  return R"({"name":"quotes","version":"2.1.0","abi":[1,0])" + members + "}";
}

std::string refusal_of_manifest(const std::string& text) {
  return refusal_of([&] { static_cast<void>(parse_manifest("x.so", text)); });
}

std::string refusal_of_file(const std::string& name) {
  return refusal_of([&] { static_cast<void>(test::read_plugin(name)); });
}

TEST(ManifestTest, ReadsEveryMember) {
  const Manifest manifest = parse_manifest(
      "x.so",
      manifest_with(
          R"(,"requires":["bc.demand/1"],"demand":true,"exclusive":true,)"
          R"("topics":[{"pattern":"price:{ticker}","match":"[0-9]{6}","delivery":"latest"}],)"
          R"("config":{"type":"object","properties":{"interval":{"type":"string","format":"duration"}}})"));
  EXPECT_EQ(manifest.name, "quotes");
  EXPECT_EQ(manifest.version, "2.1.0");
  EXPECT_EQ(manifest.services, std::vector<std::string>{"bc.demand/1"});
  ASSERT_EQ(manifest.topics.size(), 1u);
  EXPECT_TRUE(manifest.topics[0].accepts("price:005930"));
  EXPECT_TRUE(manifest.wants_demand);
  EXPECT_TRUE(manifest.is_exclusive);
  EXPECT_TRUE(manifest.config_schema["properties"].contains("interval"));
}

TEST(ManifestTest, IgnoresMembersItDoesNotKnow) {
  EXPECT_EQ(parse_manifest("x.so", manifest_with(R"(,"colour":"red")")).name, "quotes");
}

TEST(ManifestTest, WithoutSchemaTakesNoConfig) {
  const Manifest manifest = parse_manifest("x.so", manifest_with(""));
  EXPECT_EQ(manifest.config_schema["additionalProperties"], false);
}

TEST(ManifestTest, NamesFileAndMemberThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "x.so: manifest is not JSON"},
      {std::string(1024 * 1024 + 1, ' '),
       "x.so: manifest has 1048577 bytes; at most 1048576 are read."},
      {"[]", "x.so: manifest is not a JSON object."},
      {"{}", "x.so: manifest: name: expected a text"},
      {R"({"name":"q","version":"1","abi":1})", "x.so: manifest: abi: expected [major, minor]"},
      {R"({"name":"q","version":"1","abi":[4294967297,0]})",
       "x.so: manifest: abi: expected [major, minor]"},
      {R"({"name":"a b","version":"1","abi":[1,0]})", "x.so: manifest: name: expected 1 to 64"},
      {manifest_with(R"(,"requires":"bc.demand/1")"), "x.so: manifest: requires: expected a list"},
      {manifest_with(R"(,"requires":[1])"),
       "x.so: manifest: requires: expected a list of extension ids"},
      {manifest_with(R"(,"demand":"yes")"), "x.so: manifest: demand: expected true or false"},
      {manifest_with(R"(,"topics":["price"])"), "x.so: manifest: topics[0]: expected an object"},
      {manifest_with(R"(,"topics":[{"pattern":"a","delivery":"most"}])"),
       "x.so: manifest: topics[0].delivery: expected \"latest\" or \"all\". Correct it"},
      {manifest_with(R"(,"topics":[{"pattern":"a{b}c","delivery":"all"}])"),
       "x.so: manifest: topics[0].pattern: topic pattern"},
      {manifest_with(R"(,"topics":[{"pattern":"a:{b}","match":"[","delivery":"all"}])"),
       "x.so: manifest: topics[0].pattern: topic pattern"},
      {manifest_with(R"(,"config":{"properties":{"a":{"oneOf":[]}}})"),
       "x.so: manifest: config/properties/a/oneOf: unknown schema keyword \"oneOf\""},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_TRUE(refusal_of_manifest(text).starts_with(expected)) << refusal_of_manifest(text);
  }
}

TEST(ManifestTest, RefusesAnotherAbiNamingBothSides) {
  EXPECT_EQ(refusal_of_file("too_new"),
            "quotes 2.1.0 (too_new.so): built for plugin ABI 2; this host speaks ABI 1. Rebuild "
            "with SDK 1.x, "
            "or upgrade the host.");
  EXPECT_EQ(refusal_of_file("too_old"),
            "quotes 2.1.0 (too_old.so): built for plugin ABI 0; this host speaks ABI 1. Rebuild "
            "with SDK 1.x, "
            "or upgrade the host.");
}

TEST(ManifestTest, RefusesAServiceThatThisHostDoesNotOffer) {
  EXPECT_EQ(refusal_of_file("wants_replay"),
            "quotes 2.1.0 (wants_replay.so): needs host service \"bc.replay/1\"; this host 1.3.2 "
            "does not offer "
            "it. Upgrade the host, or drop it from \"requires\".");
}

TEST(ManifestTest, RefusesAServiceWithoutItsPermission) {
  const Manifest manifest = parse_manifest(
      "x.so", manifest_with(R"(,"requires":["bc.status/1","bc.clients/1","bc.cache/1"])"));
  EXPECT_EQ(missing_permission(manifest, "heartbeat", {}),
            "heartbeat: asks for \"bc.clients/1\"; grant it with "
            "broadcasters.heartbeat.permissions: [clients].");
  EXPECT_EQ(missing_permission(manifest, "heartbeat", {"clients"}),
            "heartbeat: asks for \"bc.cache/1\"; grant it with broadcasters.heartbeat.permissions: "
            "[cache].");
  EXPECT_EQ(missing_permission(manifest, "heartbeat", {"cache", "clients"}), std::nullopt);
}

TEST(ManifestTest, RefusesWhatIsNestedDeepEnoughToEndAStack) {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_TRUE(refusal_of_manifest(R"({"config":{"default":)" + deep + "}}")
                  .starts_with("x.so: manifest is nested deeper than 128"));
}

}  // namespace
}  // namespace broadcast
