#include "tools/broadcastctl/inspection.hpp"

#include <algorithm>
#include <vector>

#include "host/loader/extensions.hpp"
#include "tools/broadcastctl/config_table.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

std::vector<std::string> permissions_of(const Manifest& manifest) {
  std::vector<std::string> permissions;
  for (const std::string& service : manifest.services) {
    const std::string_view permission = permission_for(service);
    if (!permission.empty()) permissions.emplace_back(permission);
  }
  return permissions;
}

std::string abi_of(const Manifest& manifest) {
  return std::to_string(manifest.abi_major) + "." + std::to_string(manifest.abi_minor);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "none" : text;
}

std::string line(std::string_view label, const std::string& value) {
  std::string text(label);
  text.resize(13, ' ');
  return text + value + "\n";
}

}  // namespace

json inspection_json(std::string_view file, const Manifest& manifest) {
  json topics = json::array();
  for (const TopicPattern& topic : manifest.topics) {
    topics.push_back({{"pattern", topic.text()}, {"delivery", to_string(topic.delivery())}});
  }
  json config = json::array();
  for (const ConfigKey& key : config_keys(manifest.config_schema)) {
    config.push_back({{"key", key.key},
                      {"type", key.type},
                      {"default", key.default_text},
                      {"limits", key.limits},
                      {"meaning", key.meaning}});
  }
  return {{"file", file},
          {"name", manifest.name},
          {"version", manifest.version},
          {"abi", abi_of(manifest)},
          {"topics", std::move(topics)},
          {"requires", manifest.services},
          {"permissions", permissions_of(manifest)},
          {"demand", manifest.wants_demand},
          {"exclusive", manifest.is_exclusive},
          {"config", std::move(config)}};
}

std::string inspection_text(std::string_view file, const Manifest& manifest) {
  std::vector<std::string> topics;
  for (const TopicPattern& topic : manifest.topics) {
    topics.push_back(topic.text() + " (" + std::string(to_string(topic.delivery())) + ")");
  }
  std::string text = manifest.name + " " + manifest.version + " (" + std::string(file) + ")\n";
  text += line("ABI", abi_of(manifest));
  text += line("topics", joined(topics));
  text += line("requires", joined(manifest.services));
  text += line("permissions", joined(permissions_of(manifest)));
  text += line("demand", manifest.wants_demand ? "yes" : "no");
  text += line("exclusive", manifest.is_exclusive ? "yes: never two generations at once" : "no");
  std::vector<std::string> keys;
  for (const ConfigKey& key : config_keys(manifest.config_schema)) keys.push_back(key.key);
  return text + line("config", joined(keys));
}

}  // namespace broadcast
