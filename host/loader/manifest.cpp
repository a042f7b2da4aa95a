#include "host/loader/manifest.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <stdexcept>

#include <broadcast/abi.h>
#include <broadcast/schema.hpp>

#include "host/hub/json_text.hpp"
#include "host/loader/extensions.hpp"
#include "host/loader/plugin_refused.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxManifestBytes = 1024 * 1024;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxManifestNesting = 128;

bool is_broadcaster_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

class Reader {
 public:
  Reader(std::string_view file, const json& object) : file_(file), object_(object) {}

  [[noreturn]] void refuse(const std::string& member, const std::string& what) const {
    throw PluginRefused(file_ + ": manifest: " + member + ": " + what +
                        ". Correct it and build the plugin again.");
  }

  [[nodiscard]] std::string text(const char* member) const {
    if (!object_.contains(member) || !object_[member].is_string())
      refuse(member, "expected a text");
    return object_[member];
  }

  [[nodiscard]] bool flag(const char* member) const {
    if (!object_.contains(member)) return false;
    if (!object_[member].is_boolean()) refuse(member, "expected true or false");
    return object_[member];
  }

  [[nodiscard]] const json& list(const char* member) const {
    static const json kNone = json::array();
    if (!object_.contains(member)) return kNone;
    if (!object_[member].is_array()) refuse(member, "expected a list");
    return object_[member];
  }

  void read_abi(Manifest& manifest) const {
    const json& abi = object_.contains("abi") ? object_["abi"] : json();
    const auto is_number = [](const json& number) {
      return number.is_number_unsigned() && number.get<std::uint64_t>() <= UINT32_MAX;
    };
    const bool is_pair =
        abi.is_array() && abi.size() == 2 && is_number(abi[0]) && is_number(abi[1]);
    if (!is_pair) refuse("abi", "expected [major, minor]");
    manifest.abi_major = abi[0];
    manifest.abi_minor = abi[1];
  }

  void read_services(Manifest& manifest) const {
    for (const json& id : list("requires")) {
      if (!id.is_string()) refuse("requires", "expected a list of extension ids");
      manifest.services.push_back(id);
    }
  }

  void read_topics(Manifest& manifest) const {
    const json& topics = list("topics");
    for (std::size_t i = 0; i < topics.size(); ++i) {
      manifest.topics.push_back(topic(topics[i], "topics[" + std::to_string(i) + "]"));
    }
  }

  void read_schema(Manifest& manifest) const {
    manifest.config_schema = config_schema_of(object_);
    const std::vector<SchemaError> errors = check_schema(manifest.config_schema);
    if (!errors.empty()) refuse("config" + errors.front().pointer, errors.front().text);
  }

 private:
  [[nodiscard]] TopicPattern topic(const json& entry, const std::string& member) const {
    const auto text_at = [&](const char* key, const std::string& otherwise) {
      if (!entry.contains(key)) return otherwise;
      if (!entry[key].is_string()) refuse(member + "." + key, "expected a text");
      return entry[key].get<std::string>();
    };
    if (!entry.is_object()) refuse(member, "expected an object");
    const std::string delivery = text_at("delivery", "");
    if (delivery != "latest" && delivery != "all") {
      refuse(member + ".delivery", "expected \"latest\" or \"all\"");
    }
    try {
      return TopicPattern(text_at("pattern", ""), text_at("match", ""),
                          delivery == "latest" ? Delivery::kLatest : Delivery::kAll);
    } catch (const std::invalid_argument& error) {
      refuse(member + ".pattern", error.what());
    }
  }

  const std::string file_;
  const json& object_;
};

