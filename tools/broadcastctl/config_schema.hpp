#pragma once
// `config schema`: JSON Schema (draft 2020-12) of the host's YAML, for editors. What each key may
// be, its default and what it is for come from the rows in host/app/config.hpp, the config of each
// broadcaster from its manifest: there is no other list of keys. [main]

#include <map>
#include <string>

#include <nlohmann/json.hpp>

namespace broadcast {

/// `plugins`: schemas of their config by the name of the broadcaster.
[[nodiscard]] nlohmann::json config_schema(const std::map<std::string, nlohmann::json>& plugins);

/// Schemas of the plugins lib<name>.so in `directory`; what is no plugin is left out. Throws
/// CannotRun without such a directory.
[[nodiscard]] std::map<std::string, nlohmann::json> plugin_schemas(const std::string& directory);

}  // namespace broadcast
