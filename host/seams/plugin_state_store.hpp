#pragma once
// The seam to what broadcasters keep from one generation to the next (bc.state/1), where it is to
// survive a restart of the host. Implemented by host/store; used by host/loader.

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace broadcast {

/// Bytes of the broadcaster's own; null: nothing is kept.
using PluginState = std::shared_ptr<const std::string>;
/// By the broadcaster's name in YAML.
using PluginStateMap = std::map<std::string, PluginState, std::less<>>;

class PluginStateStore {
 public:
  virtual ~PluginStateStore() = default;

  /// [main] before StateStore::start(): what was kept.
  [[nodiscard]] virtual PluginStateMap plugin_states() = 0;
  /// [any] To be written with a later commit; of one broadcaster only the newest is.
  virtual void post_plugin_state(const std::string& broadcaster, PluginState state) = 0;
};

}  // namespace broadcast
