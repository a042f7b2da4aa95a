// StateFile: what broadcasters keep from one generation to the next.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/spdlog.h>

#include "host/base/printable.hpp"
#include "host/store/state_file.hpp"
#include "host/store/state_statements.hpp"

namespace broadcast {

/// One that is spoiled costs its broadcaster what it has kept, and nobody else anything.
void StateFile::read_plugin_states() {
  plugin_states_.clear();
  std::vector<std::string> spoiled;
  SqliteStatement states(*database_,
                         "SELECT broadcaster, state, sum = row_sum(broadcaster, state) "
                         "FROM plugin_states");
  while (states.step()) {
    if (states.number(2) == 0) {
      spoiled.push_back(states.text(0));
    } else {
      plugin_states_[states.text(0)] = std::make_shared<const std::string>(states.text(1));
    }
  }
  for (const std::string& name : spoiled) {
    spdlog::error("state: {}: the kept state of {} fails its checksum; it starts without", path_,
                  printable(name));
    statements_->forget_plugin_state.bind(std::string_view(name)).run();
  }
}

void StateFile::write(const PluginStateMap& states) {
  for (const auto& [name, state] : states) {
    if (state == nullptr) {
      statements_->forget_plugin_state.bind(std::string_view(name)).run();
    } else {
      statements_->put_plugin_state.bind(std::string_view(name), SqliteBlob{*state}).run();
    }
  }
}

}  // namespace broadcast
