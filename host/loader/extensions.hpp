#pragma once
// Which extensions (bc.x/1) this host has, and what they ask of the YAML: what manifests and
// operators need to know before a plugin runs. The rows stand in host_services_extensions.cpp.
// Constant; [any].

#include <string>
#include <string_view>
#include <vector>

namespace broadcast {

/// The ids of all of them. Some are there with a permission only, or where the host has what they
/// work on (clients, a cache, a place for states).
[[nodiscard]] std::vector<std::string> offered_services();

/// The permission that YAML must grant for a service; empty: none, or there is no such service.
[[nodiscard]] std::string_view permission_for(std::string_view service);

}  // namespace broadcast
