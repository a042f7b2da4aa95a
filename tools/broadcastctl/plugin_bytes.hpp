#pragma once
// A plugin's file as it lies there, read for reports: nothing of it is run. [main]

#include <filesystem>
#include <stdexcept>
#include <string>

#include "host/loader/manifest.hpp"

namespace broadcast {

/// The tool itself cannot go on: no such file, a wrong argument. Exit code 2.
class CannotRun : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws CannotRun.
[[nodiscard]] std::string read_plugin_bytes(const std::filesystem::path& path);

/// Of a plugin that this host may lack services for. Throws CannotRun or PluginRefused.
[[nodiscard]] Manifest manifest_of(const std::filesystem::path& path);

}  // namespace broadcast
