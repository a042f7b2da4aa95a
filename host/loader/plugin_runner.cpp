#include "host/loader/plugin_runner.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <broadcast/units.hpp>

#include "host/base/assert.hpp"

namespace broadcast {

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
  shown_.with_lock([&](Shown& shown) { shown.file = file; });
  spec_ = {.file = std::move(file), .config = options_.config, .permissions = options_.permissions};
}

PluginRunner::~PluginRunner() {
  // Still joinable: it was stuck, its owner let go, and its own last thread is the one that
  // destroys it.
  if (supervisor_.joinable()) supervisor_.detach();
}

std::optional<std::string> PluginRunner::try_claim() {
  main_.check();
  BROADCAST_ASSERT(spec_, "a runner without a file claims topics");
  return try_claim(*spec_->file);
}

std::optional<std::string> PluginRunner::try_claim(const PluginFile& file) {
  const auto conflict =
      surroundings_.hub.topics().try_claim(*this, file.file_name(), file.manifest().topics);
  if (!conflict) return std::nullopt;
  return options_.name + ": " + conflict->text() +
         (conflict->delivered.empty() ? ". Disable one of them under broadcasters:."
                                      : ". Choose another topic, or restart the host.");
}

void PluginRunner::start() {
  main_.check();
  BROADCAST_ASSERT(!supervisor_.joinable(), "a runner was started twice");
  has_ended_.store(false);
  if (spec_) make_active();  // at once, so that messages wait for it
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
  main_.check();
  BROADCAST_ASSERT(is_stopping_.load() || has_ended_.load(),
                   "a runner that nobody asked to stop is waited for");
  while (!has_ended_.load()) {
    if (mono_now() >= until) return false;
    until = news_.wait_awake(until);
  }
  if (supervisor_.joinable()) supervisor_.join();
  return true;
}

