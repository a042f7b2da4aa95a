#include "tools/broadcastctl/samples.hpp"

#include <array>
#include <cstddef>
#include <limits>
#include <regex>
#include <string_view>
#include <utility>

namespace broadcast {

namespace {

using nlohmann::json;

std::size_t below(Random& random, std::size_t limit) {
  return static_cast<std::size_t>(random() % limit);
}
bool once_in(Random& random, std::size_t times) { return below(random, times) == 0; }

template <class List>
const auto& one_of(Random& random, const List& list) {
  return list[below(random, list.size())];
}

std::string random_text(Random& random, std::string_view letters, std::size_t longest) {
  std::string text;
  for (std::size_t length = 1 + below(random, longest); length > 0; --length) {
    text += one_of(random, letters);
  }
  return text;
}

std::string odd_text(Random& random) {
  static const std::array<std::string, 12> kTexts = {"",
                                                     " ",
                                                     std::string("\0", 1),
                                                     "삼성전자",
                                                     "\xF0\x9F\x93\x88",
                                                     "../../etc/passwd",
                                                     "' OR 1=1",
                                                     "%s%n%p%x",
                                                     "005930",
                                                     "NaN",
                                                     "2026-13-45T99:99",
                                                     "{\"a\":1}"};
  if (once_in(random, 12)) return std::string(std::size_t{1} << (4 + below(random, 10)), 'x');
  return one_of(random, kTexts);
}

json odd_number(Random& random) {
  static const std::array<json, 11> kNumbers = {0,
                                                -1,
                                                1,
                                                1e308,
                                                -1e308,
                                                5e-324,
                                                0.1,
                                                std::numeric_limits<std::int64_t>::max(),
                                                std::numeric_limits<std::int64_t>::min(),
                                                std::numeric_limits<std::uint64_t>::max(),
                                                2147483648};
  return one_of(random, kNumbers);
}

std::string random_key(Random& random) {
  static const std::array<std::string_view, 20> kKeys = {
      "type",   "data",      "topic",  "seq",   "signals", "signal_type", "ticker",
      "name",   "timestamp", "status", "level", "value",   "price",       "items",
      "checks", "sectors",   "points", "count", "error",   "id"};
  return once_in(random, 6) ? odd_text(random) : std::string(one_of(random, kKeys));
}

/// Changes one thing somewhere in `value`.
void mutate(json& value, Random& random) {
  const bool goes_down = value.is_structured() && !value.empty() && !once_in(random, 4);
  if (!goes_down) {
    value = random_json(random, 2);
    return;
  }
  auto at = value.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(below(random, value.size())));
  if (once_in(random, 5)) {
    value.erase(at);
  } else {
    mutate(*at, random);
  }
}

json of_type(const std::string& type, const json& schema, Random& random);

/// As far as that is easily done; discarded: not at all.
json allowed_value(const json& schema, Random& random) {
  if (schema.contains("default") && once_in(random, 4)) return schema["default"];
  if (schema.contains("enum")) return one_of(random, schema["enum"]);
  if (!schema.contains("type")) return random_json(random, 2);
  const json& type = schema["type"];
  const json& chosen = type.is_array() ? one_of(random, type) : type;
  return of_type(chosen.get<std::string>(), schema, random);
}

/// Tries until `accepts` is content; empty: it never was.
template <class Accepts>
std::string text_by_trying(Random& random, const Accepts& accepts) {
  static constexpr std::array<std::string_view, 5> kAlphabets = {
      "0123456789", "abcdefghijklmnopqrstuvwxyz", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
      "abcdefghijklmnopqrstuvwxyz0123456789_-", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"};
  for (int tries = 0; tries < 500; ++tries) {
    std::string text = random_text(random, one_of(random, kAlphabets), 12);
    if (accepts(text)) return text;
  }
  return {};
}

json text_for(const json& schema, Random& random) {
  if (schema.contains("pattern")) {
    const std::regex pattern(schema["pattern"].get<std::string>(), std::regex::ECMAScript);
    const std::string text = text_by_trying(
        random, [&](const std::string& one) { return std::regex_search(one, pattern); });
    return text.empty() ? json(json::value_t::discarded) : json(text);
  }
  const std::string format = schema.value("format", "");
  if (!format.empty()) {
    static const std::array<std::string_view, 4> kDurations = {"ms", "s", "m", "h"};
    static const std::array<std::string_view, 4> kSizes = {"B", "KiB", "MiB", "GiB"};
    return std::to_string(below(random, 2000)) +
           std::string(format == "duration" ? one_of(random, kDurations) : one_of(random, kSizes));
  }
  return once_in(random, 3) ? odd_text(random)
                            : random_text(random, "abcxyz019:/.-_ ", 1 + below(random, 40));
}

json number_for(const json& schema, Random& random) {
  if (once_in(random, 4)) return odd_number(random);
  const auto least = static_cast<std::int64_t>(schema.value("minimum", 0.0));
  return least + static_cast<std::int64_t>(below(random, 1000));
}

json map_for(const json& schema, Random& random) {
  json map = json::object();
  if (schema.contains("properties")) {
    for (const auto& [key, property] : schema["properties"].items()) {
      if (once_in(random, 3)) continue;
      if (json value = allowed_value(property, random); !value.is_discarded()) {
        map[key] = std::move(value);
      }
    }
  }
  if ((!schema.contains("additionalProperties") || schema["additionalProperties"] == true) &&
      once_in(random, 4)) {
    map[random_key(random)] = random_json(random, 1);
  }
  return map;
}

json of_type(const std::string& type, const json& schema, Random& random) {
  if (type == "object") return map_for(schema, random);
  if (type == "array") {
    json list = json::array();
    const json items = schema.value("items", json::object());
    for (std::size_t count = below(random, 4); count > 0; --count) {
      if (json item = allowed_value(items, random); !item.is_discarded()) {
        list.push_back(std::move(item));
      }
    }
    return list;
  }
  if (type == "string") return text_for(schema, random);
  if (type == "boolean") return once_in(random, 2);
  if (type == "null") return nullptr;
  return number_for(schema, random);
}

}  // namespace

std::optional<std::string> sample_topic(const TopicPattern& pattern, Random& random) {
  if (!pattern.has_placeholder()) return pattern.text();
  const std::string prefix = pattern.text().substr(0, pattern.text().find('{'));
  const std::string name = text_by_trying(
      random, [&](const std::string& text) { return pattern.accepts(prefix + text); });
  return name.empty() ? std::nullopt : std::optional(prefix + name);
}

json random_json(Random& random, int depth) {
  const std::size_t kind = below(random, depth > 0 ? 7 : 5);
  if (kind == 0) return odd_number(random);
  if (kind == 1) return odd_text(random);
  if (kind == 2) return once_in(random, 2);
  if (kind == 3) return nullptr;
  if (kind == 4) return static_cast<std::int64_t>(below(random, 100'000));
  json value = kind == 5 ? json::array() : json::object();
  for (std::size_t count = below(random, 6); count > 0; --count) {
    json part = random_json(random, depth - 1);
    if (kind == 5) {
      value.push_back(std::move(part));
    } else {
      value[random_key(random)] = std::move(part);
    }
  }
  return value;
}

json random_config(const json& schema, Random& random) {
  json config = allowed_value(schema, random);
  if (once_in(random, 2)) mutate(config, random);
  return config;
}

std::string random_message(const std::vector<std::string>& good, Random& random) {
  const std::size_t kind = below(random, 12);
  if (kind == 0) {
    const std::size_t depth = 1 + below(random, 80);  // the host takes 64
    return std::string(depth, '[') + std::string(depth, ']');
  }
  json message = json::object();
  if (!good.empty() && !once_in(random, 3)) {
    message = json::parse(one_of(random, good));
    for (std::size_t count = 1 + below(random, 3); count > 0; --count) mutate(message, random);
  } else {
    message = random_json(random, 4);
    if (!message.is_structured()) message = json::array({std::move(message)});
  }
  std::string text = message.dump();
  if (kind == 1 && !text.empty()) text[below(random, text.size())] = '\xFF';
  if (kind == 2) text.resize(below(random, text.size() + 1));
  return text;
}

}  // namespace broadcast
