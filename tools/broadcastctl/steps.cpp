#include "tools/broadcastctl/steps.hpp"

#include <algorithm>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include <cxxabi.h>
#include <dlfcn.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>

#include <broadcast/abi.h>
#include <broadcast/schema.hpp>

#include "host/app/version.hpp"
#include "host/base/printable.hpp"
#include "host/hub/json_text.hpp"
#include "host/ingest/producer_check.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/loader/elf_image.hpp"
#include "tools/broadcastctl/process_state.hpp"
#include "tools/broadcastctl/samples.hpp"
#include "tools/broadcastctl/stage.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

constexpr std::size_t kWarmUpCycles = 3;
constexpr std::size_t kConfigs = 100;
constexpr std::size_t kMessages = 300;
constexpr std::size_t kFenceMessages = 50;
constexpr std::size_t kBurst = 200;
constexpr std::size_t kMaxPayloadBytes = std::size_t{256} * 1024;  // limits.publish
/// What glibc's arenas and caches may differ by, and what a life may cost.
constexpr std::size_t kHeapSlack = 32 * 1024;
constexpr std::size_t kHeapPerCycle = 256;
/// A static libstdc++ keeps a pool for exceptions, and never frees it.
constexpr std::size_t kRuntimePool = 74 * 1024;
/// Long enough for a first timer of most.
constexpr std::chrono::milliseconds kFirstLife(500);

std::string short_text(const std::string& text) {
  constexpr std::size_t kMost = 200;
  const std::string safe = printable(text);
  return safe.size() <= kMost ? safe
                              : std::string(cut_utf8(safe, kMost)) + "... (" +
                                    std::to_string(text.size()) + " bytes)";
}

std::string seconds_text(std::chrono::nanoseconds duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + " s";
}

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

class StepRun {
 public:
  StepRun(const CheckOptions& options, const Telling& telling)
      : options_(options),
        telling_(telling),
        random_(options.seed),
        plugin_{.file = PluginFile::read(options.library, Broadcasters::offer(kHostVersion)),
                .config = {}} {
    plugin_.config = with_defaults(manifest().config_schema, options.config).dump();
  }

  void symbols();
  void load();
  void cycles();
  void stop();
  void fence();
  void fuzz_config();
  void fuzz_messages();

 private:
  [[nodiscard]] const Manifest& manifest() const { return plugin_.file->manifest(); }
  [[nodiscard]] const std::string& file() const { return plugin_.file->file_name(); }
  void result(const CheckResult& one) const { telling_.tell(to_json(one).dump()); }
  /// And nothing more: something of the plugin still runs.
  [[noreturn]] void give_up(const CheckResult& one) const {
    result(one);
    telling_.end();
  }
  [[nodiscard]] MonoTime soon() const { return mono_now() + options_.deadline; }
  [[nodiscard]] std::string repeat() const {
    return " Repeat with --seed " + std::to_string(options_.seed) + ".";
  }

  [[nodiscard]] std::vector<std::string> topics();
  /// One life; gives up with a failure of `check` when it does not start or stop.
  void live(const std::string& check, const std::string& where,
            const std::vector<std::string>& topics);
  [[noreturn]] void give_up_stuck(const std::string& check, const std::string& where) const;
  void judge(const ProcessState& first, const ProcessState& warm, const ProcessState& last) const;
  void check_thrown(const char* check, const RawCall& call, const std::string& with) const;

  const CheckOptions& options_;
  const Telling& telling_;
  Random random_;
  StagedPlugin plugin_;
};

std::vector<std::string> StepRun::topics() {
  std::vector<std::string> topics = options_.topics;
  for (const TopicPattern& pattern : manifest().topics) {
    if (std::ranges::any_of(topics, [&](const auto& topic) { return pattern.accepts(topic); })) {
      continue;
    }
    if (auto topic = sample_topic(pattern, random_)) topics.push_back(*std::move(topic));
  }
  return topics;
}

