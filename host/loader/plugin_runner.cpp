#include "host/loader/plugin_runner.hpp"

#include <optional>
#include <system_error>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>

namespace broadcast {

namespace {
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
    ended_.wait(until);
  }
  if (supervisor_.joinable()) supervisor_.join();
  return true;
}

bool PluginRunner::stop_within(std::chrono::nanoseconds duration) {
  const MonoTime deadline = mono_now() + duration;
  request_stop(deadline);
  return wait_stopped(deadline);
}

void PluginRunner::post_message(ProducerMessage message, std::function<void(Verdict)> done) {
  inbox_.post_message(std::move(message), std::move(done));
}

void PluginRunner::post_demand(std::string_view topic, std::int64_t subscribers) {
  inbox_.post_demand(topic, subscribers);
}

void PluginRunner::supervise() {
  name_this_thread("bs:" + options_.name);
  for (bool is_first = true; !inbox_.is_stopping(); is_first = false) {
    if (!is_first) surroundings_.counters.add(Counter::kPluginRestarts);
    inbox_.open();
    run_generation();
    wait_for_retry();
  }
  surroundings_.hub.report_status(options_.name, BroadcasterState::kDown, "stopped");
  has_ended_.store(true);
  ended_.set();
}

void PluginRunner::run_generation() {
  std::string last_detail;
  const auto report_down = [&] {
    surroundings_.hub.report_status(options_.name, BroadcasterState::kDown, last_detail);
  };
  Generation generation(
      {.file = *file_,
       .config = options_.config,
       .copies = options_.copies,
       .counters = surroundings_.counters,
       .services = {.name = options_.name,
                    .host_version = options_.host_version,
                    .permissions = options_.permissions,
                    .hub = surroundings_.hub,
                    .owner = *this,
                    .clients = surroundings_.clients,
                    .inbox = inbox_},
       .on_started =
           [this](bool has_reported) {
             spdlog::info("{}: started ({} {} from {})", options_.name, file_->manifest().name,
                          file_->manifest().version, file_->path().string());
             if (has_reported) return;
             surroundings_.hub.report_status(options_.name, BroadcasterState::kOk, "");
           },
       .on_failure =
           [&](const Generation::Failure& failure) {
             last_detail = on_failure(failure);
             report_down();
           }});
  try {
    std::thread([&] {
      name_this_thread("bc:" + options_.name);
      generation.run();
    }).join();
  } catch (const std::system_error& error) {
    last_detail = on_failure(
        {.words = "could not start", .detail = std::string("no thread: ") + error.what()});
  }
  // Again, after its threads: one of them may have had a report under way.
  if (!last_detail.empty()) report_down();
  if (generation.release()) return;
  libraries_left_.fetch_add(1);
  spdlog::warn("{}: its library stays mapped ({}); the next start uses a copy of its own",
               options_.name, file_->file_name());
}

std::string PluginRunner::on_failure(const Generation::Failure& failure) {
  const auto wait = backoff_.after(failure.ran);
  retry_at_ = mono_now() + wait;
  inbox_.close_messages(failure.words, retry_at_);
  std::string detail = failure.detail + "; next try in " + in_seconds(wait);
  spdlog::error("{}: {}", options_.name, detail);
  return detail;
}

void PluginRunner::wait_for_retry() {
  while (!inbox_.is_stopping() && mono_now() < retry_at_) inbox_.wait(retry_at_);
}

}  // namespace broadcast
