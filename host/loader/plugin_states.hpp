#pragma once
// What each broadcaster keeps from one generation to the next (bc.state/1). In memory, so that it
// is there whether the broadcaster lives or not, and handed on to a store. Owned by app/server;
// outlives the runners. All [any].

#include <string>
#include <string_view>

#include "host/base/guarded.hpp"
#include "host/seams/plugin_state_store.hpp"

namespace broadcast {

class PluginStates {
 public:
  /// `store` outlives this and is not started yet; null: nothing survives the host.
  explicit PluginStates(PluginStateStore* store = nullptr);

  [[nodiscard]] PluginState get(std::string_view broadcaster) const;
  /// REQUIRES: for one broadcaster, one call after the other.
  void set(const std::string& broadcaster, PluginState state);
  /// What was kept; null: nothing was. REQUIRES: as set(), and no generation may set another.
  PluginState forget(const std::string& broadcaster);

 private:
  PluginStateStore* const store_;
  Guarded<PluginStateMap> states_;
};

}  // namespace broadcast