void StepRun::symbols() {
  const ElfSymbols elf = read_elf_symbols(file(), plugin_.file->bytes());
  std::vector<void*> providers = {RTLD_DEFAULT};
  for (const std::string& library : elf.libraries) {
    telling_.about_to("load " + library + ", which it needs");
    void* const loaded = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (loaded == nullptr) {
      // dlerror() names who it is and why.
      return result(
          broadcast::fail("symbols", file() + ": needs a library that is not here: " + ::dlerror() +
                                         ". Install it, or link the plugin without it."));
    }
    providers.push_back(loaded);
  }
  std::vector<std::string> missing;
  for (const auto& symbol : elf.symbols) {
    const bool is_open = !symbol.is_defined && !symbol.is_weak;
    if (!is_open || std::ranges::any_of(providers, [&](void* provider) {
          return ::dlsym(provider, symbol.name.c_str()) != nullptr;
        })) {
      continue;
    }
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> readable(
        abi::__cxa_demangle(symbol.name.c_str(), nullptr, nullptr, &status), &std::free);
    missing.emplace_back(readable ? readable.get() : symbol.name.c_str());
  }
  if (missing.empty()) return result(pass("symbols", "everything it uses is provided"));
  constexpr std::size_t kMost = 5;
  std::string names;
  for (std::size_t i = 0; i < std::min(missing.size(), kMost); ++i) {
    names += (names.empty() ? "" : ", ") + missing[i];
  }
  if (missing.size() > kMost) names += ", ...";
  result(
      broadcast::fail("symbols", file() + ": uses " + std::to_string(missing.size()) +
                                     " symbols that nothing provides (" + names +
                                     "). Add the source or library that has them; "
                                     "broadcast_add_plugin() makes this an error of the linker."));
}

void StepRun::give_up_stuck(const std::string& check, const std::string& where) const {
  give_up(broadcast::fail(
      check, file() + ": " + where + " was not over " + seconds_text(options_.deadline) +
                 " after it was asked to stop: a callback has not returned. Ask stopping() in long "
                 "loops, give waits a time-out, and look at the deadline of on_stop()."));
}

void StepRun::live(const std::string& check, const std::string& where,
                   const std::vector<std::string>& topics) {
  telling_.about_to(where + "load, create, CONFIG, START");
  auto stage = std::make_unique<Stage>(plugin_);
  if (const std::string why = stage->start(soon()); !why.empty()) {
    give_up(broadcast::fail(check, file() + ": " + where + why +
                                       ". Correct it, or give another config with --config."));
  }
  for (const std::string& topic : topics) {
    telling_.about_to(where + "DEMAND, and MESSAGE {} on " + topic);
    stage->demand(topic);
    stage->post(topic, "{}");
  }
  telling_.about_to(where + "STOP, destroy, unload");
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
  telling_.about_to(where + "nothing: it was unloaded (does a thread of it still run?)");
}

void StepRun::load() {
  telling_.about_to("load, create, CONFIG, START");
  auto stage = std::make_unique<Stage>(plugin_);
  if (const std::string why = stage->start(soon()); !why.empty()) {
    give_up(broadcast::fail(
        "load", file() + ": " + why + ". Correct it, or give another config with --config."));
  }
  for (const std::string& topic : topics()) stage->demand(topic);
  telling_.about_to("its first " + seconds_text(kFirstLife) + ": DEMAND, TIMER, POST");
  std::this_thread::sleep_for(kFirstLife);
  const std::string error = stage->last_error();
  telling_.about_to("STOP, destroy, unload");
  if (!stage->stop_within(options_.deadline)) {
    static_cast<void>(stage.release());
    give_up_stuck("load", "STOP");
  }
  result(error.empty() ? pass("load", "started, ran for " + seconds_text(kFirstLife) + ", stopped")
                       : broadcast::fail("load", file() + ": failed after START: " + error +
                                                     ". The host would start a new instance again "
                                                     "and again. Handle it in the callback."));
}

void StepRun::cycles() {
  const std::vector<std::string> sent_to = topics();
  std::thread([] {}).join();  // a sanitizer starts one of its own beside the first
  const ProcessState first = ProcessState::now();
  ProcessState warm;
  for (std::size_t i = 0; i < kWarmUpCycles + options_.cycles; ++i) {
    if (i == kWarmUpCycles) warm = ProcessState::now();
    live("cycles", "cycle " + std::to_string(i + 1) + ": ", sent_to);
    if (i > 0) continue;
    const std::string threads = threads_left(first);
    if (threads.empty()) continue;
    result(pass("cycles", "stopped after the first, see threads"));
    result(skip("mappings", "see threads"));
    // Its code is gone: it ends the process as soon as it runs again.
    give_up(broadcast::fail("threads", file() + ": left threads behind: " + threads +
                                           ". Join them before the destructor returns; their code "
                                           "is unmapped then."));
  }
  result(pass("cycles", std::to_string(options_.cycles) + " lives, from load to unload"));
  judge(first, warm, ProcessState::now());
}

