#include "host/app/broadcaster_plan.hpp"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <utility>

#include <broadcast/schema.hpp>

#include "host/app/version.hpp"
#include "host/app/yaml_json.hpp"
#include "host/hub/relay.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/loader/plugin_refused.hpp"

namespace broadcast {

namespace {

/// Every schema error with its place in the YAML, a line each.
std::string config_errors(const Config& config, const std::string& name, const PluginFile& file,
                          const std::vector<SchemaError>& errors) {
  std::string lines;
  for (const SchemaError& error : errors) {
    if (!lines.empty()) lines += '\n';
    lines += config.locate(name, error.pointer) + ": " + error.text + " (schema of " +
             file.file_name() + ").";
  }
  return lines;
}

/// Broadcasters come first: a branch too wide must not take the signals' topics.
void plan_relay(const Config& config, TopicHub& hub, BroadcasterPlan& plan) {
  Relay relay(hub.publisher(), hub.sequencer());
  for (std::size_t i = 0; i < config.relay.size(); ++i) {
    const RelayConfig& wanted = config.relay[i];
    plan.relay.push_back(relay_pattern(wanted.topic, wanted.delivery));
    auto conflict = hub.topics().try_claim(relay, "relay:", plan.relay);
    if (!conflict) continue;
    plan.relay.pop_back();
    conflict->pattern = wanted.topic;
    plan.refused.push_back(
        {std::string(Relay::kName), config.file + ": relay[" + std::to_string(i) +
                                        "]: " + conflict->text() +
                                        ". Relay a narrower branch, or disable the broadcaster."});
  }
}

/// "${FLAG:-false}" has to stand in quotes inside { }, which makes it a text. Where the schema
/// takes no text, it is read as if the quotes were not there.
void read_texts(const nlohmann::json& schema, nlohmann::json& value) {
  if (value.is_string() && schema.contains("type")) {
    const nlohmann::json type{{"type", schema["type"]}};
    nlohmann::json plain = plain_value(value.get<std::string>());
    if (!check_value(type, value).empty() && check_value(type, plain).empty()) {
      value = std::move(plain);
    }
  }
  if (value.is_array() && schema.contains("items")) {
    for (nlohmann::json& item : value) read_texts(schema["items"], item);
  }
  if (!value.is_object() || !schema.contains("properties")) return;
  for (const auto& [key, property] : schema["properties"].items()) {
    if (value.contains(key)) read_texts(property, value[key]);
  }
}

/// As they stand in the file, which decides who has a topic: not the alphabet, so that a
/// broadcaster that is added takes nothing from those before it, now or at the next start.
std::vector<std::string> names_in_order(const Config& config) {
  std::vector<std::string> names;
  for (const auto& entry : config.broadcasters) names.push_back(entry.first);
  std::ranges::stable_sort(
      names, {}, [&](const std::string& name) { return config.broadcasters.at(name).place; });
  return names;
}

}  // namespace

std::filesystem::path plugin_directory(const Config& config) {
  if (!config.plugins.directory.empty()) return config.plugins.directory;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "plugins";
}

PluginRunner::Options options_of(const BroadcasterPlan::Ready& ready, const Config& config) {
  return {.name = ready.name,
          .config = ready.config,
          .permissions = ready.permissions,
          .host_version = kHostVersion,
          .copies = {.directory = config.plugins.runtime_directory}};
}

BroadcasterPlan plan_broadcasters(const Config& config) {
  BroadcasterPlan plan;
  const std::filesystem::path directory = plugin_directory(config);
  const HostOffer offer =
      Broadcasters::offer(kHostVersion, {.cache = !config.redis.cache_url().empty()});
  // Permissions and topics are checked as the server does, on a hub that nobody sees.
  Counters counters;
  TopicHub hub({}, counters);
  Broadcasters others({.hub = hub});
  for (const std::string& name : names_in_order(config)) {
    const BroadcasterConfig& wanted = config.broadcasters.at(name);
    if (!wanted.enabled) {
      plan.disabled.push_back(name);
      continue;
    }
    try {
      auto file = PluginFile::read(directory / wanted.library, offer);
      const auto& schema = file->manifest().config_schema;
      nlohmann::json given = wanted.config;
      read_texts(schema, given);
      if (const auto errors = check_value(schema, given); !errors.empty()) {
        plan.refused.push_back({name, config_errors(config, name, *file, errors)});
        continue;
      }
      std::string filled = with_defaults(schema, std::move(given)).dump();
      if (auto refusal = others.try_add(file, {.name = name, .permissions = wanted.permissions})) {
        plan.refused.push_back({name, *std::move(refusal)});
        continue;
      }
      plan.ready.push_back({.name = name,
                            .file = std::move(file),
                            .config = std::move(filled),
                            .permissions = wanted.permissions});
    } catch (const PluginRefused& refused) {
      plan.refused.push_back({name, refused.what()});
    } catch (const std::exception& error) {  // a regex of its schema that cannot be matched, ...
      plan.refused.push_back({name, config.locate(name, "") + ": " + error.what()});
    }
  }
  plan_relay(config, hub, plan);
  return plan;
}

}  // namespace broadcast
