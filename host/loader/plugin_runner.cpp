#include "host/loader/plugin_runner.hpp"

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

/// Linux takes 15 characters.
void name_this_thread(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace

std::shared_ptr<PluginRunner> PluginRunner::make(std::shared_ptr<const PluginFile> file,
                                                 Options options,
                                                 const Surroundings& surroundings) {
  return std::shared_ptr<PluginRunner>(
      new PluginRunner(std::move(file), std::move(options), surroundings));
}

PluginRunner::PluginRunner(std::shared_ptr<const PluginFile> file, Options options,
                           const Surroundings& surroundings)
    : file_(std::move(file)),
      options_(std::move(options)),
      surroundings_(surroundings),
      inbox_(options_.name, options_.inbox),
      backoff_(options_.restart) {}

PluginRunner::~PluginRunner() {
  // Still joinable: it was stuck, its owner let go, and its own last thread is the one that
  // destroys it.
  if (supervisor_.joinable()) supervisor_.detach();
}

void PluginRunner::start() {
  inbox_.open();
  has_ended_.store(false);
  supervisor_ = std::thread([self = shared_from_this()] { self->supervise(); });
}

void PluginRunner::request_stop(MonoTime deadline) { inbox_.request_stop(deadline); }

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
  inbox_.post_message(std::move(message), [this, done = std::move(done)](Verdict verdict) {
    counters_.add(counter_of(verdict.outcome));
    done(std::move(verdict));
  });
}

void PluginRunner::post_demand(std::string_view topic, std::int64_t subscribers) {
  inbox_.post_demand(topic, subscribers);
}

BroadcasterView PluginRunner::view() const {
  const Manifest& manifest = file_->manifest();
  BroadcasterView view{
      .name = options_.name,
      .library = file_->path().string(),
      .version = manifest.version,
      .abi = std::to_string(manifest.abi_major) + "." + std::to_string(manifest.abi_minor),
      .counts = counters_.values(),
      .metrics = metrics_.view()};
  for (const TopicPattern& topic : manifest.topics) view.topics.push_back(topic.text());
  life_.with_lock([&](const Life& life) {
    view.running = life.started.has_value();
    view.generation = life.generation;
    if (life.started) view.uptime = mono_now() - *life.started;
    view.last_error = life.last_error;
    view.last_error_at = life.last_error_at;
  });
  return view;
}

void PluginRunner::supervise() {
  name_this_thread("bs:" + options_.name);
  for (bool is_first = true; !inbox_.is_stopping(); is_first = false) {
    if (!is_first) counters_.add(Counter::kPluginRestarts);
    inbox_.open();
    run_generation();
    if (left_behind_.size() >= kMaxLibrariesLeft && !inbox_.is_stopping()) give_up();
    wait_for_retry();
  }
  report_down("stopped");
  has_ended_.store(true);
  news_.set();
}

void PluginRunner::run_generation() {
  failure_shown_.clear();
  metrics_.begin_generation();
  life_.with_lock([](Life& life) { ++life.generation; });
  auto generation = std::make_unique<Generation>(Generation::Parts{
      .file = *file_,
      .config = options_.config,
      .copies = options_.copies,
      .services = {.name = options_.name,
                   .host_version = options_.host_version,
                   .permissions = options_.permissions,
                   .hub = surroundings_.hub,
                   .owner = *this,
                   .clients = surroundings_.clients,
                   .cache = surroundings_.cache,
                   .inbox = inbox_,
                   .counters = counters_,
                   .metrics = metrics_},
      .on_started = [this](bool has_reported) { on_started(has_reported); },
      .on_failure = [this](const Generation::Failure& failure) { on_failure(failure); }});
  try {
    std::thread([&] {
      name_this_thread("bc:" + options_.name);
      generation->run();
    }).join();
  } catch (const std::system_error& error) {
    on_failure({.words = "could not start", .detail = std::string("no thread: ") + error.what()});
  }
  life_.with_lock([](Life& life) { life.started.reset(); });
  // Again, after its threads: one of them may have had a report under way.
  if (!failure_shown_.empty()) report_down(failure_shown_);
  if (generation->release()) return;
  // Threads that it left may call the host as long as their code is there.
  left_behind_.push_back(std::move(generation));
  libraries_left_.store(left_behind_.size());
  spdlog::warn("{}: its library stays mapped ({}); the next start uses a copy of its own",
               options_.name, file_->file_name());
}

void PluginRunner::on_started(bool has_reported) {
  spdlog::info("{}: started ({} {} from {})", options_.name, file_->manifest().name,
               file_->manifest().version, file_->path().string());
  failure_logged_.clear();
  life_.with_lock([](Life& life) { life.started = mono_now(); });
  if (!has_reported) {
    surroundings_.hub.report_status(options_.name, BroadcasterState::kOk, "");
  }
  tell_first_start("");
}

void PluginRunner::on_failure(const Generation::Failure& failure) {
  // Whatever failed is tried again, also what did not load: the bytes stay the same, but a library
  // that they need may be installed meanwhile, or descriptors and memory be free again. It costs
  // one attempt a minute, and one line in the log.
  const auto wait = backoff_.after(failure.ran);
  retry_at_ = mono_now() + wait;
  inbox_.close_messages(failure.words, retry_at_);
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

void PluginRunner::give_up() {
  const std::string detail = "gave up: " + std::to_string(left_behind_.size()) +
                             " copies of its library could not be unloaded; correct the plugin "
                             "and restart the host";
  retry_at_.reset();
  inbox_.close_messages("has given up; the host must be restarted", std::nullopt);
  spdlog::error("{}: {} ({})", options_.name, detail, file_->path().string());
  report_down(detail);
}

void PluginRunner::wait_for_retry() {
  while (!inbox_.is_stopping() && (!retry_at_ || mono_now() < *retry_at_)) inbox_.wait(retry_at_);
}

}  // namespace broadcast
