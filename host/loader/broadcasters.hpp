#pragma once
// All broadcasters of a host: takes the checked files in, gives each its topics, starts and stops
// them together. One that is refused never keeps the others from starting. Owned by app/server;
// [main].

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/loader/plugin_runner.hpp"

namespace broadcast {

class Broadcasters final : public BroadcasterControl {
 public:
  explicit Broadcasters(const PluginRunner::Surroundings& surroundings)
      : surroundings_(surroundings) {}
  Broadcasters(const Broadcasters&) = delete;
  Broadcasters& operator=(const Broadcasters&) = delete;

  /// What this host offers to plugins: for PluginFile::read(). bc.cache/1 only where Redis is.
  struct Offered {
    bool cache = true;
  };
  [[nodiscard]] static HostOffer offer(std::string host_version, const Offered& offered);
  [[nodiscard]] static HostOffer offer(std::string host_version) {
    return offer(std::move(host_version), Offered{});
  }

  /// Takes one in: its permissions suffice and nobody else owns its topics; otherwise the refusal.
  /// None of its code runs.
  [[nodiscard]] std::optional<std::string> try_add(const std::shared_ptr<const PluginFile>& file,
                                                   PluginRunner::Options options);
  /// Names one that is switched off, or, with `refusal`, cannot be taken in.
  void add_absent(const std::string& name, const std::string& refusal);
  /// Names one that could be taken in, and is not: status:{name} says why.
  void leave_out(const std::string& name, const std::string& why);
  /// Of a configuration that holds from now on: names those that are off, and those that are still
  /// left out with the reason, instead of the ones named before. Broadcasters that have run are not
  /// among them.
  struct Absent {
    std::vector<std::string> disabled;
    std::map<std::string, std::string> left_out;
    std::function<bool(const std::string& name)> is_configured;
  };
  void set_absent(const Absent& absent);
  /// One that is switched on and could not be taken in, or was left out, is off from now on. False:
  /// there is none of that name.
  [[nodiscard]] bool try_switch_off(const std::string& name);
  void start();
  /// As PluginRunner::post_change(): another library, config or permissions for `options.name`,
  /// which may be new; null: switched off. REQUIRES: start() was called; its permissions suffice.
  void post_change(std::shared_ptr<const PluginFile> file, PluginRunner::Options options,
                   std::function<void(PluginRunner::Changed)> done);
  /// What `name` has kept for its next generation is gone; null: it has kept nothing. REQUIRES: not
  /// is_on(), so that no generation may keep another.
  PluginState forget_state(const std::string& name);
  /// It runs, or is tried again and again.
  [[nodiscard]] bool is_on(std::string_view name) const;
  struct NotStarted {
    std::string name;
    std::string why;
  };
  /// Those that have failed before their first START returned, or are not there at `until`.
  /// REQUIRES: start() was called.
  [[nodiscard]] std::vector<NotStarted> wait_first_start(MonoTime until);
  /// All at once. False: some callback is stuck, or code of a plugin that failed stays mapped,
  /// which the log names; the process must then leave without destroying what runners use
  /// (std::quick_exit).
  [[nodiscard]] bool stop(MonoTime deadline);

  [[nodiscard]] std::vector<BroadcasterView> broadcasters() const override;
  [[nodiscard]] const std::vector<std::shared_ptr<PluginRunner>>& runners() const {
    return runners_;
  }

 private:
  [[nodiscard]] PluginRunner* find(std::string_view name) const;

  const PluginRunner::Surroundings surroundings_;
  std::vector<std::shared_ptr<PluginRunner>> runners_;
  std::vector<BroadcasterView> absent_;
  bool is_stopping_ = false;
};

}  // namespace broadcast
