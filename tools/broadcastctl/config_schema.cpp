#include "tools/broadcastctl/config_schema.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "host/app/config.hpp"
#include "host/loader/plugin_refused.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

std::optional<std::string> no_variable(const std::string&) { return std::nullopt; }

bool is_map(const json& schema) {
  return schema.contains("type") && schema["type"].is_array() && schema["type"][0] == "object";
}
bool is_list(const json& schema) {
  return schema.contains("type") && schema["type"].is_array() && schema["type"][0] == "array";
}

/// A single value may be an environment variable's instead.
json or_variable(json schema) {
  return {{"anyOf", {std::move(schema), {{"$ref", "#/$defs/variable"}}}}};
}

void add_text(json& schema, const std::string& text) {
  if (text.empty()) return;
  const std::string before = schema.value("description", "");
  schema["description"] = before.empty() ? text : text + " (" + before + ")";
}

/// The place in `root`, which has what stands above it already, for the key `path`:
/// "admin.tokens[].token" is a property of the items.
json& place_of(json& root, const std::string& path) {
  json* at = &root;
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    std::string_view key = rest.substr(0, dot);
    rest.remove_prefix(std::min(dot + 1, rest.size()));
    const bool is_item = key.ends_with("[]");
    if (is_item) key.remove_suffix(2);
    at = key == "*" ? &(*at)["additionalProperties"] : &(*at)["properties"][std::string(key)];
    if (is_item) at = &(*at)["items"];
    const bool has_names = rest.starts_with('*');
    if (!rest.empty() && !has_names) (*at)["additionalProperties"] = false;
  }
  return *at;
}

/// As the plugin's manifest has it, in words that editors know.
json for_editors(json schema) {
  std::string limits;
  if (const std::string format = schema.value("format", ""); !format.empty()) {
    schema["pattern"] = format == "duration" ? "^[0-9]+(ms|s|m|h)$" : "^[0-9]+(B|KiB|MiB|GiB)?$";
    const std::string least = schema.value("minimum", "");
    const std::string most = schema.value("maximum", "");
    limits = (least.empty() ? "" : "from " + least) + (least.empty() || most.empty() ? "" : " ") +
             (most.empty() ? "" : "up to " + most);
    for (const char* const keyword : {"format", "minimum", "maximum"}) schema.erase(keyword);
  }
  if (schema.contains("properties")) {
    for (auto& [key, property] : schema["properties"].items()) {
      property = for_editors(std::move(property));
    }
  }
  for (const char* const keyword : {"items", "additionalProperties"}) {
    if (schema.contains(keyword) && schema[keyword].is_object()) {
      schema[keyword] = for_editors(std::move(schema[keyword]));
    }
  }
  const bool is_single = schema.contains("type") && schema["type"].is_string() &&
                         schema["type"] != "object" && schema["type"] != "array";
  if (!is_single) return schema;
  json outer;
  for (const char* const keyword : {"description", "default"}) {
    if (!schema.contains(keyword)) continue;
    outer[keyword] = std::move(schema[keyword]);
    schema.erase(keyword);
  }
  if (!limits.empty()) {
    json text = {{"description", limits}};
    add_text(text, outer.value("description", ""));
    outer["description"] = text["description"];
  }
  outer.update(or_variable(std::move(schema)));
  return outer;
}

json schema_of(const DescribedKey& key) {
  json schema = key.schema;
  add_text(schema, key.text);
  if (!is_map(schema) && !is_list(schema)) {
    const std::string text = schema.value("description", "");
    schema.erase("description");
    const bool takes_any_text = !schema.contains("enum") && !schema.contains("pattern");
    if (!takes_any_text) schema = or_variable(std::move(schema));
    if (!text.empty()) schema["description"] = text;
  }
  if (!key.default_value.is_null()) schema["default"] = key.default_value;
  return schema;
}

/// Of the host's own keys; maps allow no others.
json host_schema() {
  YamlFindings findings(YamlFindings::Mode::kDescribe);
  static_cast<void>(read_config(YamlNode{}, no_variable, findings));
  json root = {{"type", {"object", "null"}}, {"additionalProperties", false}};
  for (const auto& [path, key] : findings.described()) place_of(root, path) = schema_of(key);
  return root;
}

}  // namespace

json config_schema(const std::map<std::string, json>& plugins) {
  json schema = host_schema();
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "broadcast-host";
  schema["$defs"]["variable"] = {{"type", "string"}, {"pattern", "\\$\\{"}};
  json& broadcasters = schema["properties"]["broadcasters"];
  json any = broadcasters["additionalProperties"];
  any["type"] = {"object", "null"};
  broadcasters["additionalProperties"] = any;
  for (const auto& [name, config] : plugins) {
    json one = any;
    json exact = for_editors(config);
    exact["type"] = {"object", "null"};
    one["properties"]["config"] = std::move(exact);
    broadcasters["properties"][name] = std::move(one);
  }
  return schema;
}

std::map<std::string, json> plugin_schemas(const std::string& directory) {
  std::error_code error;
  const std::filesystem::directory_iterator files(directory, error);
  if (error) throw CannotRun(directory + ": " + error.message() + ". Check --plugins.");
  std::map<std::string, json> schemas;
  for (const auto& file : files) {
    std::string name = file.path().filename().string();
    if (!name.starts_with("lib") || !name.ends_with(".so")) continue;
    name = name.substr(3, name.size() - 6);
    try {
      schemas[name] = manifest_of(file.path()).config_schema;
    } catch (const PluginRefused&) {
      continue;
    }
  }
  return schemas;
}

}  // namespace broadcast
