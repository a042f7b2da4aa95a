#pragma once
// Where the build put the broadcasters.

#include <string>

namespace broadcast {

inline std::string plugin_path(const std::string& name) {
  return std::string(PLUGIN_DIRECTORY) + "/lib" + name + ".so";
}

}  // namespace broadcast
