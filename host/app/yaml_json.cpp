#include "host/app/yaml_json.hpp"

#include <charconv>
#include <cstdint>
#include <string_view>

#include <broadcast/words.hpp>

namespace broadcast {

namespace {

using nlohmann::json;

std::size_t count_digits(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
  return count;
}

/// Digits, with a fraction, an exponent, or both; no sign.
bool is_decimal(std::string_view text) {
  const std::size_t whole = count_digits(text);
  text.remove_prefix(whole);
  std::size_t fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = count_digits(text);
    text.remove_prefix(fraction);
  }
  if (whole + fraction == 0) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return !text.empty() && count_digits(text) == text.size();
  }
  return text.empty();
}

template <class Number>
bool try_read(std::string_view text, json& value) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return false;
  value = number;
  return true;
}

/// A number with leading zeros is a name (005930 is a share), and JSON has no infinity.
json number_or_text(const std::string& text) {
  std::string_view number = text;
  if (number.starts_with('+')) number.remove_prefix(1);
  std::string_view digits = number;
  if (digits.size() == text.size() && digits.starts_with('-')) digits.remove_prefix(1);
  const bool leading_zero = digits.starts_with('0') && count_digits(digits) > 1;
  json value;
  if (leading_zero || !is_decimal(digits)) return text;
  if (try_read<std::int64_t>(number, value) || try_read<std::uint64_t>(number, value)) return value;
  return try_read<double>(number, value) ? value : json(text);
}

class Converter {
 public:
  std::map<std::string, YamlPlace> places;

  json convert(const YamlNode& node, const std::string& pointer, const std::string& path) {
    places[pointer] = {node.at, path};
    switch (node.kind) {
      case YamlNode::Kind::kNull:
        return nullptr;
      case YamlNode::Kind::kScalar:
        return node.plain ? plain_value(node.text) : json(node.text);
      case YamlNode::Kind::kList:
        return list(node, pointer, path);
      case YamlNode::Kind::kMap:
        return map(node, pointer, path);
    }
    return nullptr;
  }

 private:
  json list(const YamlNode& node, const std::string& pointer, const std::string& path) {
    json result = json::array();
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      const std::string item = pointer_below(pointer, std::to_string(i));
      result.push_back(convert(node.children[i], item, item_path(path, i)));
    }
    return result;
  }

  json map(const YamlNode& node, const std::string& pointer, const std::string& path) {
    json result = json::object();
    for (const YamlNode& child : node.children) {
      result[child.key] =
          convert(child, pointer_below(pointer, child.key), key_path(path, child.key));
    }
    return result;
  }
};

}  // namespace

json plain_value(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return number_or_text(text);
}

JsonFromYaml to_json(const YamlNode& node, const std::string& path) {
  Converter converter;
  json value = converter.convert(node, "", path);
  return {std::move(value), std::move(converter.places)};
}

}  // namespace broadcast
