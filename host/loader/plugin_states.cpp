#include "host/loader/plugin_states.hpp"

#include <utility>

namespace broadcast {

PluginStates::PluginStates(PluginStateStore* store) : store_(store) {
  if (store_ == nullptr) return;
  states_.with_lock([this](PluginStateMap& states) { states = store_->plugin_states(); });
}

PluginState PluginStates::get(std::string_view broadcaster) const {
  return states_.with_lock([&](const PluginStateMap& states) -> PluginState {
    const auto found = states.find(broadcaster);
    return found == states.end() ? nullptr : found->second;
  });
}

void PluginStates::set(const std::string& broadcaster, PluginState state) {
  states_.with_lock([&](PluginStateMap& states) { states[broadcaster] = state; });
  if (store_ != nullptr) store_->post_plugin_state(broadcaster, std::move(state));
}

PluginState PluginStates::forget(const std::string& broadcaster) {
  PluginState kept = states_.with_lock([&](PluginStateMap& states) -> PluginState {
    const auto found = states.find(broadcaster);
    return found == states.end() ? nullptr : std::move(states.extract(found).mapped());
  });
  if (kept != nullptr && store_ != nullptr) store_->post_plugin_state(broadcaster, nullptr);
  return kept;
}

}  // namespace broadcast