void StepRun::judge(const ProcessState& first, const ProcessState& warm,
                    const ProcessState& last) const {
  const auto tell = [&](const char* check, const std::string& found, const std::string& good,
                        const std::string& remedy) {
    result(found.empty()
               ? pass(check, good)
               : broadcast::fail(check, file() + ": after " + std::to_string(options_.cycles) +
                                            " lives: " + found + ". " + remedy));
  };
  tell("mappings", grown(warm.mappings, last.mappings), "no file mapped more than before",
       "Close what it opens with dlopen() or mmap().");
  tell("threads", threads_left(first), "no thread left",
       "Join them before the destructor returns.");
  tell("descriptors", grown(warm.descriptors, last.descriptors), "no descriptor left",
       "Close them in the destructor, also after a failed START.");
  const std::size_t growth = last.heap_bytes - std::min(last.heap_bytes, warm.heap_bytes);
  const auto libraries = read_elf_symbols(file(), plugin_.file->bytes()).libraries;
  const bool has_own_runtime = std::ranges::find(libraries, "libstdc++.so.6") == libraries.end();
  const std::size_t per_cycle = kHeapPerCycle + (has_own_runtime ? kRuntimePool : 0);
  const std::size_t limit = kHeapSlack + per_cycle * options_.cycles;
  tell("heap", growth > limit ? std::to_string(growth) + " bytes more are allocated" : "",
       std::to_string(growth) + " bytes more after " + std::to_string(options_.cycles) + " lives",
       "Free in the destructor what create and the callbacks allocate; LeakSanitizer and FakeHost "
       "name the place.");
  tell("signals", changed_handlers(first, last), "no handler changed",
       "Signals are the host's: do not install handlers.");
}

