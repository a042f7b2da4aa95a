#include "host/loader/replacement.hpp"

#include <array>
#include <utility>

#include "host/loader/plugin_runner.hpp"

namespace broadcast {

namespace {

bool is_exclusive(const PluginSpec& spec) { return spec.file->manifest().is_exclusive; }

}  // namespace

Replacement::Replacement(PluginRunner& runner, PluginSpec spec)
    : runner_(runner),
      spec_(std::move(spec)),
      before_(runner.spec_),
      is_exclusive_(is_exclusive(spec_) || (before_ && is_exclusive(*before_))) {}

std::string Replacement::run() {
  return runner_.is_active_running() && !is_exclusive_ ? beside() : in_place();
}

std::string Replacement::beside() {
  static constexpr std::array kSteps = {
      // The old one serves.
      Step{&Replacement::try_next, &Replacement::discard_next},
      Step{&Replacement::load_next},
      // Nobody publishes.
      Step{&Replacement::pause_old, &Replacement::let_old_go_on},
      Step{&Replacement::suspend_old},
      Step{&Replacement::claim_topics, &Replacement::take_topics_back},
      Step{&Replacement::start_next, &Replacement::silence_next},
      // The next one serves, and nothing fails any more.
      Step{&Replacement::hand_over},
      Step{&Replacement::retire_old},
  };
  return take(kSteps);
}

std::string Replacement::in_place() {
  static constexpr std::array kSteps = {
      // A claim that is refused has changed nothing.
      Step{&Replacement::claim_topics},
      // An exclusive one that does not end leaves no place for anybody, and a stop asks for nobody.
      Step{&Replacement::end_old},
      Step{&Replacement::start_in_place, &Replacement::bring_old_back},
  };
  return take(kSteps);
}

std::string Replacement::take(std::span<const Step> steps) {
  for (std::size_t step = 0; step < steps.size(); ++step) {
    std::string refusal = (this->*steps[step].take)();
    if (refusal.empty()) continue;
    for (std::size_t undone = step + 1; undone-- > 0;) {
      if (steps[undone].undo != nullptr) (this->*steps[undone].undo)();
    }
    return refusal;
  }
  return "";
}

/// In a process of its own, which may take its time: the old one may fail meanwhile, and is tried
/// again.
std::string Replacement::try_next() {
  next_ = runner_.new_life(spec_, Life::Start::kWhenTold);
  next_->launch();
  runner_.await_trial_beside(*next_);
  return "";  // load_next() sees whether it has failed
}

std::string Replacement::load_next() {
  static_cast<void>(runner_.wait_until(mono_now() + runner_.options_.times.prepare, [&] {
    return next_->state() >= Life::State::kPrepared || runner_.is_stopping_.load();
  }));
  if (next_->state() == Life::State::kPrepared && !runner_.is_stopping_.load()) return "";
  return runner_.why_not_started(*next_, "create and CONFIG have not returned in time");
}

void Replacement::discard_next() { runner_.retire(std::move(next_)); }

/// Between two callbacks, so that no message is half handled.
std::string Replacement::pause_old() {
  begun_ = mono_now();
  if (!runner_.is_active_running()) {
    // It has failed meanwhile: nobody serves. If the next one does not start, it is tried again.
    if (runner_.active_) runner_.retire(std::move(runner_.active_));
    runner_.retry_at_ = begun_;
  } else {
    runner_.active_->pause();
    static_cast<void>(runner_.wait_until(mono_now() + runner_.options_.times.pause, [&] {
      return runner_.active_->state() >= Life::State::kPaused;
    }));
  }
  return runner_.is_stopping_.load() ? runner_.options_.name + ": the host is stopping" : "";
}

/// So that its own threads publish nothing beside the next one.
std::string Replacement::suspend_old() {
  if (runner_.active_) runner_.active_->suspend();
  return "";
}

void Replacement::let_old_go_on() {
  if (runner_.active_) runner_.active_->resume();
  pause_ = mono_now() - begun_;
}

std::string Replacement::claim_topics() {
  std::string refusal = runner_.try_claim(*spec_.file).value_or("");
  if (!refusal.empty() && !before_) runner_.report_down(refusal);
  return refusal;
}

/// Who came or went meanwhile, where the next one would have had other topics, was told to nobody.
void Replacement::take_topics_back() {
  static_cast<void>(runner_.try_claim(*before_->file));
  if (!runner_.active_ || spec_.file->manifest().topics == before_->file->manifest().topics) return;
  for (const auto& [topic, subscribers] : runner_.surroundings_.hub.audience().demand_of(runner_)) {
    runner_.active_->inbox()->post_demand(topic, subscribers);
  }
}

/// As its START returns BC_OK it takes the inbox over, with the messages that wait. It may do so
/// after all while it is given up: then it serves.
std::string Replacement::start_next() {
  runner_.offer_to(next_->inbox());
  next_->proceed();
  std::string refusal = runner_.await_start(*next_);
  if (!refusal.empty() && !runner_.try_withdraw(next_->inbox())) refusal.clear();
  return refusal;
}

/// Before the old one publishes again.
void Replacement::silence_next() {
  if (next_->state() < Life::State::kFailed) next_->suspend();
}

std::string Replacement::hand_over() {
  pause_ = mono_now() - begun_;
  old_ = std::move(runner_.active_);
  runner_.adopt(std::move(next_));
  runner_.on_active_started();
  return "";
}

std::string Replacement::retire_old() {
  if (old_ && old_->state() < Life::State::kPaused) {
    runner_.leave_alone(std::move(old_));
  } else if (old_) {
    runner_.retire(std::move(old_));
  }
  return "";
}

std::string Replacement::end_old() {
  begun_ = mono_now();
  runner_.spec_ = spec_;
  return put_in_place();
}

std::string Replacement::start_in_place() {
  runner_.active_->launch();
  std::string refusal = runner_.await_start(*runner_.active_);
  pause_ = mono_now() - begun_;
  return refusal;
}

void Replacement::bring_old_back() {
  if (!before_) return;  // what was off is on now, and tried again
  runner_.spec_ = before_;
  static_cast<void>(runner_.try_claim(*before_->file));
  if (!put_in_place().empty()) return;
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): put_in_place() has put another one there
  runner_.active_->launch();
  pause_ = mono_now() - begun_;
}

/// The active life ends, and one of what is meant to run has its place, to be launched. Messages
/// wait for it.
std::string Replacement::put_in_place() {
  auto life = runner_.new_life(*runner_.spec_, Life::Start::kAtOnce);
  runner_.serve_by(life->inbox());
  if (runner_.active_) {
    runner_.shown_.with_lock([](auto& shown) { shown.started.reset(); });
    runner_.retire(std::move(runner_.active_));
  }
  if (is_exclusive_ && runner_.is_somebody_stuck()) {
    std::string stuck = runner_.options_.name +
                        ": its old generation does not end, and an exclusive broadcaster cannot "
                        "have two. Restart the host.";
    runner_.give_up("does not end; the host must be restarted", stuck);
    return stuck;
  }
  if (runner_.is_stopping_.load()) {
    life->request_stop(runner_.stop_deadline());
    return runner_.options_.name + ": the host is stopping";
  }
  runner_.adopt(std::move(life));
  return "";
}

}  // namespace broadcast
