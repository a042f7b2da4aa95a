#include "host/loader/broadcasters.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include <broadcast/abi.h>

#include "host/loader/extensions.hpp"

namespace broadcast {

HostOffer Broadcasters::offer(std::string host_version, const Offered& offered) {
  HostOffer offer{.version = std::move(host_version), .services = offered_services()};
  if (!offered.cache) std::erase(offer.services, BC_EXT_CACHE);
  return offer;
}

std::optional<std::string> Broadcasters::try_add(const std::shared_ptr<const PluginFile>& file,
                                                 PluginRunner::Options options) {
  const Manifest& manifest = file->manifest();
  if (auto refusal = missing_permission(manifest, options.name, options.permissions)) {
    return refusal;
  }
  auto runner = PluginRunner::make(file, std::move(options), surroundings_);
  if (auto refusal = runner->try_claim()) return refusal;
  runners_.push_back(std::move(runner));
  return std::nullopt;
}

void Broadcasters::add_absent(const std::string& name, const std::string& refusal) {
  absent_.push_back({.name = name, .enabled = !refusal.empty(), .refusal = refusal});
}

void Broadcasters::leave_out(const std::string& name, const std::string& why) {
  surroundings_.hub.statuses().report(name, BroadcasterState::kDown, why);
  add_absent(name, why);
}

void Broadcasters::set_absent(const Absent& absent) {
  for (const BroadcasterView& before : std::exchange(absent_, {})) {
    if (absent.is_configured(before.name)) continue;
    surroundings_.hub.statuses().report(before.name, BroadcasterState::kDisabled,
                                        "not in the configuration");
  }
  for (const auto& [name, why] : absent.left_out) leave_out(name, why);
  for (const std::string& name : absent.disabled) {
    if (find(name) != nullptr) continue;
    surroundings_.hub.statuses().report(name, BroadcasterState::kDisabled,
                                        "switched off in the configuration");
    add_absent(name, "");
  }
}

bool Broadcasters::try_switch_off(const std::string& name) {
  const auto found = std::ranges::find(absent_, name, &BroadcasterView::name);
  if (found == absent_.end() || !found->enabled) return false;
  *found = {.name = name, .enabled = false};
  surroundings_.hub.statuses().report(name, BroadcasterState::kDisabled,
                                      "switched off by the operator");
  spdlog::info("{}: switched off", name);
  return true;
}

std::vector<BroadcasterView> Broadcasters::broadcasters() const {
  std::vector<BroadcasterView> views = absent_;
  for (const auto& runner : runners_) views.push_back(runner->view());
  std::ranges::sort(views, {}, &BroadcasterView::name);
  return views;
}

void Broadcasters::start() {
  for (const auto& runner : runners_) runner->start();
}

PluginRunner* Broadcasters::find(std::string_view name) const {
  const auto found = std::ranges::find(runners_, name, &PluginRunner::owner_name);
  return found == runners_.end() ? nullptr : found->get();
}

void Broadcasters::post_change(std::shared_ptr<const PluginFile> file,
                               PluginRunner::Options options,
                               std::function<void(PluginRunner::Changed)> done) {
  if (is_stopping_) return done({options.name + ": the host is stopping"});
  std::optional<PluginSpec> spec;
  if (file)
    spec = {.file = std::move(file), .config = options.config, .permissions = options.permissions};
  PluginRunner* runner = find(options.name);
  if (runner == nullptr) {
    std::erase_if(absent_, [&](const BroadcasterView& view) { return view.name == options.name; });
    runner =
        runners_.emplace_back(PluginRunner::make(nullptr, std::move(options), surroundings_)).get();
    runner->start();
  }
  runner->post_change(std::move(spec), std::move(done));
}

PluginState Broadcasters::forget_state(const std::string& name) {
  return surroundings_.states == nullptr ? nullptr : surroundings_.states->forget(name);
}

bool Broadcasters::is_on(std::string_view name) const {
  const PluginRunner* const runner = find(name);
  return runner != nullptr && runner->file() != nullptr;
}

std::vector<Broadcasters::NotStarted> Broadcasters::wait_first_start(MonoTime until) {
  std::vector<NotStarted> refused;
  for (const auto& runner : runners_) {
    std::string why = runner->wait_first_start(until);
    if (!why.empty()) refused.push_back({std::string(runner->owner_name()), std::move(why)});
  }
  return refused;
}

bool Broadcasters::stop(MonoTime deadline) {
  is_stopping_ = true;
  for (const auto& runner : runners_) runner->request_stop(deadline);
  bool all_stopped = true;
  for (const auto& runner : runners_) {
    const bool has_stopped = runner->wait_stopped(deadline);
    if (has_stopped && runner->libraries_left() == 0) continue;
    all_stopped = false;
    spdlog::error("{}: {}; the host ends without waiting for it", runner->owner_name(),
                  has_stopped ? "its library is still mapped"
                              : "a callback has not returned by the deadline");
  }
  return all_stopped;
}

}  // namespace broadcast
