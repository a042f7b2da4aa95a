#pragma once
// A YAML value as JSON, with the place of everything in it: what a broadcaster's config is checked
// and handed over as. Plain true, false, null and numbers are typed; whatever is quoted, and a
// number with leading zeros such as 005930, is a text. Pure; [any].

#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "host/app/yaml_document.hpp"

namespace broadcast {

struct YamlPlace {
  YamlPosition at;
  std::string path;  ///< "broadcasters.price.config.sources[0].type"
};

/// What a plain scalar of this text is: true, false, a number, or a text.
[[nodiscard]] nlohmann::json plain_value(const std::string& text);

struct JsonFromYaml {
  nlohmann::json value;
  std::map<std::string, YamlPlace> places;  ///< by JSON pointer; "" is the whole
};

/// `path`: where `node` stands.
[[nodiscard]] JsonFromYaml to_json(const YamlNode& node, const std::string& path);

}  // namespace broadcast
