// The YAML file, its ${VARIABLES} and the config of broadcasters in it.

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "host/app/config.hpp"
#include "host/app/yaml_variables.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace broadcast {
namespace {

using fuzz::require;
using fuzz::require_equal;
using nlohmann::json;

const std::string kFile = "fuzz.yaml";
constexpr std::size_t kMostWritten = 1000;  // YAML's keys in one line end at 1024 characters

const Environment kEnvironment = [](const std::string& name) -> std::optional<std::string> {
  static const std::map<std::string, std::string> kValues = {
      {"A", "5"}, {"E", ""}, {"B", "not \xFF UTF-8"}, {"D", "${A} $$ \"{\n"}, {"L", "127.0.0.1:1"}};
  const auto found = kValues.find(name);
  return found == kValues.end() ? std::nullopt : std::optional(found->second);
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string with_dollars(std::string text) {
  replace_all(text, "$", "$$");
  return text;
}

void check_variables(const std::string& text) {
  const ExpandedText expanded = expand_variables(text, kEnvironment);
  for (const std::string& problem : expanded.problems) fuzz::require_sentence(problem);
  require(!expanded.problems.empty() || is_utf8(expanded.text), "variables leave text as UTF-8");
  const ExpandedText same = expand_variables(with_dollars(text), kEnvironment);
  require(same.problems.empty() && same.text == text, "$$ is a dollar and nothing else");
}

/// Each begins with `file:line:column: `.
void check_problems(const ConfigError& error) {
  require(!error.problems().empty(), "a refusal says why");
  for (const std::string& problem : error.problems()) {
    fuzz::require_sentence(problem);
    require(problem.starts_with(kFile + ":"), "a problem begins with the file: " + problem);
    const std::string place = problem.substr(kFile.size() + 1);
    const std::size_t end = place.find(": ");
    require(end != std::string::npos && place.find_first_not_of("0123456789:") == end + 1,
            "a problem has its line and column: " + problem);
  }
}

void check_limits(const Config& config) {
  const Limits& limits = config.limits;
  require(limits.publish_bytes <= limits.outbox_bytes / 4, "a message fits an outbox");
  require(limits.topics_per_request <= limits.topics_per_connection, "requests fit a connection");
  require(limits.topics_per_connection <= limits.topics, "connections fit the host");
  require(config.admin.listen.is_loopback() || !config.admin.tokens.empty(),
          "beyond this machine there is a token");
  for (const TokenConfig& token : config.admin.tokens) {
    require(!token.token.empty() && !token.scopes.empty(), "a token is one, and for something");
  }
}

/// Variables are expanded in values, not in keys.
json with_dollars_in_values(json value) {
  if (value.is_string()) return with_dollars(value.get<std::string>());
  if (value.is_structured()) {
    for (json& child : value) child = with_dollars_in_values(std::move(child));
  }
  return value;
}

/// JSON is YAML, as far as both are texts of a line.
void check_written(const std::string& name, const BroadcasterConfig& broadcaster) {
  std::string written = with_dollars_in_values(broadcaster.config).dump();
  if (written.size() > kMostWritten) return;
  replace_all(written, "\x7F", "\\u007f");
  const Config again =
      parse_config("broadcasters:\n  " + name + ":\n    config: " + written, kFile, kEnvironment);
  require_equal(again.broadcasters.at(name).config, broadcaster.config, "JSON is read as it is");
}

void check_broadcasters(const Config& config) {
  for (const auto& [name, broadcaster] : config.broadcasters) {
    require(broadcaster.config.is_object(), "a config is a map");
    require(!broadcaster.library.empty(), "there is a library to load");
    for (const auto& [pointer, place] : broadcaster.places) {
      require(broadcaster.config.contains(json::json_pointer(pointer)), "places are of values");
      fuzz::require_sentence(config.locate(name, pointer));
    }
    fuzz::require_sentence(config.locate(name, "/not/there"));
    check_written(name, broadcaster);
  }
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace broadcast;
  const std::string text(fuzz::text_of(data, size));
  if (is_utf8(text)) check_variables(text);
  std::optional<Config> config;
  try {
    config = parse_config(text, kFile, kEnvironment);
  } catch (const ConfigError& error) {
    check_problems(error);
    return 0;
  }
  check_limits(*config);
  check_broadcasters(*config);
  return 0;
}