void StepRun::stop() {
  const std::vector<std::string> sent_to = topics();
  telling_.about_to("START");
  auto stage = std::make_unique<Stage>(plugin_);
  if (const std::string why = stage->start(soon()); !why.empty()) {
    give_up(broadcast::fail("stop", file() + ": " + why));
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
  telling_.about_to("STOP while its callbacks are busy");
  const MonoTime begun = mono_now();
  if (!stage->stop_within(options_.deadline)) {
    static_cast<void>(stage.release());
    give_up_stuck("stop", "STOP while callbacks are busy");
  }
  result(pass("stop", "over after " + seconds_text(mono_now() - begun) + ", with " +
                          std::to_string(sent_to.empty() ? 0 : kBurst) +
                          " messages waiting; the deadline is " + seconds_text(options_.deadline)));
}

void StepRun::check_thrown(const char* check, const RawCall& call, const std::string& with) const {
  if (!call.has_thrown) return;
  give_up(broadcast::fail(
      check, file() + ": " + call.what + with +
                 ": an exception left the plugin: " + short_text(call.text) +
                 ". With another C++ runtime it ends the host. Catch it inside and return "
                 "BC_E_EXCEPTION, as BROADCAST_PLUGIN does." +
                 repeat()));
}

void StepRun::fence() {
  const std::vector<std::string> sent_to = topics();
  std::string with;
  std::size_t calls = 0;
  std::size_t failed = 0;
  RawInstance::run(
      plugin_,
      [&](const std::string& what) {
        telling_.about_to(what + with + ", where the host refuses to publish");
      },
      [&](const RawCall& call) {
        ++calls;
        if (call.status != BC_OK) ++failed;
        check_thrown("fence", call, with);
      },
      [&](const RawInstance::Calls& plugin) {
        if (plugin.config(plugin_.config).status != BC_OK) return;
        if (plugin.start().status != BC_OK) return;
        for (const std::string& topic : sent_to) {
          if (manifest().wants_demand) static_cast<void>(plugin.demand(topic));
          for (std::size_t i = 0; i < kFenceMessages; ++i) {
            const std::string payload = random_message(options_.messages, random_);
            if (check_payload(payload, kMaxPayloadBytes)) continue;
            with = " with " + short_text(payload);
            static_cast<void>(plugin.message(topic, payload));
          }
          with.clear();
        }
        static_cast<void>(plugin.stop());
      });
  result(pass("fence", std::to_string(calls) + " callbacks under a host that refuses to publish, " +
                           std::to_string(failed) + " answered with a status"));
}

void StepRun::fuzz_config() {
  const json& schema = manifest().config_schema;
  std::size_t refused = 0;
  std::size_t taken = 0;
  std::size_t failed = 0;
  std::string exception;
  for (std::size_t i = 0; i < kConfigs; ++i) {
    const json given = random_config(schema, random_);
    if (!given.is_object() || !check_value(schema, given).empty()) {
      ++refused;
      continue;
    }
    const std::string config = with_defaults(schema, given).dump();
    const std::string where = "config " + short_text(config);
    RawInstance::run(
        {.file = plugin_.file, .config = config},
        [&](const std::string& what) { telling_.about_to(what + ", " + where); },
        [&](const RawCall& call) {
          check_thrown("fuzz-config", call, ", " + where);
          if (call.what != "CONFIG") return;
          ++(call.status == BC_OK ? taken : failed);
          if (call.status == BC_E_EXCEPTION) exception = call.text + " (" + where + ")";
        },
        [&](const RawInstance::Calls& plugin) { static_cast<void>(plugin.config(config)); });
  }
  std::string text = std::to_string(kConfigs) + " configs: " + std::to_string(refused) +
                     " refused by the schema, " + std::to_string(taken) + " taken, " +
                     std::to_string(failed) + " refused by the plugin";
  if (!exception.empty()) {
    text += "; by an exception: " + exception + ". Give its schema a limit, or throw Error";
  }
  result(pass("fuzz-config", text));
}

void StepRun::fuzz_messages() {
  const std::vector<std::string> sent_to = topics();
  if (sent_to.empty()) {
    return result(skip("fuzz-messages",
                       manifest().topics.empty()
                           ? "it owns no topic"
                           : "no topic was found that its patterns accept; name one with --topic"));
  }
  auto stage = std::make_unique<Stage>(plugin_);
  telling_.about_to("START");
  if (const std::string why = stage->start(soon()); !why.empty()) {
    give_up(broadcast::fail("fuzz-messages", file() + ": " + why));
  }
  std::map<Verdict::Outcome, std::size_t> outcomes;
  std::size_t refused = 0;
  for (std::size_t i = 0; i < kMessages; ++i) {
    const std::string& topic = sent_to[i % sent_to.size()];
    const std::string payload = random_message(options_.messages, random_);
    if (check_payload(payload, kMaxPayloadBytes)) {
      ++refused;
      continue;
    }
    const std::string where =
        "message " + std::to_string(i + 1) + " on " + topic + ": " + short_text(payload);
    telling_.about_to(where);
    const auto verdict = stage->send(topic, payload, soon());
    if (!verdict || verdict->has_failed_on_it) {
      const std::string why =
          verdict ? verdict->text : "no answer in " + seconds_text(options_.deadline);
      static_cast<void>(stage.release());
      give_up(broadcast::fail("fuzz-messages",
                              file() + ": " + where + ": " + why +
                                  ". Any producer could do this. Refuse what is wrong with "
                                  "Refused; the require_ functions of fields.hpp do." +
                                  repeat()));
    }
    ++outcomes[verdict->outcome];
  }
  telling_.about_to("STOP after " + std::to_string(kMessages) + " messages");
  if (!stage->stop_within(options_.deadline)) {
    static_cast<void>(stage.release());
    give_up_stuck("fuzz-messages", "STOP");
  }
  result(pass("fuzz-messages",
              std::to_string(kMessages) + " messages: " + std::to_string(refused) +
                  " refused by the host (not JSON, not UTF-8, too deep), " +
                  std::to_string(outcomes[Verdict::Outcome::kAccepted]) + " taken, " +
                  std::to_string(outcomes[Verdict::Outcome::kRefused]) +
                  " refused by the plugin, " +
                  std::to_string(outcomes[Verdict::Outcome::kUnavailable]) + " put off"));
}

}  // namespace

const std::vector<Step>& all_steps() {
  static const std::vector<Step> kSteps = {
      {"symbols", {"symbols"}},
      {"load", {"load"}},
      {"cycles", {"cycles", "mappings", "threads", "descriptors", "heap", "signals"}},
      {"stop", {"stop"}},
      {"fence", {"fence"}},
      {"fuzz-config", {"fuzz-config"}},
      {"fuzz-messages", {"fuzz-messages"}}};
  return kSteps;
}

void run_step(const std::string& name, const CheckOptions& options, const Telling& telling) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  spdlog::set_level(spdlog::level::off);
  static const std::map<std::string, void (StepRun::*)()> kSteps = {
      {"symbols", &StepRun::symbols},
      {"load", &StepRun::load},
      {"cycles", &StepRun::cycles},
      {"stop", &StepRun::stop},
      {"fence", &StepRun::fence},
      {"fuzz-config", &StepRun::fuzz_config},
      {"fuzz-messages", &StepRun::fuzz_messages}};
  try {
    StepRun run(options, telling);
    (run.*kSteps.at(name))();
  } catch (const std::exception& error) {
    telling.tell(to_json(fail(name, error.what())).dump());
  }
  telling.end();
}

json to_json(const CheckResult& result) {
  return {{"name", result.name}, {"result", to_string(result.outcome)}, {"text", result.text}};
}

}  // namespace broadcast
