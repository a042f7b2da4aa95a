#include "host/app/config_changes.hpp"

#include <type_traits>

#include "host/app/yaml_findings.hpp"

namespace broadcast {

namespace {

/// Calls `use(key, effect, left value, right value)` for each setting that a change of is told by:
/// a key of the YAML, or a section that is told as one. `path` is where both stand.
template <class Left, class Struct, class Use>
void for_each_pair(const std::string& path, Left& left, const Struct& right, const Use& use) {
  for_each_setting(Of<Struct>{}, [&]<class Kind>(const char* key, auto member, const Kind&,
                                                 Effect effect, const char*) {
    const std::string below = key_path(path, key);
    if constexpr (std::is_same_v<Kind, Section>) {
      if (effect == Effect::kByKey) {
        return for_each_pair(below, left.*member, right.*member, use);
      }
    }
    use(below, effect, left.*member, right.*member);
  });
}

}  // namespace

ConfigChanges changes_between(const Config& running, const Config& next) {
  ConfigChanges changes;
  for_each_pair("", running, next,
                [&](const std::string& key, Effect effect, const auto& before, const auto& after) {
                  if (before == after) return;
                  (effect == Effect::kLive ? changes.live : changes.restart).push_back(key);
                });
  for (const auto& [name, broadcaster] : next.broadcasters) {
    const auto before = running.broadcasters.find(name);
    if (before == running.broadcasters.end()) continue;
    for_each_pair("broadcasters." + name, before->second, broadcaster,
                  [&](const std::string& key, Effect effect, const auto& was, const auto& becomes) {
                    if (effect == Effect::kLive && was != becomes) changes.live.push_back(key);
                  });
  }
  const bool is_published_larger = running.limits.publish_bytes != next.limits.publish_bytes;
  if (is_published_larger && !running.redis.url.empty()) {
    changes.restart.emplace_back("limits.publish (for messages from Redis)");
  }
  return changes;
}

std::vector<std::string> setting_keys() {
  std::vector<std::string> keys;
  const Config config;
  for_each_pair("", config, config, [&](const std::string& key, Effect, const auto&, const auto&) {
    keys.push_back(key);
  });
  return keys;
}

void take_live(Config& running, const Config& next) {
  for_each_pair("", running, next,
                [](const std::string&, Effect effect, auto& value, const auto& new_value) {
                  if (effect == Effect::kLive) value = new_value;
                });
}

}  // namespace broadcast
