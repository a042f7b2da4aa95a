#include "tools/broadcastctl/check_config.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "host/app/config.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

json config_in_host_file(const std::string& library, const std::string& file) {
  const Config config = load_config(file, process_environment());
  const std::string name = std::filesystem::path(library).filename().string();
  for (const auto& [broadcaster, one] : config.broadcasters) {
    if (std::filesystem::path(one.library).filename() == name) return one.config;
  }
  throw CannotRun(file + ": broadcasters: none has the library " + name +
                  ". Add it, or give the plugin's config alone.");
}

json config_in_yaml(const std::string& library, const std::string& file) {
  std::ifstream stream(file);
  if (!stream) throw CannotRun(file + ": cannot be read. Check --config.");
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  YamlFindings findings;
  const YamlNode root = read_yaml(text, process_environment(), findings);
  findings.throw_if_any(file);
  if (std::ranges::find(root.children, "broadcasters", &YamlNode::key) != root.children.end()) {
    return config_in_host_file(library, file);
  }
  if (root.kind == YamlNode::Kind::kNull) return json::object();
  if (root.kind != YamlNode::Kind::kMap) {
    throw CannotRun(file + ": expected a map, as under config: in the host's YAML.");
  }
  json config = to_json(root, "config").value;
  const bool is_entry =
      config.size() == 1 && config.contains("config") && config["config"].is_object();
  return is_entry ? json(config["config"]) : config;
}

}  // namespace

json check_config(const std::string& library, const std::string& yaml_file,
                  const std::string& json_text) {
  if (!yaml_file.empty()) return config_in_yaml(library, yaml_file);
  if (json_text.empty()) return json::object();
  json config = json::parse(json_text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) throw CannotRun("--config-json: expected a JSON object such as '{}'.");
  return config;
}

}  // namespace broadcast