std::string PluginRunner::wait_first_start(MonoTime until) {
  for (;;) {
    const auto refusal = first_start_.with_lock([](const auto& known) { return known; });
    if (refusal) return *refusal;
    if (mono_now() >= until) return "its START has not returned in time";
    until = news_.wait_awake(until);
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
  // Under the lock, so that none comes to a life that has handed over.
  auto refused = serving_.with_lock(
      [&](const Serving& serving) { return serving.inbox->try_post_message(waiting); });
  if (refused) waiting.done(*std::move(refused));
}

void PluginRunner::post_demand(std::string_view topic, std::int64_t subscribers) {
  serving_.with_lock(
      [&](const Serving& serving) { serving.inbox->post_demand(topic, subscribers); });
}

std::shared_ptr<const PluginFile> PluginRunner::file() const {
  return shown_.with_lock([](const Shown& shown) { return shown.file; });
}

BroadcasterView PluginRunner::view() const {
  BroadcasterView view{
      .name = options_.name, .counts = counters_.values(), .metrics = metrics_.view()};
  shown_.with_lock([&](const Shown& shown) {
    view.enabled = shown.file != nullptr;
    view.running = shown.started.has_value();
    view.generation = shown.generation;
    if (shown.started) view.uptime = mono_now() - *shown.started;
    view.last_error = shown.last_error;
    view.last_error_at = shown.last_error_at;
    view.quarantined = shown.quarantined;
    if (shown.file == nullptr) return;
    const Manifest& manifest = shown.file->manifest();
    view.library = shown.file->path().string();
    view.version = manifest.version;
    view.abi = std::to_string(manifest.abi_major) + "." + std::to_string(manifest.abi_minor);
    for (const TopicPattern& topic : manifest.topics) view.topics.push_back(topic.text());
  });
  return view;
}

// Who serves.

/// The life of `inbox` may take over once its START has returned.
void PluginRunner::offer_to(const std::shared_ptr<PluginInbox>& inbox) {
  serving_.with_lock([&](Serving& serving) { serving.successor = inbox; });
}

void PluginRunner::serve_by(const std::shared_ptr<PluginInbox>& inbox) {
  offer_to(inbox);
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
  if (active_) active_->launch();
  while (!is_stopping_.load()) {
    if (tend_active()) continue;
    if (auto change = take_change()) {
      change->done(apply_change(std::move(change->spec)));
    } else if (!try_restart()) {
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

/// One step of what becomes of the active life by itself. False: there is none to do now.
bool PluginRunner::tend_active() {
  if (active_ && active_->has_started() && !has_started_) {
    on_active_started();
  } else if (active_ && active_->state() >= State::kFailed && !has_failed_) {
    on_active_failed();
  } else if (active_ && active_->has_ended()) {
    on_active_ended();
  } else {
    return false;
  }
  return true;
}

/// False: its time has not come.
bool PluginRunner::try_restart() {
  if (active_ || !spec_ || !retry_at_ || mono_now() < *retry_at_) return false;
  counters_.add(Counter::kPluginRestarts);
  make_active().launch();
  return true;
}

bool PluginRunner::is_active_running() const { return active_ && has_started_ && !has_failed_; }

std::unique_ptr<Life> PluginRunner::new_life(PluginSpec spec, Life::Start start) {
  auto inbox = std::make_shared<PluginInbox>(options_.name, options_.inbox);
  inbox->open();
  return make_life(
      ++last_number_, std::move(spec), start,
      Life::Parts{.name = options_.name,
                  .host_version = options_.host_version,
                  .copies = options_.copies,
                  .trial = surroundings_.trial,
                  .hub = surroundings_.hub,
                  .owner = *this,
                  .clients = surroundings_.clients,
                  .cache = surroundings_.cache,
                  .states = surroundings_.states,
                  .counters = counters_,
                  .metrics = metrics_,
                  .marker = surroundings_.marker,
                  .inbox = inbox,
                  .on_started =
                      [this, inbox] {
                        if (!take_over(inbox)) return false;
                        shown_.with_lock([](Shown& shown) { shown.started = mono_now(); });
                        return true;
                      },
                  .before = surroundings_.before,
                  .on_news = [this] { progress_.set(); }});
}

Life& PluginRunner::adopt(std::unique_ptr<Life> life) {
  active_ = std::move(life);
  spec_ = active_->spec();
  has_started_ = false;
  has_failed_ = false;
  failure_shown_.clear();
  retry_at_.reset();
  shown_.with_lock([&](Shown& shown) {
    shown.file = spec_->file;
    shown.generation = active_->number();
  });
  return *active_;
}

/// A life of what is meant to run, active from now on. The caller launches it.
Life& PluginRunner::make_active() {
  auto life = new_life(*spec_, Life::Start::kAtOnce);
  serve_by(life->inbox());
  return adopt(std::move(life));
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
  const Life::Failure failure = active_->failure().value_or(Life::Failure{});
  // Whatever failed is tried again, also what did not load: the bytes stay the same, but a library
  // that they need may be installed meanwhile, or descriptors and memory be free again. It costs
  // one attempt a minute, and one line in the log.
  const auto wait = backoff_.after(failure.ran);
  retry_at_ = mono_now() + wait;
  active_->inbox()->close_messages(failure.words, retry_at_);
  shown_.with_lock([&](Shown& shown) {
    shown.started.reset();
    shown.last_error = failure.detail;
    shown.last_error_at = iso_timestamp(wall_now_ns());
  });
  failure_shown_ = failure.detail + "; next try in " + in_seconds(wait);
  const bool is_known = failure.detail == failure_logged_;
  spdlog::log(is_known ? spdlog::level::debug : spdlog::level::err, "{}: {}", options_.name,
              failure_shown_);
  failure_logged_ = failure.detail;
  report_down(failure_shown_);
  tell_first_start(failure.detail);
}

void PluginRunner::on_active_ended() {
  // Again, after its threads: one of them may have had a report under way.
  report_down(failure_shown_);
  keep(std::move(active_));
  if (quarantine_.size() < kMaxLibrariesLeft) return;
  give_up("has given up; the host must be restarted",
          "gave up: " + std::to_string(quarantine_.size()) +
              " copies of its library could not be unloaded; correct the plugin and restart the "
              "host");
}

/// Nothing comes any more until the host is restarted.
void PluginRunner::give_up(const std::string& words, const std::string& detail) {
  retry_at_.reset();
  serving_.with_lock([](const Serving& serving) { return serving.inbox; })->give_up(words);
  spdlog::error("{}: {} ({})", options_.name, detail, spec_->file->path().string());
  report_down(detail);
}

void PluginRunner::report_down(std::string_view detail) {
  surroundings_.hub.statuses().report(options_.name, BroadcasterState::kDown, detail);
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
    shown_.with_lock([](Shown& shown) { shown.started.reset(); });
  }
  for (reap(); is_somebody_stuck(); reap()) progress_.wait(std::nullopt);
}

MonoTime PluginRunner::stop_deadline() const {
  return stop_deadline_.with_lock([](const MonoTime& until) { return until; });
}

}  // namespace broadcast
