// StepRun: lives from load to unload, and what they leave behind.

#include <algorithm>
#include <memory>
#include <thread>

#include "host/loader/elf_image.hpp"
#include "tools/broadcastctl/step_run.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kWarmUpCycles = 3;
constexpr std::size_t kBurst = 200;
/// What glibc's arenas and caches may differ by, and what a life may cost.
constexpr std::size_t kHeapSlack = 32 * 1024;
constexpr std::size_t kHeapPerLife = 256;
/// A static libstdc++ keeps a pool for exceptions, and never frees it.
constexpr std::size_t kRuntimePool = 74 * 1024;
/// In its first half second: two timers a millisecond, and more posts than any feed has news.
constexpr std::uint64_t kMaxTimers = 1000;
constexpr std::uint64_t kMaxPosts = 5000;

/// A thread that was joined is listed until the kernel is done with it.
std::string threads_left(const ProcessState& first) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  std::string threads;
  while (!(threads = grown(first.threads, ProcessState::now().threads)).empty() &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return threads;
}

}  // namespace

void StepRun::live(const std::string& check, const std::string& where,
                   const std::vector<std::string>& topics, Messages messages) {
  report_.about_to(where + "load, create, CONFIG, START");
  auto stage = std::make_unique<Stage>(plugin_);
  if (const std::string why = stage->start(soon()); !why.empty()) {
    give_up(broadcast::fail(
        check, named(why, where) + ". Correct it, or give another config with --config."));
  }
  for (const std::string& topic : topics) {
    report_.about_to(where + "DEMAND, and MESSAGE {} on " + topic);
    stage->demand(topic);
    if (messages == Messages::kAwaited) {
      static_cast<void>(stage->send(topic, "{}", mono_now() + kFirstLife));
    } else {
      stage->post(topic, "{}");
    }
  }
  if (messages == Messages::kAwaited) during_ = ProcessState::now();
  report_.about_to(where + "STOP, destroy, unload");
  if (!stage->stop_within(options_.deadline)) {
    static_cast<void>(stage.release());
    give_up_stuck(check, where + "STOP");
  }
  if (stage->is_left_mapped()) {
    static_cast<void>(stage.release());
    give_up(broadcast::fail(check, file() + ": " + where +
                                       "its library is still mapped after destroy. Look at the "
                                       "check unique; join every thread, and start none that owns "
                                       "thread_local objects and lives on."));
  }
  report_.about_to(where + "nothing: it was unloaded (is one of its threads still running?)");
}

void StepRun::load() {
  const ProcessState first = ProcessState::now();
  report_.about_to("load, create, CONFIG, START");
  auto stage = std::make_unique<Stage>(plugin_);
  if (const std::string why = stage->start(soon()); !why.empty()) {
    give_up(broadcast::fail("load",
                            named(why) + ". Correct it, or give another config with --config."));
  }
  for (const std::string& topic : topics()) stage->demand(topic);
  report_.about_to("its first " + seconds_text(kFirstLife) + ": DEMAND, TIMER, POST");
  std::this_thread::sleep_for(kFirstLife);
  const ProcessState during = ProcessState::now();
  const std::string error = stage->last_error();
  const Stage::Publishes publishes = stage->publishes();
  const std::uint64_t timers = stage->timers();
  const std::uint64_t posts = stage->posts();
  report_.about_to("STOP, destroy, unload");
  if (!stage->stop_within(options_.deadline)) {
    static_cast<void>(stage.release());
    give_up_stuck("load", "STOP");
  }
  result(error.empty() ? pass("load", "started, ran for " + seconds_text(kFirstLife) + ", stopped")
                       : broadcast::fail("load", file() + ": failed after START: " + error +
                                                     ". The host would start a new instance again "
                                                     "and again. Handle it in the callback."));
  judge_publishes(publishes);
  judge_pace(timers, posts);
  judge_changes(first, during, Told::kFailures);  // the step cycles tells that they are good
}

void StepRun::judge_publishes(const Stage::Publishes& publishes) const {
  const std::uint64_t all = publishes.taken + publishes.refused;
  tell_found("publishes",
             publishes.refused == 0
                 ? ""
                 : std::to_string(publishes.refused) + " of its " + std::to_string(all) +
                       " publishes were refused: " +
                       (publishes.why.empty() ? "on topics that its manifest does not name"
                                              : short_text(publishes.why)),
             std::to_string(all) + " in its first " + seconds_text(kFirstLife) + ", none refused",
             "A host refuses them too, and no client gets them.");
}

void StepRun::judge_pace(std::uint64_t timers, std::uint64_t posts) const {
  std::string found;
  if (timers > kMaxTimers) found = std::to_string(timers) + " TIMER";
  if (posts > kMaxPosts) found += (found.empty() ? "" : " and ") + std::to_string(posts) + " POST";
  if (!found.empty()) found = "had " + found + " in its first " + seconds_text(kFirstLife);
  tell_found("pace", found,
             std::to_string(timers) + " TIMER and " + std::to_string(posts) +
                 " POST in its first " + seconds_text(kFirstLife),
             "It takes a processor for itself: give timers a period, and do not post from a posted "
             "function.");
}

