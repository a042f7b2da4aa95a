#pragma once
// From the YAML's broadcasters: to checked libraries and checked config, before any of their code
// runs: what --check looks at and what the server starts. [main], and the reader of Operations.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/app/config.hpp"
#include "host/loader/plugin_library.hpp"
#include "host/loader/plugin_runner.hpp"

namespace broadcast {

struct BroadcasterPlan {
  struct Ready {
    std::string name;
    std::shared_ptr<const PluginFile> file;
    std::string config;  ///< JSON, defaults filled in
    std::vector<std::string> permissions;
  };
  struct Refused {
    std::string name;
    std::string why;  ///< one or more lines, each a whole sentence
  };
  std::vector<Ready> ready;
  std::vector<Refused> refused;
  std::vector<std::string> disabled;
  std::vector<TopicPattern> relay;  ///< those of `relay:` that no broadcaster owns
};

/// The directory the host looks for libraries in: plugins.directory, or plugins/ beside the
/// binary's bin/.
[[nodiscard]] std::filesystem::path plugin_directory(const Config& config);

/// Reads every enabled broadcaster's library and checks its `config:`, its permissions, and that
/// nobody before it in the file owns its topics. Never throws for a bad plugin.
[[nodiscard]] BroadcasterPlan plan_broadcasters(const Config& config);

/// How its runner is made. What is left empty in `ready` stays so.
[[nodiscard]] PluginRunner::Options options_of(const BroadcasterPlan::Ready& ready,
                                               const Config& config);

}  // namespace broadcast
