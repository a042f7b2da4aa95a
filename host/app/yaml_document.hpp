#pragma once
// A YAML text as a tree of values: anchors copied, merge keys merged, variables expanded, every
// value with its place. What yaml-cpp lets pass is found here: duplicate keys, a second document,
// values that grow without end through aliases. Pure. [main]

#include <string>
#include <string_view>
#include <vector>

#include "host/app/yaml_findings.hpp"
#include "host/app/yaml_variables.hpp"

namespace broadcast {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string key;       ///< under which it stands, in a map
  YamlPosition at;       ///< of its key, or of itself
  std::string text;      ///< of a scalar
  bool plain = false;    ///< a scalar without quotes
  bool merged = false;   ///< stands under `<<`
  bool refused = false;  ///< a problem was added already; it has no value
  std::vector<YamlNode> children;
};

/// The document in `text`; a null node if there is none. Everything that is wrong goes to
/// `findings`: a mistake of syntax leaves a null node, one in a value marks that value as refused.
[[nodiscard]] YamlNode read_yaml(std::string_view text, const Environment& environment,
                                 YamlFindings& findings);

}  // namespace broadcast