void StepRun::cycles() {
  const std::vector<std::string> sent_to = topics();
  std::thread([] {}).join();  // a sanitizer starts one of its own beside the first
  const ProcessState first = ProcessState::now();
  ProcessState warm;
  for (std::size_t i = 0; i < kWarmUpCycles + options_.cycles; ++i) {
    if (i == kWarmUpCycles) warm = ProcessState::now();
    live("cycles", "cycle " + std::to_string(i + 1) + ": ", sent_to,
         i == 0 ? Messages::kAwaited : Messages::kPosted);
    if (i + 1 >= kWarmUpCycles) heap_sizes_.push_back(heap_bytes());
    if (i > 0) continue;
    judge_changes(first, during_, Told::kAll);
    judge_threads(first);
  }
  result(pass("cycles", std::to_string(options_.cycles) + " lives, from load to unload"));
  judge(first, warm, ProcessState::now());
}

// At once after the first life, because what it has changed may be the end of this process: an
// alarm, a limit.
void StepRun::judge_changes(const ProcessState& first, const ProcessState& during,
                            Told told) const {
  const ProcessState after = ProcessState::now();
  std::string settings = changed_settings(first, during);
  if (settings.empty()) settings = changed_settings(first, after);
  std::string signals = changed_handlers(first, during);
  if (signals.empty()) signals = changed_handlers(first, after);
  const auto tell = [&](const char* check, const std::string& found, const char* good,
                        const char* remedy) {
    if (told == Told::kAll || !found.empty()) tell_found(check, found, good, remedy);
  };
  tell("settings", settings.empty() ? "" : "changes for the whole process: " + settings,
       "locale, directory, umask, limits, descriptors 0 to 2, alarms and environment as before, "
       "during a life and after",
       "They belong to the whole process, and other threads read them at the same time.");
  tell("signals", signals.empty() ? "" : "handles signals: " + signals,
       "no handler changed, during a life and after",
       "Signals are the host's: do not install handlers.");
}

void StepRun::judge_threads(const ProcessState& first) const {
  const std::string threads = threads_left(first);
  if (threads.empty()) return;
  result(pass("cycles", "stopped after the first, see threads"));
  result(skip("mappings", "see threads"));
  // Its code is gone: it ends the process as soon as it runs again.
  give_up(broadcast::fail("threads", file() + ": left threads behind: " + threads +
                                         ". Join them before the destructor returns; their code "
                                         "is unmapped then."));
}

void StepRun::judge(const ProcessState& first, const ProcessState& warm,
                    const ProcessState& last) const {
  const std::string after = "after " + std::to_string(options_.cycles) + " lives: ";
  const auto tell = [&](const char* check, const std::string& found, const std::string& good,
                        const std::string& remedy) {
    tell_found(check, found.empty() ? "" : after + found, good, remedy);
  };
  tell("mappings", grown(warm.mappings, last.mappings), "no file mapped more than before",
       "Close what it opens with dlopen() or mmap().");
  tell("threads", threads_left(first), "no thread left",
       "Join them before the destructor returns.");
  tell("descriptors", grown(warm.descriptors, last.descriptors), "no descriptor left",
       "Close them in the destructor, also after a failed START.");
  tell("processes", grown(first.processes, last.processes), "no process left",
       "Do not fork: a child has copies of the host's sockets.");
  judge_heap();
}

void StepRun::judge_heap() const {
  const auto libraries = read_elf_needs(file(), plugin_.file->bytes()).libraries;
  const bool has_own_runtime = std::ranges::find(libraries, "libstdc++.so.6") == libraries.end();
  const std::size_t limit =
      kHeapPerLife + (has_own_runtime ? kRuntimePool : 0) + kHeapSlack / options_.cycles;
  const std::int64_t growth = growth_per_life(heap_sizes_);
  const std::string text = std::to_string(growth) + " bytes more are allocated after each life";
  tell_found("heap", growth > static_cast<std::int64_t>(limit) ? text : "",
             std::to_string(growth) + " bytes more after each of " +
                 std::to_string(options_.cycles) + " lives",
             "Free in the destructor what create and the callbacks allocate; LeakSanitizer and "
             "FakeHost name the place.");
}

void StepRun::stop() {
  const std::vector<std::string> sent_to = topics();
  report_.about_to("START");
  auto stage = std::make_unique<Stage>(plugin_);
  if (const std::string why = stage->start(soon()); !why.empty()) {
    give_up(broadcast::fail("stop", named(why)));
  }
  const std::string good = options_.messages.empty() ? "{}" : options_.messages.front();
  for (std::size_t i = 0; i < kBurst && !sent_to.empty(); ++i) {
    const std::string& topic = sent_to[i % sent_to.size()];
    // The first is waited for, so that a callback that blocks has begun.
    if (i == 0) {
      static_cast<void>(stage->send(topic, good, mono_now() + kFirstLife));
    } else {
      stage->post(topic, good);
    }
  }
  report_.about_to("STOP while its callbacks are busy");
  const MonoTime begun = mono_now();
  if (!stage->stop_within(options_.deadline)) {
    static_cast<void>(stage.release());
    give_up_stuck("stop", "STOP while callbacks are busy");
  }
  result(pass("stop", "over after " + seconds_text(mono_now() - begun) + ", with " +
                          std::to_string(sent_to.empty() ? 0 : kBurst) +
                          " messages waiting; the deadline is " + seconds_text(options_.deadline)));
}

}  // namespace broadcast
