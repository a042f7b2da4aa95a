#pragma once
// How a broadcaster's `config:` is checked, by the host before it loads the library, and by
// FakeHost. A manifest describes its config by a subset of JSON Schema; any other keyword is an
// error. Pure; [any]. Needs nlohmann/json.
//
//   type                  object, array, string, integer, number, boolean, null, or a list of them
//   properties, required, additionalProperties
//   enum, default, description
//   minimum, maximum      of numbers; of texts with a format, then as such texts
//   minLength, maxLength  in characters, not bytes
//   pattern               an ECMAScript regular expression of at most 1024 bytes that has to occur
//                         in the text, itself at most 1024 bytes
//   items, minItems
//   format                duration ("5s") or size ("64KiB"), see <broadcast/units.hpp>
//
// A schema is nested at most 32 deep. A default has to fit its own schema.

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <broadcast/host_rules.hpp>
#include <broadcast/units.hpp>
#include <broadcast/words.hpp>

namespace broadcast {

/// One thing that is wrong, and where, as a JSON pointer that the caller may turn into a line of
/// YAML.
struct SchemaError {
  std::string pointer;  ///< "/sources/0/type"; "" is the whole value
  std::string text;     ///< "20ms is below the minimum 100ms"
};

namespace schema_detail {
using nlohmann::json;

inline constexpr std::size_t kMaxDepth = 32;
inline constexpr std::size_t kMaxPatternedText = 1024;  // std::regex recurses once a character
inline constexpr std::size_t kMaxPattern = 1024;        // and so does compiling one, once a bracket
inline constexpr std::size_t kMaxShownText = 80;

inline constexpr std::array<std::string_view, 7> kTypes = {"object", "array",   "string", "integer",
                                                           "number", "boolean", "null"};

inline bool has_type(const json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return value.is_null();
}

/// A value as the operator wrote it, quoted only where quotes help.
inline std::string shown(const json& value) {
  if (value.is_object()) return "a map";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kMaxShownText) text = "a text of " + std::to_string(text.size()) + " bytes";
  return text;
}

inline std::string unknown_key(const std::string& key, const json& properties) {
  std::vector<std::string> known;
  for (const auto& [name, schema] : properties.items()) known.push_back(name);
  const std::string text = "unknown key " + shown(key);
  if (const std::string near = nearest(key, known); !near.empty()) {
    return text + "; did you mean \"" + near + "\"?";
  }
  return text + (known.empty() ? "; no keys are known here" : "; known keys: " + listed(known));
}

/// What minimum and maximum compare: the number, or the text read as its format says.
inline std::optional<double> measure(const json& value, std::string_view format) {
  if (format.empty()) {
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
  }
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (format == "duration") {
    const auto duration = parse_duration(text);
    return duration ? std::optional(static_cast<double>(duration->count())) : std::nullopt;
  }
  const auto size = parse_size(text);
  return size ? std::optional(static_cast<double>(*size)) : std::nullopt;
}

inline std::string format_of(const json& schema) { return schema.value("format", std::string()); }

inline std::string_view example_of(std::string_view format) {
  return format == "duration" ? "a duration such as 250ms, 30s, 5m or 24h"
                              : "a size such as 512B, 64KiB or 1MiB";
}

/// Characters, not bytes: what minLength and maxLength count.
inline std::size_t length_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

/// Texts as they are, limits and enums without quotes: `20ms is below the minimum 100ms`.
inline std::string plain(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

class ValueCheck {
 public:
  std::vector<SchemaError> errors;

  void check(const json& schema, const json& value, const std::string& pointer) {
    const std::string format = format_of(schema);
    if (!check_type(schema, value, format, pointer)) return;
    check_enum(schema, value, pointer);
    if (!format.empty() && !measure(value, format)) {
      add(pointer, shown(value) + " is not " + std::string(example_of(format)));
    } else {
      check_limits(schema, value, format, pointer);
    }
    if (value.is_string()) check_text(schema, value.get_ref<const std::string&>(), pointer);
    if (value.is_array()) check_list(schema, value, pointer);
    if (value.is_object()) check_map(schema, value, pointer);
  }

 private:
  void add(const std::string& pointer, std::string text) {
    errors.push_back({pointer, std::move(text)});
  }

  bool check_type(const json& schema, const json& value, const std::string& format,
                  const std::string& pointer) {
    if (!schema.contains("type")) return true;
    std::vector<std::string> types;
    if (schema["type"].is_string()) {
      types.push_back(schema["type"]);
    } else {
      types = schema["type"].get<std::vector<std::string>>();
    }
    if (std::ranges::any_of(types, [&](const auto& type) { return has_type(value, type); })) {
      return true;
    }
    const std::string expected = format.empty() ? listed(types) : std::string(example_of(format));
    add(pointer, "expected " + expected + ", got " + shown(value));
    return false;
  }

  void check_enum(const json& schema, const json& value, const std::string& pointer) {
    if (!schema.contains("enum")) return;
    const json& allowed = schema["enum"];
    if (std::ranges::find(allowed, value) != allowed.end()) return;
    std::vector<std::string> words;
    for (const json& one : allowed) words.push_back(plain(one));
    add(pointer, shown(value) + " is not one of " + listed(words));
  }

  void check_limits(const json& schema, const json& value, const std::string& format,
                    const std::string& pointer) {
    const auto measured = measure(value, format);
    if (!measured) return;
    if (schema.contains("minimum") && *measured < *measure(schema["minimum"], format)) {
      add(pointer, plain(value) + " is below the minimum " + plain(schema["minimum"]));
    }
    if (schema.contains("maximum") && *measured > *measure(schema["maximum"], format)) {
      add(pointer, plain(value) + " is above the maximum " + plain(schema["maximum"]));
    }
  }

  void check_text(const json& schema, const std::string& text, const std::string& pointer) {
    const std::size_t length = length_of(text);
    const auto min = schema.value("minLength", std::uint64_t{0});
    const auto max = schema.value("maxLength", std::uint64_t{UINT64_MAX});
    if (length < min) {
      add(pointer, shown(text) + " is shorter than " + std::to_string(min) + " characters");
    }
    if (length > max) {
      add(pointer, shown(text) + " is longer than " + std::to_string(max) + " characters");
    }
    if (!schema.contains("pattern")) return;
    const auto& pattern = schema["pattern"].get_ref<const std::string&>();
    if (text.size() > kMaxPatternedText) {
      add(pointer, shown(text) + " is too long for the pattern " + pattern);
    } else if (!std::regex_search(text, std::regex(pattern, std::regex::ECMAScript))) {
      add(pointer, shown(text) + " does not match the pattern " + pattern);
    }
  }

  void check_list(const json& schema, const json& list, const std::string& pointer) {
    const auto min = schema.value("minItems", std::uint64_t{0});
    if (list.size() < min) {
      add(pointer, "needs at least " + std::to_string(min) + (min == 1 ? " entry" : " entries") +
                       ", has " + std::to_string(list.size()));
    }
    if (!schema.contains("items")) return;
    for (std::size_t i = 0; i < list.size(); ++i) {
      check(schema["items"], list[i], pointer + '/' + std::to_string(i));
    }
  }

  void check_map(const json& schema, const json& map, const std::string& pointer) {
    static const json kNone = json::object();
    const json& properties = schema.contains("properties") ? schema["properties"] : kNone;
    if (schema.contains("required")) {
      for (const json& key : schema["required"]) {
        if (!map.contains(key.get_ref<const std::string&>())) {
          add(pointer, "missing key " + shown(key));
        }
      }
    }
    for (const auto& [key, value] : map.items()) {
      if (properties.contains(key)) {
        check(properties[key], value, pointer_below(pointer, key));
      } else if (schema.contains("additionalProperties")) {
        const json& others = schema["additionalProperties"];
        if (others.is_object()) check(others, value, pointer_below(pointer, key));
        if (others == false) add(pointer_below(pointer, key), unknown_key(key, properties));
      }
    }
  }
};

class SchemaCheck {
 public:
  std::vector<SchemaError> errors;

  void check(const json& schema, const std::string& pointer, std::size_t depth) {
    if (!schema.is_object()) return add(pointer, "expected a schema (an object)");
    if (depth > kMaxDepth) return add(pointer, "schema nested too deep");
    const std::size_t errors_before = errors.size();
    for (const auto& [keyword, value] : schema.items()) {
      check_keyword(schema, keyword, value, pointer_below(pointer, keyword), depth);
    }
    if (errors.size() != errors_before || !schema.contains("default")) return;
    ValueCheck check_default;
    check_default.check(schema, schema["default"], pointer_below(pointer, "default"));
    std::ranges::move(check_default.errors, std::back_inserter(errors));
  }

 private:
  void add(const std::string& pointer, std::string text) {
    errors.push_back({pointer, std::move(text)});
  }
  void need(bool fulfilled, const std::string& pointer, std::string_view expected) {
    if (!fulfilled) add(pointer, "expected " + std::string(expected));
  }

  void check_keyword(const json& schema, const std::string& keyword, const json& value,
                     const std::string& pointer, std::size_t depth) {
    if (keyword == "type") {
      need(is_type(value), pointer, "one of object, array, string, integer, number, boolean, null");
    } else if (keyword == "properties") {
      check_properties(value, pointer, depth);
    } else if (keyword == "required") {
      need(is_list_of_texts(value), pointer, "a list of key names");
    } else if (keyword == "additionalProperties") {
      if (!value.is_boolean()) check(value, pointer, depth + 1);
    } else if (keyword == "items") {
      check(value, pointer, depth + 1);
    } else if (keyword == "enum") {
      need(value.is_array() && !value.empty(), pointer, "a list with at least one value");
    } else if (keyword == "minimum" || keyword == "maximum") {
      check_limit(schema, value, pointer);
    } else if (keyword == "minLength" || keyword == "maxLength" || keyword == "minItems") {
      need(value.is_number_integer() && value >= 0, pointer, "a whole number from 0");
    } else if (keyword == "pattern") {
      check_pattern(value, pointer);
    } else if (keyword == "format") {
      need(value == "duration" || value == "size", pointer, "duration or size");
    } else if (keyword == "description") {
      need(value.is_string(), pointer, "a text");
    } else if (keyword != "default") {
      add(pointer, "unknown schema keyword \"" + keyword + "\"");
    }
  }

  static bool is_type(const json& value) {
    if (value.is_array()) return !value.empty() && std::ranges::all_of(value, is_one_type);
    return is_one_type(value);
  }
  static bool is_one_type(const json& value) {
    return value.is_string() &&
           std::ranges::find(kTypes, value.get_ref<const std::string&>()) != kTypes.end();
  }
  static bool is_list_of_texts(const json& value) {
    return value.is_array() &&
           std::ranges::all_of(value, [](const json& one) { return one.is_string(); });
  }

  void check_properties(const json& value, const std::string& pointer, std::size_t depth) {
    if (!value.is_object()) return add(pointer, "expected an object of schemas");
    for (const auto& [key, schema] : value.items()) {
      check(schema, pointer_below(pointer, key), depth + 1);
    }
  }

  void check_limit(const json& schema, const json& value, const std::string& pointer) {
    const bool has_format = schema.contains("format") && schema["format"].is_string();
    const std::string format = has_format ? schema["format"].get<std::string>() : "";
    need(measure(value, format).has_value(), pointer,
         format.empty() ? "a number" : example_of(format));
  }

  void check_pattern(const json& value, const std::string& pointer) {
    if (!value.is_string()) return add(pointer, "expected a regular expression");
    if (value.get_ref<const std::string&>().size() > kMaxPattern) {
      return add(pointer, "longer than " + std::to_string(kMaxPattern) + " bytes");
    }
    if (has_large_repeat(value.get_ref<const std::string&>())) {
      return add(pointer, "repeats something more than 999 times");
    }
    try {
      const std::regex compiled(value.get_ref<const std::string&>(), std::regex::ECMAScript);
    } catch (const std::regex_error& error) {
      add(pointer, std::string("not a regular expression: ") + error.what());
    }
  }
};

inline void fill(const json& schema, json& value) {
  if (value.is_array() && schema.contains("items")) {
    for (json& entry : value) fill(schema["items"], entry);
  }
  if (!value.is_object() || !schema.contains("properties")) return;
  for (const auto& [key, property] : schema["properties"].items()) {
    if (!value.contains(key) && property.contains("default")) value[key] = property["default"];
    if (value.contains(key)) fill(property, value[key]);
  }
}
}  // namespace schema_detail

/// The schema that the manifest describes its config by. Without one, no key is allowed.
[[nodiscard]] inline nlohmann::json config_schema_of(const nlohmann::json& manifest) {
  const auto found = manifest.find("config");
  if (found != manifest.end()) return *found;
  return {{"type", "object"}, {"additionalProperties", false}};
}

/// Everything that is wrong with the schema itself, unknown keywords included. Empty: it may be
/// used.
[[nodiscard]] inline std::vector<SchemaError> check_schema(const nlohmann::json& schema) {
  schema_detail::SchemaCheck check;
  check.check(schema, "", 0);
  return std::move(check.errors);
}

/// Everything in `value` that `schema` forbids; empty: it fits. Pointers lead into `value`.
/// REQUIRES: check_schema(schema) is empty; else throws std::invalid_argument.
[[nodiscard]] inline std::vector<SchemaError> check_value(const nlohmann::json& schema,
                                                          const nlohmann::json& value) {
  if (const auto wrong = check_schema(schema); !wrong.empty()) {
    throw std::invalid_argument("check_value() by a schema that is wrong: " +
                                wrong.front().pointer + ": " + wrong.front().text);
  }
  schema_detail::ValueCheck check;
  check.check(schema, value, "");
  return std::move(check.errors);
}

/// `value` and, at every depth, the keys that are absent from it and have a default.
/// REQUIRES: check_value(schema, value) is empty.
[[nodiscard]] inline nlohmann::json with_defaults(const nlohmann::json& schema,
                                                  nlohmann::json value) {
  schema_detail::fill(schema, value);
  return value;
}

}  // namespace broadcast
