#pragma once
// The keys of a plugin's config out of its schema: for people (a Markdown table) and for
// `plugin inspect`. Pure; [any].

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace broadcast {

/// One key; nested ones are named "sources[].type".
struct ConfigKey {
  std::string key;
  std::string type;          ///< "duration", "list of texts"
  std::string default_text;  ///< as JSON; empty: none, "required": it has to be given
  std::string limits;        ///< "100ms … 1h"
  std::string meaning;
};

/// In the order of the schema's keys, which is alphabetical. REQUIRES: check_schema(schema) is
/// empty.
[[nodiscard]] std::vector<ConfigKey> config_keys(const nlohmann::json& schema);

/// "It has no keys." if there are none.
[[nodiscard]] std::string config_table(const nlohmann::json& schema);

}  // namespace broadcast
