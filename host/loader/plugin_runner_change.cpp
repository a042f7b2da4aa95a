// PluginRunner: what operators change, and what becomes of the lives that go.

#include <algorithm>
#include <optional>
#include <utility>

#include <spdlog/spdlog.h>

#include <broadcast/units.hpp>

#include "host/base/assert.hpp"
#include "host/loader/plugin_runner.hpp"
#include "host/loader/replacement.hpp"

namespace broadcast {

/// False: it is not done at `until`, or, while the host is stopping, at that deadline.
bool PluginRunner::wait_until(MonoTime until, const std::function<bool()>& is_done) {
  while (!is_done()) {
    const MonoTime limit = is_stopping_.load() ? std::min(until, stop_deadline()) : until;
    if (mono_now() >= limit) return false;
    const MonoTime later = progress_.wait_awake(limit);
    if (later == limit) continue;
    until = later;
    stop_deadline_.with_lock([&](MonoTime& stop) { stop = std::max(stop, later); });
  }
  return true;
}

std::optional<PluginRunner::Change> PluginRunner::take_change() {
  return changes_.with_lock([](auto& changes) -> std::optional<Change> {
    if (changes.empty()) return std::nullopt;
    Change change = std::move(changes.front());
    changes.pop_front();
    return change;
  });
}

PluginRunner::Changed PluginRunner::apply_change(std::optional<PluginSpec> spec) {
  if (!spec) {
    switch_off();
    return {};
  }
  if (quarantine_.size() >= kMaxLibrariesLeft) {
    return {options_.name + ": " + std::to_string(quarantine_.size()) +
            " generations are stuck or could not be unloaded. Restart the host."};
  }
  backoff_ = Backoff(options_.restart);
  const bool replaces = spec_.has_value();
  Replacement replacement(*this, *std::move(spec));
  std::string refusal = replacement.run();
  if (refusal.empty()) {
    if (replaces) counters_.add(Counter::kPluginReplacements);
  } else {
    spdlog::error("{}: not changed: {}", options_.name, refusal);
  }
  return {std::move(refusal), replacement.pause()};
}

std::string PluginRunner::rehearse(Rehearsal rehearsal) {
  main_.check();
  BROADCAST_ASSERT(spec_, "a runner without a file is rehearsed");
  auto one = new_life(*spec_, rehearsal == Rehearsal::kConfigured ? Life::Start::kNever
                                                                  : Life::Start::kUnconfigured);
  one->launch();
  while (one->state() < State::kPrepared) progress_.wait(std::nullopt);
  const auto failure = one->failure();
  retire(std::move(one));
  return failure ? failure->detail : "";
}

void PluginRunner::switch_off() {
  spec_.reset();
  retry_at_.reset();
  auto nobody = std::make_shared<PluginInbox>(options_.name, options_.inbox);
  nobody->close_messages("is switched off", std::nullopt);
  serve_by(nobody);
  if (active_) retire(std::move(active_));
  static_cast<void>(surroundings_.hub.topics().try_claim(*this, "", {}));
  shown_.with_lock([](Shown& shown) {
    shown.file.reset();
    shown.started.reset();
  });
  surroundings_.hub.statuses().report(options_.name, BroadcasterState::kDisabled,
                                      "switched off by the operator");
  spdlog::info("{}: switched off", options_.name);
}

/// It has limits of its own, and a stop calls it off.
void PluginRunner::await_trial(const Life& life) {
  while (life.state() == State::kTrying && !is_stopping_.load()) progress_.wait(std::nullopt);
}

/// The same where another one serves, which may fail meanwhile: that is told then, not after the
/// trial, and it is tried again when its time has come.
void PluginRunner::await_trial_beside(const Life& life) {
  while (life.state() == State::kTrying && !is_stopping_.load()) {
    if (tend_active() || try_restart()) continue;
    progress_.wait(active_ ? std::nullopt : retry_at_);
  }
  while (tend_active()) {
  }
}

/// Empty: it has started.
std::string PluginRunner::await_start(const Life& life) {
  await_trial(life);
  static_cast<void>(wait_until(mono_now() + options_.times.start, [&] {
    return life.has_started() || life.state() >= State::kFailed;
  }));
  return life.has_started() ? "" : why_not_started(life, "START has not returned in time");
}

std::string PluginRunner::why_not_started(const Life& life, std::string late) const {
  const auto failure = life.failure();
  if (failure) return options_.name + ": " + failure->detail;
  return options_.name + ": " + (is_stopping_.load() ? "the host is stopping" : std::move(late));
}

/// Stops it, or sees it end; what does not return in time is quarantined.
void PluginRunner::retire(std::unique_ptr<Life> life) {
  const MonoTime until = mono_now() + options_.times.stop;
  if (life->state() < State::kFailed) life->request_stop(until);
  if (!wait_until(until, [&] { return life->has_ended(); })) life->quarantine();
  keep(std::move(life));
}

/// It did not come back from a callback when it was to be paused: nobody waits for it again.
void PluginRunner::leave_alone(std::unique_ptr<Life> life) {
  life->quarantine();
  life->request_stop(mono_now() + options_.times.stop);
  keep(std::move(life));
}

void PluginRunner::keep(std::unique_ptr<Life> life) {
  const bool has_ended = life->has_ended();
  if (has_ended && life->join_and_unload()) return;
  // Threads that it left may call the host as long as their code is there.
  if (has_ended) {
    spdlog::warn("{}: its library stays mapped ({}); the next start uses a new copy", options_.name,
                 life->spec().file->file_name());
  } else {
    spdlog::warn(
        "{}: a callback of generation {} ({}) does not return; that generation is quarantined",
        options_.name, life->number(), life->spec().file->file_name());
  }
  quarantine_.push_back(
      {.life = std::move(life), .stays_mapped = has_ended, .since = iso_timestamp(wall_now_ns())});
  list_quarantine();
}

void PluginRunner::reap() {
  const std::size_t removed = std::erase_if(quarantine_, [](Left& left) {
    if (left.stays_mapped || !left.life->has_ended()) return false;
    left.stays_mapped = true;
    return left.life->join_and_unload();
  });
  if (removed > 0) list_quarantine();
}

bool PluginRunner::is_somebody_stuck() const {
  return std::ranges::any_of(quarantine_, [](const Left& left) { return !left.life->has_ended(); });
}

void PluginRunner::list_quarantine() {
  libraries_left_.store(quarantine_.size());
  shown_.with_lock([&](Shown& shown) {
    shown.quarantined.clear();
    for (const Left& left : quarantine_) {
      shown.quarantined.push_back(
          {.generation = left.life->number(),
           .version = left.life->spec().file->manifest().version,
           .since = left.since,
           .why = left.stays_mapped ? "its library stays mapped" : "a callback does not return"});
    }
  });
}

}  // namespace broadcast