std::string described(const Manifest& manifest, std::string_view file_name) {
  return manifest.name + " " + manifest.version + " (" + std::string(file_name) + ")";
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

nlohmann::json read_manifest(std::string_view file_name, std::string_view text) {
  const std::string file(file_name);
  if (text.size() > kMaxManifestBytes) {
    throw PluginRefused(file + ": manifest has " + std::to_string(text.size()) +
                        " bytes; at most " + std::to_string(kMaxManifestBytes) + " are read.");
  }
  // Copying a value recurses: without a limit, a text of brackets would overflow the stack.
  if (is_nested_deeper(text, kMaxManifestNesting)) {
    throw PluginRefused(file + ": manifest is nested deeper than " +
                        std::to_string(kMaxManifestNesting) +
                        " levels. Correct it and build the plugin again.");
  }
  try {
    json object = json::parse(text);
    if (!object.is_object()) throw PluginRefused(file + ": manifest is not a JSON object.");
    return object;
  } catch (const json::parse_error& error) {
    throw PluginRefused(file + ": manifest is not JSON (at byte " + std::to_string(error.byte) +
                        "). Correct it and build the plugin again.");
  } catch (const json::out_of_range&) {
    throw PluginRefused(file +
                        ": manifest has a number that is too large. Correct it and build the "
                        "plugin again.");
  }
}

Manifest parse_manifest(std::string_view file_name, std::string_view text) {
  const json object = read_manifest(file_name, text);
  const Reader reader(file_name, object);
  Manifest manifest;
  manifest.name = reader.text("name");
  manifest.version = reader.text("version");
  reader.read_abi(manifest);
  // Before the rest, which another ABI may write otherwise.
  if (manifest.abi_major != BC_ABI_MAJOR) {
    const std::string ours = std::to_string(BC_ABI_MAJOR);
    throw PluginRefused(described(manifest, file_name) + ": built for plugin ABI " +
                        std::to_string(manifest.abi_major) + "; this host speaks ABI " + ours +
                        ". Rebuild with SDK " + ours + ".x, or upgrade the host.");
  }
  if (!is_broadcaster_name(manifest.name)) {
    reader.refuse("name", "expected 1 to 64 of a-z, 0-9, _ and -");
  }
  reader.read_services(manifest);
  reader.read_topics(manifest);
  manifest.wants_demand = reader.flag("demand");
  manifest.is_exclusive = reader.flag("exclusive");
  reader.read_schema(manifest);
  return manifest;
}

std::vector<std::string> unknown_members(const json& manifest) {
  static const std::set<std::string, std::less<>> kMembers = {
      "name", "version", "abi", "topics", "requires", "demand", "exclusive", "config"};
  static const std::set<std::string, std::less<>> kTopicMembers = {"pattern", "match", "delivery"};
  std::vector<std::string> unknown;
  for (const auto& [member, value] : manifest.items()) {
    if (!kMembers.contains(member)) unknown.push_back(member);
  }
  if (!manifest.contains("topics") || !manifest["topics"].is_array()) return unknown;
  for (std::size_t i = 0; i < manifest["topics"].size(); ++i) {
    const json& topic = manifest["topics"][i];
    if (!topic.is_object()) continue;
    for (const auto& [member, value] : topic.items()) {
      if (kTopicMembers.contains(member)) continue;
      unknown.push_back("topics[" + std::to_string(i) + "]." + member);
    }
  }
  return unknown;
}

std::optional<std::string> missing_service(const Manifest& manifest, std::string_view file_name,
                                           const HostOffer& offer) {
  for (const std::string& service : manifest.services) {
    if (contains(offer.services, service)) continue;
    return described(manifest, file_name) + ": needs host service \"" + service + "\"; this host " +
           offer.version + " does not offer it. Upgrade the host, or drop it from \"requires\".";
  }
  return std::nullopt;
}

std::optional<std::string> missing_permission(const Manifest& manifest, std::string_view name,
                                              const std::vector<std::string>& permissions) {
  for (const std::string& service : manifest.services) {
    const std::string_view permission = permission_for(service);
    if (permission.empty() || contains(permissions, permission)) continue;
    return std::string(name) + ": asks for \"" + service + "\"; grant it with broadcasters." +
           std::string(name) + ".permissions: [" + std::string(permission) + "].";
  }
  return std::nullopt;
}

}  // namespace broadcast
