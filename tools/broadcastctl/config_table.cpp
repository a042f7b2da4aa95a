#include "tools/broadcastctl/config_table.hpp"

#include <algorithm>
#include <string_view>

#include "host/base/utf8.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

std::string plain(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string word_for(const std::string& type) {
  if (type == "string") return "text";
  if (type == "array") return "list";
  if (type == "object") return "map";
  return type;
}

std::string type_of(const json& schema) {
  if (schema.contains("format")) return schema["format"];
  if (!schema.contains("type")) return "any";
  std::string words;
  const json types = schema["type"].is_array() ? schema["type"] : json::array({schema["type"]});
  for (const json& type : types) {
    words += (words.empty() ? "" : " or ") + word_for(type.get<std::string>());
  }
  if (words == "list" && schema.contains("items")) {
    const std::string item = type_of(schema["items"]);
    if (item != "any") words += " of " + item + (item.ends_with('s') ? "" : "s");
  }
  return words;
}

void add_limit(std::string& limits, const std::string& limit) {
  limits += (limits.empty() ? "" : ", ") + limit;
}

void add_range(std::string& limits, const json& schema, const char* least, const char* most,
               const std::string& unit) {
  const bool has_least = schema.contains(least);
  const bool has_most = schema.contains(most);
  if (has_least && has_most) {
    add_limit(limits, plain(schema[least]) + " … " + plain(schema[most]) + unit);
  } else if (has_least) {
    add_limit(limits, "from " + plain(schema[least]) + unit);
  } else if (has_most) {
    add_limit(limits, "up to " + plain(schema[most]) + unit);
  }
}

std::string limits_of(const json& schema) {
  std::string limits;
  if (schema.contains("enum")) {
    std::string words;
    for (const json& one : schema["enum"]) words += (words.empty() ? "" : ", ") + plain(one);
    add_limit(limits, "one of " + words);
  }
  add_range(limits, schema, "minimum", "maximum", "");
  add_range(limits, schema, "minLength", "maxLength", " characters");
  if (schema.contains("pattern")) add_limit(limits, "matches `" + plain(schema["pattern"]) + "`");
  if (schema.contains("minItems")) add_limit(limits, "at least " + plain(schema["minItems"]));
  if (schema.contains("items")) {
    if (const std::string of_items = limits_of(schema["items"]); !of_items.empty()) {
      add_limit(limits, "each " + of_items);
    }
  }
  return limits;
}

bool is_required(const json& schema, const std::string& key) {
  return schema.contains("required") &&
         std::ranges::find(schema["required"], json(key)) != schema["required"].end();
}

void collect(const json& schema, const std::string& prefix, std::vector<ConfigKey>& keys) {
  if (schema.contains("items")) collect(schema["items"], prefix + "[]", keys);
  if (!schema.contains("properties")) return;
  for (const auto& [name, property] : schema["properties"].items()) {
    const std::string key = prefix.empty() ? name : prefix + "." + name;
    const bool has_default = property.contains("default");
    keys.push_back({.key = key,
                    .type = type_of(property),
                    .default_text = has_default                 ? property["default"].dump()
                                    : is_required(schema, name) ? "required"
                                                                : "",
                    .limits = limits_of(property),
                    .meaning = property.value("description", "")});
    collect(property, key, keys);
  }
}

/// A cell cannot hold a bar, a line break, or what looks like a tag.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|' || c == '<') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

/// A query of several lines, say, is in the manifest for who wants to read it.
std::string shortened(const std::string& text) {
  constexpr std::size_t kMost = 80;
  return text.size() <= kMost ? text : std::string(cut_utf8(text, kMost)) + "…";
}

}  // namespace

std::vector<ConfigKey> config_keys(const json& schema) {
  std::vector<ConfigKey> keys;
  collect(schema, "", keys);
  return keys;
}

std::string config_table(const json& schema) {
  const std::vector<ConfigKey> keys = config_keys(schema);
  if (keys.empty()) return "It has no keys.\n";
  std::string table = "| key | type | default | limits | meaning |\n|---|---|---|---|---|\n";
  for (const ConfigKey& key : keys) {
    const bool is_value = !key.default_text.empty() && key.default_text != "required";
    const std::string otherwise =
        is_value ? std::string("`").append(shortened(key.default_text)).append("`")
                 : key.default_text;
    table += "| `" + key.key + "` | " + cell(key.type) + " | " + cell(otherwise) + " | " +
             cell(key.limits) + " | " + cell(key.meaning) + " |\n";
  }
  return table;
}

}  // namespace broadcast
