#include "host/loader/plugin_runner.hpp"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <broadcast/units.hpp>

namespace broadcast {

namespace {

/// Each may hold threads, timers and memory that nobody can take back.
constexpr std::size_t kMaxLibrariesLeft = 8;

}  // namespace

std::shared_ptr<PluginRunner> PluginRunner::make(std::shared_ptr<const PluginFile> file,
                                                 Options options,
                                                 const Surroundings& surroundings) {
  return std::shared_ptr<PluginRunner>(
      new PluginRunner(std::move(file), std::move(options), surroundings));
}

PluginRunner::PluginRunner(std::shared_ptr<const PluginFile> file, Options options,
                           const Surroundings& surroundings)
    : options_(std::move(options)), surroundings_(surroundings), backoff_(options_.restart) {
  serving_.with_lock([&](Serving& serving) {
    serving.inbox = std::make_shared<PluginInbox>(options_.name, options_.inbox);
  });
  if (file == nullptr) return;
  life_.with_lock([&](Life& life) { life.file = file; });
  spec_ = {.file = std::move(file), .config = options_.config, .permissions = options_.permissions};
}

PluginRunner::~PluginRunner() {
  // Still joinable: it was stuck, its owner let go, and its own last thread is the one that
  // destroys it.
  if (supervisor_.joinable()) supervisor_.detach();
}

std::optional<std::string> PluginRunner::try_claim() { return try_claim(*spec_->file); }

std::optional<std::string> PluginRunner::try_claim(const PluginFile& file) {
  const auto conflict =
      surroundings_.hub.try_claim(*this, file.file_name(), file.manifest().topics);
  if (!conflict) return std::nullopt;
  return options_.name + ": " + conflict->text() +
         (conflict->delivered.empty() ? ". Disable one of them under broadcasters:."
                                      : ". Choose another topic, or restart the host.");
}

void PluginRunner::start() {
  has_ended_.store(false);
  if (spec_) begin_active();
  supervisor_ = std::thread([self = shared_from_this()] { self->supervise(); });
}

void PluginRunner::post_change(std::optional<PluginSpec> spec, std::function<void(Changed)> done) {
  changes_.with_lock([&](auto& changes) { changes.push_back({std::move(spec), std::move(done)}); });
  progress_.set();
}

void PluginRunner::request_stop(MonoTime deadline) {
  stop_deadline_.with_lock([&](MonoTime& until) { until = deadline; });
  is_stopping_.store(true);
  // At once for messages and for who serves; the supervisor tells the others.
  serving_.with_lock([](const Serving& serving) { return serving.inbox; })->request_stop(deadline);
  progress_.set();
}

bool PluginRunner::wait_stopped(MonoTime until) {
  while (!has_ended_.load()) {
    if (mono_now() >= until) return false;
    news_.wait(until);
  }
  if (supervisor_.joinable()) supervisor_.join();
  return true;
}

std::string PluginRunner::wait_first_start(MonoTime until) {
  for (;;) {
    const auto refusal = first_start_.with_lock([](const auto& known) { return known; });
    if (refusal) return *refusal;
    if (mono_now() >= until) return "its START has not returned in time";
    news_.wait(until);
  }
}

bool PluginRunner::stop_within(std::chrono::nanoseconds duration) {
  const MonoTime deadline = mono_now() + duration;
  request_stop(deadline);
  return wait_stopped(deadline);
}

void PluginRunner::post_message(ProducerMessage message, std::function<void(Verdict)> done) {
  PluginInbox::Message waiting{std::move(message),
                               [this, done = std::move(done)](Verdict verdict) {
                                 counters_.add(counter_of(verdict.outcome));
                                 done(std::move(verdict));
                               },
                               mono_now()};
  // Under the lock, so that none comes to a generation that has handed over.
  auto refused = serving_.with_lock(
      [&](const Serving& serving) { return serving.inbox->try_post_message(waiting); });
  if (refused) waiting.done(*std::move(refused));
}

void PluginRunner::post_demand(std::string_view topic, std::int64_t subscribers) {
  serving_.with_lock(
      [&](const Serving& serving) { serving.inbox->post_demand(topic, subscribers); });
}

std::shared_ptr<const PluginFile> PluginRunner::file() const {
  return life_.with_lock([](const Life& life) { return life.file; });
}

BroadcasterView PluginRunner::view() const {
  BroadcasterView view{
      .name = options_.name, .counts = counters_.values(), .metrics = metrics_.view()};
  life_.with_lock([&](const Life& life) {
    view.enabled = life.file != nullptr;
    view.running = life.started.has_value();
    view.generation = life.generation;
    if (life.started) view.uptime = mono_now() - *life.started;
    view.last_error = life.last_error;
    view.last_error_at = life.last_error_at;
    view.quarantined = life.quarantined;
    if (life.file == nullptr) return;
    const Manifest& manifest = life.file->manifest();
    view.library = life.file->path().string();
    view.version = manifest.version;
    view.abi = std::to_string(manifest.abi_major) + "." + std::to_string(manifest.abi_minor);
    for (const TopicPattern& topic : manifest.topics) view.topics.push_back(topic.text());
  });
  return view;
}

// Who serves.

void PluginRunner::serve_by(const std::shared_ptr<PluginInbox>& inbox) {
  serving_.with_lock([&](Serving& serving) { serving.successor = inbox; });
  static_cast<void>(take_over(inbox));
}

/// Messages that wait for the one before go with it.
bool PluginRunner::take_over(const std::shared_ptr<PluginInbox>& inbox) {
  std::vector<std::pair<PluginInbox::Message, Verdict>> refused;
  const bool serves = serving_.with_lock([&](Serving& serving) {
    if (serving.inbox == inbox) return true;
    if (serving.successor != inbox) return false;
    for (PluginInbox::Message& message : serving.inbox->take_messages()) {
      if (auto verdict = inbox->try_post_message(message)) {
        refused.emplace_back(std::move(message), *std::move(verdict));
      }
    }
    serving.inbox = std::move(serving.successor);
    serving.successor.reset();
    return true;
  });
  for (auto& [message, verdict] : refused) message.done(std::move(verdict));
  return serves;
}

/// False: it has taken over already.
bool PluginRunner::try_withdraw(const std::shared_ptr<PluginInbox>& inbox) {
  return serving_.with_lock([&](Serving& serving) {
    serving.successor.reset();
    return serving.inbox != inbox;
  });
}

// The supervisor.

void PluginRunner::supervise() {
  ::pthread_setname_np(::pthread_self(), ("bs:" + options_.name).substr(0, 15).c_str());
  while (!is_stopping_.load()) {
    if (active_ && active_->has_started() && !has_started_) {
      on_active_started();
    } else if (active_ && active_->state() >= State::kFailed && !has_failed_) {
      on_active_failed();
    } else if (active_ && active_->has_ended()) {
      bury_active();
    } else if (auto change = take_change()) {
      change->done(obey(std::move(change->spec)));
    } else if (!active_ && spec_ && retry_at_ && mono_now() >= *retry_at_) {
      counters_.add(Counter::kPluginRestarts);
      begin_active();
    } else {
      reap();
      progress_.wait(active_ ? std::nullopt : retry_at_);
    }
  }
  stop_active();
  while (const auto change = take_change())
    change->done({options_.name + ": the host is stopping"});
  if (spec_) report_down("stopped");
  has_ended_.store(true);
  news_.set();
}

std::unique_ptr<Generation> PluginRunner::make_generation(PluginSpec spec,
                                                          Generation::Start start) {
  auto inbox = std::make_shared<PluginInbox>(options_.name, options_.inbox);
  inbox->open();
  return std::make_unique<Generation>(
      ++last_number_, std::move(spec), start,
      Generation::Parts{.name = options_.name,
                        .host_version = options_.host_version,
                        .copies = options_.copies,
                        .hub = surroundings_.hub,
                        .owner = *this,
                        .clients = surroundings_.clients,
                        .cache = surroundings_.cache,
                        .counters = counters_,
                        .metrics = metrics_,
                        .inbox = inbox,
                        .on_started =
                            [this, inbox] {
                              if (!take_over(inbox)) return false;
                              life_.with_lock([](Life& life) { life.started = mono_now(); });
                              return true;
                            },
                        .on_news = [this] { progress_.set(); }});
}

void PluginRunner::adopt(std::unique_ptr<Generation> generation) {
  active_ = std::move(generation);
  spec_ = active_->spec();
  has_started_ = false;
  has_failed_ = false;
  failure_shown_.clear();
  retry_at_.reset();
  life_.with_lock([&](Life& life) {
    life.file = spec_->file;
    life.generation = active_->number();
  });
}

void PluginRunner::begin_active() {
  auto generation = make_generation(*spec_, Generation::Start::kAtOnce);
  serve_by(generation->inbox());
  adopt(std::move(generation));
  active_->launch();
}

void PluginRunner::on_active_started() {
  has_started_ = true;
  const PluginFile& file = *spec_->file;
  spdlog::info("{}: started ({} {} from {})", options_.name, file.manifest().name,
               file.manifest().version, file.path().string());
  failure_logged_.clear();
  tell_first_start("");
}

void PluginRunner::on_active_failed() {
  has_failed_ = true;
  const Generation::Failure failure = active_->failure().value_or(Generation::Failure{});
  // Whatever failed is tried again, also what did not load: the bytes stay the same, but a library
  // that they need may be installed meanwhile, or descriptors and memory be free again. It costs
  // one attempt a minute, and one line in the log.
  const auto wait = backoff_.after(failure.ran);
  retry_at_ = mono_now() + wait;
  active_->inbox()->close_messages(failure.words, retry_at_);
  life_.with_lock([&](Life& life) {
    life.started.reset();
    life.last_error = failure.detail;
    life.last_error_at = iso_timestamp(wall_now_ns());
  });
  failure_shown_ = failure.detail + "; next try in " + in_seconds(wait);
  const bool is_known = failure.detail == failure_logged_;
  spdlog::log(is_known ? spdlog::level::debug : spdlog::level::err, "{}: {}", options_.name,
              failure_shown_);
  failure_logged_ = failure.detail;
  report_down(failure_shown_);
  tell_first_start(failure.detail);
}

void PluginRunner::bury_active() {
  // Again, after its threads: one of them may have had a report under way.
  report_down(failure_shown_);
  keep(std::move(active_));
  if (quarantine_.size() < kMaxLibrariesLeft) return;
  strand("has given up; the host must be restarted",
         "gave up: " + std::to_string(quarantine_.size()) +
             " copies of its library could not be unloaded; correct the plugin and restart the "
             "host");
}

/// Nothing comes any more until the host is restarted.
void PluginRunner::strand(const std::string& words, const std::string& detail) {
  retry_at_.reset();
  serving_.with_lock([](const Serving& serving) { return serving.inbox; })->give_up(words);
  spdlog::error("{}: {} ({})", options_.name, detail, spec_->file->path().string());
  report_down(detail);
}

void PluginRunner::report_down(std::string_view detail) {
  surroundings_.hub.report_status(options_.name, BroadcasterState::kDown, detail);
}

void PluginRunner::tell_first_start(std::string refusal) {
  const bool is_first = first_start_.with_lock([&](auto& known) {
    if (known) return false;
    known = std::move(refusal);
    return true;
  });
  if (is_first) news_.set();
}

/// Without a limit: main has one, and leaves this runner behind.
void PluginRunner::stop_active() {
  if (active_) {
    active_->request_stop(stop_deadline());
    while (!active_->has_ended()) progress_.wait(std::nullopt);
    keep(std::move(active_));
    life_.with_lock([](Life& life) { life.started.reset(); });
  }
  for (reap(); is_somebody_stuck(); reap()) progress_.wait(std::nullopt);
}

MonoTime PluginRunner::stop_deadline() const {
  return stop_deadline_.with_lock([](const MonoTime& until) { return until; });
}

template <class Predicate>
bool PluginRunner::wait_until(MonoTime until, Predicate is_done) {
  while (!is_done()) {
    const MonoTime limit = is_stopping_.load() ? std::min(until, stop_deadline()) : until;
    if (mono_now() >= limit) return false;
    progress_.wait(limit);
  }
  return true;
}

// What operators change.

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
  const bool is_running = active_ && has_started_ && !has_failed_;
  const bool is_exclusive =
      spec->file->manifest().is_exclusive || (spec_ && spec_->file->manifest().is_exclusive);
  backoff_ = Backoff(options_.restart);
  std::string refusal =
      is_running && !is_exclusive ? replace_beside(*std::move(spec)) : start_over(*std::move(spec));
  if (refusal.empty()) {
    counters_.add(Counter::kPluginReplacements);
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
  static_cast<void>(wait_until(mono_now() + options_.times.prepare,
                               [&] { return next->state() >= State::kPrepared; }));
  if (next->state() != State::kPrepared || is_stopping_.load()) {
    std::string why = why_not_started(*next, "create and CONFIG have not returned in time");
    retire(std::move(next));
    return why;
  }
  const MonoTime begun = mono_now();
  active_->pause();
  static_cast<void>(wait_until(mono_now() + options_.times.pause,
                               [&] { return active_->state() >= State::kPaused; }));
  if (is_stopping_.load()) {
    retire(std::move(next));
    return options_.name + ": the host is stopping";
  }
  active_->suspend();
  std::string refusal = try_claim(*next->spec().file).value_or("");
  if (refusal.empty()) {
    serving_.with_lock([&](Serving& serving) { serving.successor = next->inbox(); });
    next->proceed();
    refusal = await_start(*next);
  }
  if (!refusal.empty() && try_withdraw(next->inbox())) {
    if (next->state() < State::kFailed) next->suspend();  // never two publishers
    take_topics_back(*next->spec().file);
    active_->resume();
    pause_ = mono_now() - begun;
    retire(std::move(next));
    return refusal;
  }
  pause_ = mono_now() - begun;
  auto old = std::move(active_);
  adopt(std::move(next));
  on_active_started();
  if (old->state() < State::kPaused) old->quarantine();
  retire(std::move(old));
  return "";
}

/// After a START that failed: who came or went meanwhile, where it would have had other topics, was
/// told to nobody.
void PluginRunner::take_topics_back(const PluginFile& successor) {
  static_cast<void>(try_claim());
  if (successor.manifest().topics == spec_->file->manifest().topics) return;
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
  const std::string stuck =
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
  adopt(std::move(next));
  active_->launch();
  std::string refusal = await_start(*active_);
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
  adopt(std::move(again));
  active_->launch();
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

/// Empty: it has started.
std::string PluginRunner::await_start(const Generation& generation) {
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
