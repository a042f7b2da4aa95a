#pragma once
// What a broadcaster says about itself before any of its code runs: name, version, ABI, the host
// services it needs, the topics it owns, and the schema of its config. Values and pure functions;
// [any].

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/hub/topic_pattern.hpp"

namespace broadcast {

struct Manifest {
  std::string name;
  std::string version;
  std::uint32_t abi_major = 0;
  std::uint32_t abi_minor = 0;
  std::vector<std::string> services;  ///< "requires": extension ids without which it does not start
  std::vector<TopicPattern> topics;
  bool wants_demand = false;  ///< "demand": DEMAND events are delivered
  bool is_exclusive = false;  ///< "exclusive": never two generations at once
  nlohmann::json config_schema;
};

/// The manifest of `file_name` as it stands there. Throws PluginRefused: too long, nested too deep,
/// not a JSON object.
[[nodiscard]] nlohmann::json read_manifest(std::string_view file_name, std::string_view text);

/// Members of it that ABI 1 has no meaning for: "exclusiv", "topics[0].matsch". They are ignored.
[[nodiscard]] std::vector<std::string> unknown_members(const nlohmann::json& manifest);

/// Reads the manifest of `file_name`. Throws PluginRefused, naming file and member: not JSON,
/// another ABI, a wrong member, a bad pattern, an unknown schema keyword. Members it does not know
/// are ignored.
[[nodiscard]] Manifest parse_manifest(std::string_view file_name, std::string_view text);

/// What this host has for broadcasters.
struct HostOffer {
  std::string version;                ///< of the host
  std::vector<std::string> services;  ///< extension ids, permitted or not
};

/// The refusal when the host lacks a service that the manifest requires.
[[nodiscard]] std::optional<std::string> missing_service(const Manifest& manifest,
                                                         std::string_view file_name,
                                                         const HostOffer& offer);

/// The refusal when broadcaster `name` requires a service without its permission.
[[nodiscard]] std::optional<std::string> missing_permission(
    const Manifest& manifest, std::string_view name, const std::vector<std::string>& permissions);

}  // namespace broadcast
