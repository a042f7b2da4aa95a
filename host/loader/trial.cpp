#include "host/loader/trial.hpp"

#include <csignal>
#include <exception>
#include <fstream>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "host/base/assert.hpp"
#include "host/base/log.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/loader/child.hpp"
#include "host/loader/no_services.hpp"
#include "host/loader/plugin_runner.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

/// A line of JSON, then the library. Not on the command line, which everybody may read.
std::string written(const TrialSubject& subject) {
  json order{{"file", subject.file.path().string()},
             {"name", subject.name},
             {"permissions", subject.permissions},
             {"host_version", subject.host_version},
             {"directory", subject.copies.directory.string()},
             {"memory", subject.copies.is_memory_allowed},
             {"cache", subject.has_cache}};
  if (subject.config) order["config"] = *subject.config;
  return order.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

/// All of the standard input, which is nobody's then.
std::string take_input() {
  std::ostringstream text;
  text << std::ifstream("/proc/self/fd/0", std::ios::binary).rdbuf();
  const Descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  return std::move(text).str();
}

/// Tells why it did not pass, if it did not.
[[noreturn]] void try_here(const std::string& input, const ChildReport& report) {
  const std::size_t line = input.find('\n');
  const json order = json::parse(input.substr(0, line));
  const bool is_configured = order.contains("config");
  if (is_configured) {
    set_up_log("warn", LogFormat::kText);
  } else {
    spdlog::set_level(spdlog::level::off);  // the host's own instance will say the same
  }
  const std::string version = order.at("host_version");
  const bool has_cache = order.at("cache");
  auto file = PluginFile::of_bytes(order.at("file").get<std::string>(), input.substr(line + 1),
                                   Broadcasters::offer(version, {.cache = has_cache}));
  Counters counters;
  TopicHub hub({}, counters);
  NoClients clients;
  NoCache cache;
  PluginStates states;
  const auto runner = PluginRunner::make(
      std::move(file),
      {.name = order.at("name"),
       .config = order.value("config", "{}"),
       .permissions = order.at("permissions"),
       .host_version = version,
       .copies = {.directory = order.at("directory").get<std::string>(),
                  .is_memory_allowed = order.at("memory")},
       .times = {.stop = std::chrono::hours(1)}},  // the parent's patience ends first
      {.hub = hub,
       .clients = &clients,
       .cache = has_cache ? &cache : nullptr,
       .states = &states,
       .before = [&report](std::string_view what) { report.about_to(what); }});
  const std::string why = runner->rehearse(is_configured ? PluginRunner::Rehearsal::kConfigured
                                                         : PluginRunner::Rehearsal::kCreated);
  if (!why.empty()) report.tell(why);
  report.end();  // here, because something may still use the hub
}

}  // namespace

std::string try_library(const TrialProgram& program, const TrialSubject& subject,
                        const std::function<bool()>& is_called_off) {
  BROADCAST_ASSERT(program.is_there(), "a library is tried where there is no program to do it");
  const Descriptor input = private_copy(
      "try:" + subject.name, written(subject).append(subject.file.bytes()), subject.copies);
  const ChildEnd end = run_child(program.arguments, {.program = program.program,
                                                     .input = input.get(),
                                                     .silence = program.limit,
                                                     .is_called_off = is_called_off});
  if (!end.failure.empty()) {
    return subject.file.file_name() + ": tried in a separate process: " + end.failure +
           (end.last_words.empty() ? "" : " at: " + end.last_words) +
           ". Correct it; `broadcastctl plugin check` says more";
  }
  return end.lines.empty() ? "" : end.lines.front();
}

void run_trial() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGPIPE, SIGXFSZ}) std::signal(number, SIG_IGN);  // as in the host
  ::fcntl(kReportDescriptor, F_SETFD, FD_CLOEXEC);  // not for what the library executes
  const ChildReport report(kReportDescriptor);
  try {
    try_here(take_input(), report);
  } catch (const std::exception& error) {
    report.tell(error.what());
    report.end();
  }
}

}  // namespace broadcast
