#include "host/app/operations.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "host/app/config_changes.hpp"
#include "host/app/config_warnings.hpp"
#include "host/app/descriptors.hpp"
#include "host/app/tls_files.hpp"
#include "host/base/background.hpp"

namespace broadcast {

namespace {

bool is_same(const BroadcasterPlan::Ready& left, const BroadcasterPlan::Ready& right) {
  return left.config == right.config && left.permissions == right.permissions &&
         left.file->path() == right.file->path() && left.file->bytes() == right.file->bytes();
}

}  // namespace

Operations::Operations(boost::asio::io_context& io, Config& config, Broadcasters& broadcasters,
                       bool is_reachable, Apply apply, Counters& counters)
    : io_(io),
      config_(config),
      broadcasters_(broadcasters),
      is_reachable_(is_reachable),
      apply_(std::move(apply)),
      counters_(counters) {
  boost::asio::post(reader_, move_to_background);
}

void Operations::note_started(const BroadcasterPlan::Ready& ready) {
  on_.insert_or_assign(ready.name, ready);
}

void Operations::leave_out(const BroadcasterPlan::Ready& ready, const std::string& why) {
  broadcasters_.leave_out(ready.name, why);
  left_out_.insert_or_assign(ready.name, LeftOut{ready, why});
}

/// A reload that brings nothing new of it does not try it again: it would end the host.
bool Operations::stays_left_out(const BroadcasterPlan::Ready& ready) const {
  const auto left_out = left_out_.find(ready.name);
  return left_out != left_out_.end() && is_same(left_out->second.ready, ready);
}

void Operations::stop() {
  is_stopped_ = true;
  reload_waits_ = nullptr;
  steps_.clear();
}

bool Operations::try_begin(Done& done) {
  if (is_stopped_ || is_busy_) {
    using Outcome = Operation::Outcome;
    done({.outcome = is_stopped_ ? Outcome::kStopping : Outcome::kBusy});
    return false;
  }
  is_busy_ = true;
  result_ = {};
  steps_.clear();
  relay_.reset();
  done_ = std::move(done);
  return true;
}

void Operations::reload_when_free(std::function<void()> done) {
  if (is_stopped_) return;
  if (is_busy_) {
    reload_waits_ = std::move(done);
  } else {
    reload([done = std::move(done)](const Operation&) { done(); });
  }
}

template <class Read, class Then>
void Operations::read_in_background(Read read, Then then) {
  is_reading_ = true;
  boost::asio::post(reader_, [this, read = std::move(read), then = std::move(then)]() mutable {
    Found found;
    try {
      found = read();
    } catch (const ConfigError& error) {
      found.errors = error.problems();
    } catch (const std::exception& error) {
      found.errors = {error.what()};
    }
    boost::asio::post(io_, [this, then = std::move(then), found = std::move(found)]() mutable {
      is_reading_ = false;
      if (!is_stopped_) return then(std::move(found));
      result_.outcome = Operation::Outcome::kStopping;
      finish();
    });
  });
}

void Operations::reload(Done done) {
  if (!try_begin(done)) return;
  read_in_background(
      [file = config_.file] {
        Found found{.config = load_config(file, process_environment())};
        found.plan = plan_broadcasters(*found.config);
        for (const auto& refused : found.plan.refused) found.errors.push_back(refused.why);
        for (const std::string& problem : look_at_tls(*found.config).problems) {
          found.errors.push_back(file + ": " + problem);
        }
        return found;
      },
      [this](Found found) { on_reload_read(std::move(found)); });
}

std::vector<std::string> Operations::taken_topics(const BroadcasterPlan& plan,
                                                  const Config* next) const {
  const auto goes_on = [next](const std::string& name) {
    if (next == nullptr) return true;
    const auto found = next->broadcasters.find(name);
    return found != next->broadcasters.end() && found->second.enabled;
  };
  std::vector<std::string> taken;
  for (const BroadcasterPlan::Ready& ready : plan.ready) {
    for (const auto& [name, running] : on_) {
      if (name == ready.name || !goes_on(name)) continue;
      for (const TopicPattern& topic : ready.file->manifest().topics) {
        const bool is_theirs =
            std::ranges::any_of(running.file->manifest().topics,
                                [&](const TopicPattern& theirs) { return topic.overlaps(theirs); });
        if (!is_theirs) continue;
        taken.push_back(ready.name + ": topic \"" + topic.text() + "\" belongs to " + name + " (" +
                        running.file->file_name() + "), which is running, and would move to " +
                        ready.name + " (" + ready.file->file_name() +
                        "). Disable one of them under broadcasters:, or let " + name +
                        " give it up in a reload before this one.");
      }
    }
  }
  return taken;
}

void Operations::on_reload_read(Found found) {
  result_.errors = std::move(found.errors);
  if (found.config) {
    std::ranges::move(taken_topics(found.plan, &*found.config), std::back_inserter(result_.errors));
  }
  if (found.config && found.config->admin.tokens.empty() && is_reachable_) {
    // It was checked against the new admin.listen, which takes effect after a restart.
    result_.errors.push_back(config_.file +
                             ": admin.tokens: the host still listens beyond this machine and needs "
                             "a token until it is restarted.");
  }
  if (result_.errors.empty()) {
    for (const std::string& warning : warnings_of(*found.config)) spdlog::warn(warning);
    take(*std::move(found.config), std::move(found.plan));
    return next_step();
  }
  result_.outcome = Operation::Outcome::kInvalid;
  finish();
}

void Operations::take(Config next, BroadcasterPlan plan) {
  ConfigChanges changes = changes_between(config_, next);
  result_.settings = std::move(changes.live);
  result_.needs_restart = std::move(changes.restart);
  take_live(config_, next);
  const std::string warning =
      plan_descriptors(descriptor_limit(), config_, shards_of(config_)).warning(config_.limits);
  if (!warning.empty()) spdlog::warn(warning);
  config_.broadcasters = std::move(next.broadcasters);
  relay_ = std::move(plan.relay);
  std::map<std::string, LeftOut> left_out;
  Broadcasters::Absent absent{
      .disabled = plan.disabled, .left_out = {}, .is_configured = [this](const std::string& name) {
        return config_.broadcasters.contains(name);
      }};
  for (const BroadcasterPlan::Ready& ready : plan.ready) {
    if (!stays_left_out(ready)) continue;
    auto stays = left_out_.extract(ready.name);
    absent.left_out.emplace(ready.name, stays.mapped().why);
    left_out.insert(std::move(stays));
  }
  left_out_ = std::move(left_out);
  broadcasters_.set_absent(absent);
  // Who goes, gives topics away first: the relay, and broadcasters that are off now. What the relay
  // wants of theirs it gets at the end.
  std::erase_if(relay_on_, [&](const TopicPattern& pattern) {
    return std::ranges::find(*relay_, pattern) == relay_->end();
  });
  static_cast<void>(apply_(relay_on_));
  for (const auto& [name, ready] : on_) {
    const auto stays = std::ranges::find(plan.ready, name, &BroadcasterPlan::Ready::name);
    if (stays == plan.ready.end()) steps_.push_back({name, std::nullopt, "stopped"});
  }
  for (BroadcasterPlan::Ready& ready : plan.ready) {
    const auto running = on_.find(ready.name);
    const bool is_on = running != on_.end();
    if (is_on ? is_same(running->second, ready) : stays_left_out(ready)) continue;
    const bool is_library = is_on && running->second.file->bytes() != ready.file->bytes();
    const char* const did = !is_on ? "started" : is_library ? "replaced" : "restarted";
    std::string name = ready.name;
    steps_.push_back({std::move(name), std::move(ready), did});
  }
}

void Operations::act(std::string_view broadcaster, Action action, Done done) {
  if (!try_begin(done)) return;
  const std::string name(broadcaster);
  const auto running = on_.find(name);
  const bool is_on = running != on_.end();
  if (action == Action::kForgetState) {
    forget_state(name);
  } else if (!config_.broadcasters.contains(name)) {
    result_.outcome = Operation::Outcome::kUnknown;
  } else if (action == Action::kDisable) {
    if (is_on) {
      steps_.push_back({name, std::nullopt, "stopped"});
    } else if (broadcasters_.try_switch_off(name)) {
      result_.broadcasters.push_back({.broadcaster = name, .did = "switched off"});
    }
  } else if (action == Action::kRestart && is_on) {
    steps_.push_back({name, running->second, "restarted"});
  } else if (action == Action::kEnable && is_on) {  // as it is wanted
  } else {
    return plan_one(name);
  }
  next_step();
}

void Operations::forget_state(const std::string& name) {
  if (broadcasters_.is_on(name)) {
    result_.errors.push_back(name + ": it is running and may keep another state; disable it first");
    result_.outcome = Operation::Outcome::kInvalid;
  } else if (const PluginState kept = broadcasters_.forget_state(name)) {
    const std::string did = "forgot its state of " + std::to_string(kept->size()) + " bytes";
    result_.broadcasters.push_back({.broadcaster = name, .did = did});
  } else if (!config_.broadcasters.contains(name)) {
    result_.outcome = Operation::Outcome::kUnknown;
  }
}

/// As the configuration that runs has it, with the library as it is now.
void Operations::plan_one(const std::string& name) {
  Config config = config_;
  config.broadcasters.at(name).enabled = true;
  // The others' libraries are read only where their topics are to be compared.
  if (on_.contains(name)) {
    std::erase_if(config.broadcasters, [&](const auto& other) { return other.first != name; });
  }
  read_in_background(
      [config = std::move(config)] { return Found{.plan = plan_broadcasters(config)}; },
      [this, name](Found found) { on_one_planned(name, std::move(found)); });
}

void Operations::on_one_planned(const std::string& name, Found found) {
  result_.errors = std::move(found.errors);
  for (const auto& refused : found.plan.refused) {
    if (refused.name == name) result_.errors.push_back(refused.why);
  }
  std::erase_if(found.plan.ready, [&](const auto& other) { return other.name != name; });
  std::ranges::move(taken_topics(found.plan, nullptr), std::back_inserter(result_.errors));
  const auto ready = found.plan.ready.begin();
  if (ready != found.plan.ready.end() && result_.errors.empty()) {
    steps_.push_back({name, std::move(*ready), on_.contains(name) ? "replaced" : "started"});
    return next_step();
  }
  result_.outcome = Operation::Outcome::kInvalid;
  finish();
}

void Operations::next_step() {
  if (steps_.empty()) return finish();
  Step step = std::move(steps_.front());
  steps_.pop_front();
  if (step.to) left_out_.erase(step.name);
  const BroadcasterPlan::Ready off{.name = step.name};
  const BroadcasterPlan::Ready& to = step.to ? *step.to : off;
  auto file = to.file;
  PluginRunner::Options options = options_of(to, config_);
  auto done = [this, step = std::move(step)](PluginRunner::Changed changed) mutable {
    boost::asio::post(io_, [this, step = std::move(step), changed = std::move(changed)]() mutable {
      on_step(std::move(step), std::move(changed));
    });
  };
  broadcasters_.post_change(std::move(file), std::move(options), std::move(done));
}

void Operations::on_step(Step step, PluginRunner::Changed changed) {
  // One that was off and does not start is on all the same, and tried again.
  const bool was_on = on_.contains(step.name);
  if (!step.to) {
    on_.erase(step.name);
  } else if (changed.refusal.empty() || (!was_on && broadcasters_.is_on(step.name))) {
    on_.insert_or_assign(step.name, *std::move(step.to));
  }
  result_.broadcasters.push_back(
      {std::move(step.name), std::move(step.did), std::move(changed.refusal), changed.pause});
  next_step();
}

void Operations::finish() {
  if (relay_) {
    if (std::string refusal = apply_(*relay_); refusal.empty()) {
      relay_on_ = *std::move(relay_);
    } else {
      result_.errors.push_back(std::move(refusal));
    }
  }
  const bool has_failed =
      !result_.errors.empty() ||
      std::ranges::any_of(result_.broadcasters,
                          [](const Operation::Step& step) { return !step.refusal.empty(); });
  if (result_.outcome == Operation::Outcome::kDone && has_failed) {
    result_.outcome = Operation::Outcome::kFailed;
  }
  is_busy_ = false;
  counters_.add(Counter::kOperations);
  if (result_.outcome != Operation::Outcome::kDone) counters_.add(Counter::kOperationsRefused);
  tell_log();
  std::exchange(done_, nullptr)(result_);
  if (auto waits = std::exchange(reload_waits_, nullptr)) reload_when_free(std::move(waits));
}

void Operations::tell_log() const {
  const bool is_nothing = result_.errors.empty() && result_.settings.empty() &&
                          result_.needs_restart.empty() && result_.broadcasters.empty();
  if (is_nothing && result_.outcome == Operation::Outcome::kDone) spdlog::info("nothing to change");
  for (const std::string& error : result_.errors) spdlog::error("not changed: {}", error);
  for (const std::string& key : result_.settings) spdlog::info("changed: {}", key);
  for (const std::string& key : result_.needs_restart) {
    spdlog::warn("{}: takes effect after a restart", key);
  }
  for (const Operation::Step& step : result_.broadcasters) {
    if (step.refusal.empty()) spdlog::info("{}: {}", step.broadcaster, step.did);
  }
}

}  // namespace broadcast
