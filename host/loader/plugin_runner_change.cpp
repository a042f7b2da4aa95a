// PluginRunner: what operators change, and what becomes of the generations that go.

#include <algorithm>
#include <optional>
#include <utility>

#include <spdlog/spdlog.h>

#include <broadcast/units.hpp>

#include "host/loader/plugin_runner.hpp"

namespace broadcast {

template <class Predicate>
bool PluginRunner::wait_until(MonoTime until, Predicate is_done) {
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

PluginRunner::Changed PluginRunner::obey(std::optional<PluginSpec> spec) {
  pause_ = {};
  if (!spec) return {switch_off()};
  if (quarantine_.size() >= kMaxLibrariesLeft) {
    return {options_.name + ": " + std::to_string(quarantine_.size()) +
            " generations of it are stuck, or could not be unloaded. Restart the host."};
  }
  const bool is_exclusive =
      spec->file->manifest().is_exclusive || (spec_ && spec_->file->manifest().is_exclusive);
  backoff_ = Backoff(options_.restart);
  const bool replaces = spec_.has_value();
  std::string refusal = is_active_running() && !is_exclusive ? replace_beside(*std::move(spec))
                                                             : start_over(*std::move(spec));
  if (refusal.empty()) {
    if (replaces) counters_.add(Counter::kPluginReplacements);
  } else {
    spdlog::error("{}: not changed: {}", options_.name, refusal);
  }
  return {std::move(refusal), pause_};
}

/// Load N+1, CONFIG; pause and suspend N; START N+1; STOP N. Until that START has returned, N can
/// go on.
std::string PluginRunner::replace_beside(PluginSpec spec) {
  auto next = make_generation(std::move(spec), Generation::Start::kWhenTold);
  next->launch();
  await_trial_beside(*next);
  static_cast<void>(wait_until(mono_now() + options_.times.prepare, [&] {
    return next->state() >= State::kPrepared || is_stopping_.load();
  }));
  if (next->state() != State::kPrepared || is_stopping_.load()) {
    std::string why = why_not_started(*next, "create and CONFIG have not returned in time");
    retire(std::move(next));
    return why;
  }
  const MonoTime begun = mono_now();
  if (!is_active_running()) {
    // It has failed meanwhile: nobody serves. If the next one does not start, it is tried again.
    if (active_) retire(std::move(active_));
    retry_at_ = begun;
  } else {
    active_->pause();
    static_cast<void>(wait_until(mono_now() + options_.times.pause,
                                 [&] { return active_->state() >= State::kPaused; }));
  }
  if (is_stopping_.load()) {
    retire(std::move(next));
    return options_.name + ": the host is stopping";
  }
  if (active_) active_->suspend();
  std::string refusal = try_claim(*next->spec().file).value_or("");
  if (refusal.empty()) {
    serving_.with_lock([&](Serving& serving) { serving.successor = next->inbox(); });
    next->proceed();
    refusal = await_start(*next);
  }
  if (!refusal.empty() && try_withdraw(next->inbox())) {
    if (next->state() < State::kFailed) next->suspend();  // never two publishers
    take_topics_back(*next->spec().file);
    if (active_) active_->resume();
    pause_ = mono_now() - begun;
    retire(std::move(next));
    return refusal;
  }
  pause_ = mono_now() - begun;
  auto old = std::move(active_);
  adopt(std::move(next));
  on_active_started();
  if (old && old->state() < State::kPaused) old->quarantine();
  if (old) retire(std::move(old));
  return "";
}

std::string PluginRunner::rehearse(Rehearsal rehearsal) {
  auto one = make_generation(*spec_, rehearsal == Rehearsal::kConfigured
                                         ? Generation::Start::kNever
                                         : Generation::Start::kUnconfigured);
  one->launch();
  while (one->state() < State::kPrepared) progress_.wait(std::nullopt);
  const auto failure = one->failure();
  retire(std::move(one));
  return failure ? failure->detail : "";
}

/// After a START that failed: who came or went meanwhile, where it would have had other topics, was
/// told to nobody.
void PluginRunner::take_topics_back(const PluginFile& successor) {
  static_cast<void>(try_claim());
  if (!active_ || successor.manifest().topics == spec_->file->manifest().topics) return;
  for (const auto& [topic, subscribers] : surroundings_.hub.demand_of(*this)) {
    active_->inbox()->post_demand(topic, subscribers);
  }
}

/// N goes first: of those that must not be two at once, or do not run. What was before comes again
/// if N+1 does not start.
std::string PluginRunner::start_over(PluginSpec spec) {
  if (auto refusal = try_claim(*spec.file)) {
    if (!spec_) report_down(*refusal);
    return *refusal;
  }
  const std::optional<PluginSpec> before = std::exchange(spec_, std::move(spec));
  const bool is_exclusive =
      spec_->file->manifest().is_exclusive || (before && before->file->manifest().is_exclusive);
  std::string stuck =
      options_.name + ": its old generation does not end, and it is exclusive. Restart the host.";
  auto next = make_generation(*spec_, Generation::Start::kAtOnce);
  const MonoTime begun = mono_now();
  serve_by(next->inbox());  // messages wait for it
  if (active_) {
    life_.with_lock([](Life& life) { life.started.reset(); });
    retire(std::move(active_));
  }
  if (is_exclusive && is_somebody_stuck()) {
    strand("does not end; the host must be restarted", stuck);
    return stuck;
  }
  if (is_stopping_.load()) {
    next->request_stop(stop_deadline());
    return options_.name + ": the host is stopping";
  }
  Generation& successor = adopt(std::move(next));
  successor.launch();
  std::string refusal = await_start(successor);
  pause_ = mono_now() - begun;
  if (refusal.empty() || !before) return refusal;  // what was off is on now, and tried again
  spec_ = before;
  static_cast<void>(try_claim());
  auto again = make_generation(*spec_, Generation::Start::kAtOnce);
  serve_by(again->inbox());  // from here on, messages wait for what was before
  retire(std::move(active_));
  if (is_exclusive && is_somebody_stuck()) {
    strand("does not end; the host must be restarted", stuck);
    return refusal;
  }
  if (is_stopping_.load()) {
    again->request_stop(stop_deadline());
    return refusal;
  }
  adopt(std::move(again)).launch();
  pause_ = mono_now() - begun;
  return refusal;
}

std::string PluginRunner::switch_off() {
  spec_.reset();
  retry_at_.reset();
  auto nobody = std::make_shared<PluginInbox>(options_.name, options_.inbox);
  nobody->close_messages("is switched off", std::nullopt);
  serve_by(nobody);
  if (active_) retire(std::move(active_));
  static_cast<void>(surroundings_.hub.try_claim(*this, "", {}));
  life_.with_lock([](Life& life) {
    life.file.reset();
    life.started.reset();
  });
  surroundings_.hub.report_status(options_.name, BroadcasterState::kDisabled,
                                  "switched off by the operator");
  spdlog::info("{}: switched off", options_.name);
  return "";
}

/// It has limits of its own, and a stop calls it off.
void PluginRunner::await_trial(const Generation& generation) {
  while (generation.state() == State::kTrying && !is_stopping_.load()) progress_.wait(std::nullopt);
}

/// The same where another one serves, which may fail meanwhile: that is told then, not after the
/// trial, and it is tried again when its time has come.
void PluginRunner::await_trial_beside(const Generation& generation) {
  while (generation.state() == State::kTrying && !is_stopping_.load()) {
    if (tend_active() || try_restart()) continue;
    progress_.wait(active_ ? std::nullopt : retry_at_);
  }
  while (tend_active()) {
  }
}

/// Empty: it has started.
std::string PluginRunner::await_start(const Generation& generation) {
  await_trial(generation);
  static_cast<void>(wait_until(mono_now() + options_.times.start, [&] {
    return generation.has_started() || generation.state() >= State::kFailed;
  }));
  return generation.has_started() ? ""
                                  : why_not_started(generation, "START has not returned in time");
}

std::string PluginRunner::why_not_started(const Generation& generation, std::string late) const {
  const auto failure = generation.failure();
  if (failure) return options_.name + ": " + failure->detail;
  return options_.name + ": " + (is_stopping_.load() ? "the host is stopping" : std::move(late));
}

/// Stops it, or sees it end; what does not return in time is quarantined.
void PluginRunner::retire(std::unique_ptr<Generation> generation) {
  const MonoTime until = mono_now() + options_.times.stop;
  if (generation->state() < State::kFailed) generation->request_stop(until);
  if (!generation->is_quarantined() &&
      !wait_until(until, [&] { return generation->has_ended(); })) {
    generation->quarantine();
  }
  keep(std::move(generation));
}

void PluginRunner::keep(std::unique_ptr<Generation> generation) {
  const bool has_ended = generation->has_ended();
  if (has_ended && generation->bury()) return;
  // Threads that it left may call the host as long as their code is there.
  if (has_ended) {
    spdlog::warn("{}: its library stays mapped ({}); the next start uses a copy of its own",
                 options_.name, generation->spec().file->file_name());
  } else {
    spdlog::warn("{}: a callback of generation {} ({}) does not return; it is left alone",
                 options_.name, generation->number(), generation->spec().file->file_name());
  }
  quarantine_.push_back({.generation = std::move(generation),
                         .is_buried = has_ended,
                         .since = iso_timestamp(wall_now_ns())});
  list_quarantine();
}

void PluginRunner::reap() {
  const std::size_t removed = std::erase_if(quarantine_, [](Left& left) {
    if (left.is_buried || !left.generation->has_ended()) return false;
    left.is_buried = true;
    return left.generation->bury();
  });
  if (removed > 0) list_quarantine();
}

bool PluginRunner::is_somebody_stuck() const {
  return std::ranges::any_of(quarantine_,
                             [](const Left& left) { return !left.generation->has_ended(); });
}

void PluginRunner::list_quarantine() {
  libraries_left_.store(quarantine_.size());
  life_.with_lock([&](Life& life) {
    life.quarantined.clear();
    for (const Left& left : quarantine_) {
      life.quarantined.push_back(
          {.generation = left.generation->number(),
           .version = left.generation->spec().file->manifest().version,
           .since = left.since,
           .why = left.is_buried ? "its library stays mapped" : "a callback does not return"});
    }
  });
}

}  // namespace broadcast
