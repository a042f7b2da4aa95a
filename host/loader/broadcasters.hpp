#pragma once
// All broadcasters of a host: takes the checked files in, gives each its topics, starts and stops
// them together. One that is refused never keeps the others from starting. Owned by app/server;
// [main].

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/loader/plugin_runner.hpp"

namespace broadcast {

class Broadcasters {
 public:
  explicit Broadcasters(const PluginRunner::Surroundings& surroundings)
      : surroundings_(surroundings) {}
  Broadcasters(const Broadcasters&) = delete;
  Broadcasters& operator=(const Broadcasters&) = delete;

  /// What this host offers to plugins: for PluginFile::read().
  [[nodiscard]] static HostOffer offer(std::string host_version);

  /// The refusal when `file`, as broadcaster `name`, would own a topic of `other`: for --check.
  [[nodiscard]] static std::optional<std::string> conflict(const std::string& name,
                                                           const PluginFile& file,
                                                           const std::string& other_name,
                                                           const PluginFile& other);

  /// Takes one in: its permissions suffice and nobody else owns its topics; otherwise the refusal.
  [[nodiscard]] std::optional<std::string> try_add(std::shared_ptr<const PluginFile> file,
                                                   PluginRunner::Options options);
  void start();
  /// All at once. False: some callback is stuck, which the log names; the process must then leave
  /// without destroying what runners use (std::quick_exit).
  [[nodiscard]] bool stop(MonoTime deadline);

  [[nodiscard]] const std::vector<std::shared_ptr<PluginRunner>>& runners() const {
    return runners_;
  }

 private:
  const PluginRunner::Surroundings surroundings_;
  std::vector<std::shared_ptr<PluginRunner>> runners_;
};

}  // namespace broadcast
