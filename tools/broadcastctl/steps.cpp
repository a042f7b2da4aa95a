#include "tools/broadcastctl/steps.hpp"

#include <csignal>
#include <exception>
#include <map>

#include <spdlog/spdlog.h>
#include <sys/prctl.h>

#include "tools/broadcastctl/plugin_bytes.hpp"
#include "tools/broadcastctl/static_checks.hpp"
#include "tools/broadcastctl/step_run.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

constexpr const char* kFileStep = "file";

void read_file(const CheckOptions& options, const ChildReport& report) {
  report.about_to("reading it");
  check_file(options.library.filename().string(), read_plugin_bytes(options.library),
             options.config, [&](const CheckResult& one) { report.tell(to_line(one)); });
}

}  // namespace

const std::vector<Step>& all_steps() {
  static const std::vector<Step> kSteps = {
      {kFileStep,
       {"elf", "stack", "exports", "unique", "manifest", "members", "requires", "schema", "config"},
       false},
      {"symbols", {"libraries", "symbols"}},
      {"load", {"load", "publishes", "pace"}},
      {"cycles",
       {"settings", "signals", "cycles", "mappings", "threads", "descriptors", "processes",
        "heap"}},
      {"stop", {"stop"}},
      {"fence", {"fence"}},
      {"fuzz-config", {"fuzz-config"}},
      {"fuzz-messages", {"fuzz-messages"}}};
  return kSteps;
}

void run_step(const std::string& name, const CheckOptions& options, const ChildReport& report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what it leaves behind is seen
  for (const int number : {SIGPIPE, SIGXFSZ}) std::signal(number, SIG_IGN);  // as in the host
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
    if (name == kFileStep) {
      read_file(options, report);
    } else {
      StepRun run(options, report);
      (run.*kSteps.at(name))();
    }
  } catch (const std::exception& error) {
    report.tell(to_line(fail(name == kFileStep ? "elf" : name, error.what())));
  }
  report.end();
}

json to_json(const CheckResult& result) {
  return {{"name", result.name}, {"result", to_string(result.outcome)}, {"text", result.text}};
}

std::string to_line(const CheckResult& result) {
  return to_json(result).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace broadcast
