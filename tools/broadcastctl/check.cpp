#include "tools/broadcastctl/check.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>

#include "host/base/printable.hpp"
#include "host/loader/child.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"
#include "tools/broadcastctl/steps.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

std::vector<std::string> command_line(const std::string& step, const CheckOptions& options) {
  std::vector<std::string> arguments = {"broadcastctl",
                                        "plugin",
                                        "check-step",
                                        step,
                                        options.library.string(),
                                        "--config-json",
                                        options.config.dump(),
                                        "--seed",
                                        std::to_string(options.seed),
                                        "--cycles",
                                        std::to_string(options.cycles),
                                        "--deadline",
                                        std::to_string(options.deadline.count()) + "ms",
                                        "--tell",
                                        std::to_string(kReportDescriptor)};
  for (const std::string& topic : options.topics) {
    arguments.insert(arguments.end(), {"--topic", topic});
  }
  for (const std::string& message : options.messages) {
    arguments.insert(arguments.end(), {"--message", message});
  }
  return arguments;
}

/// Nothing: the plugin wrote this line.
std::optional<CheckResult> result_of(const std::string& line) {
  const json told = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!told.is_object()) return std::nullopt;
  const auto text = [&](const char* member) {
    const auto found = told.find(member);
    return found != told.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string outcome = text("result");
  if (text("name").empty() || outcome.empty()) return std::nullopt;
  return CheckResult{.name = text("name"),
                     .outcome = outcome == "pass"   ? CheckResult::Outcome::kPass
                                : outcome == "fail" ? CheckResult::Outcome::kFail
                                                    : CheckResult::Outcome::kSkip,
                     .text = text("text")};
}

bool has(const std::vector<CheckResult>& results, const std::string& check) {
  return std::ranges::find(results, check, &CheckResult::name) != results.end();
}

bool is_failed(const CheckResult& result) { return result.outcome == CheckResult::Outcome::kFail; }

/// Those without which nothing of the plugin can be run; what the others find is independent.
bool may_run(const std::vector<CheckResult>& results) {
  static const std::set<std::string> kNeeded = {"elf",    "manifest", "requires", "schema",
                                                "config", "symbols",  "load"};
  return std::ranges::none_of(results, [](const CheckResult& result) {
    return is_failed(result) && kNeeded.contains(result.name);
  });
}

/// All steps of one check, and what the plugin wrote meanwhile.
class Run {
 public:
  explicit Run(const CheckOptions& options) : options_(options) {}

  std::vector<CheckResult> run() {
    static_cast<void>(read_plugin_bytes(options_.library));  // or else the command is wrong
    for (const Step& step : all_steps()) {
      if (!is_wanted(step)) continue;
      if (may_run(results_)) {
        run_in_child(step);
      } else {
        skip_rest(step, "it cannot run, see above");
      }
    }
    judge_output();
    return std::move(results_);
  }

 private:
  [[nodiscard]] bool is_wanted(const Step& step) const {
    return options_.only.empty() || !step.runs_its_code ||
           std::ranges::find(options_.only, step.name) != options_.only.end();
  }

  /// A step's results: those that the child told of, its death, and those it did not come to.
  void run_in_child(const Step& step) {
    constexpr std::chrono::seconds kBesides(20);  // for what takes its time under a sanitizer
    const ChildEnd end =
        run_child(command_line(step.name, options_), {.silence = 2 * options_.deadline + kBesides,
                                                      .limit = options_.limit,
                                                      .memory_bytes = options_.memory_bytes,
                                                      .is_output_taken = true,
                                                      .are_orphans_killed = true});
    for (const std::string& line : end.lines) {
      auto result = result_of(line);
      if (result && !has(results_, result->name)) results_.push_back(*std::move(result));
    }
    if (!end.failure.empty()) add_death(step, end);
    skip_rest(step, "the plugin did not get that far, see above");
    if (!end.failure.empty()) {
      std::fputs(end.output.c_str(), stderr);  // a sanitizer's report, or what abort() said
    } else if (output_.empty() && !end.output.empty()) {
      output_ = end.output;
      wrote_in_ = step.name;
    }
  }

  void add_death(const Step& step, const ChildEnd& end) {
    const auto untold = std::ranges::find_if(
        step.checks, [&](const std::string& check) { return !has(results_, check); });
    if (untold == step.checks.end()) return;
    results_.push_back(fail(
        *untold,
        options_.library.filename().string() + ": " + end.failure + " at: " + end.last_words +
            ". Look at it with: gdb --args broadcastctl plugin check-step " + step.name + " " +
            options_.library.string() + " --seed " + std::to_string(options_.seed) +
            (options_.config.empty() ? "" : " --config-json '" + options_.config.dump() + "'")));
  }

  void skip_rest(const Step& step, const std::string& why) {
    for (const std::string& check : step.checks) {
      if (!has(results_, check)) results_.push_back(skip(check, why));
    }
  }

  void judge_output() {
    constexpr std::size_t kMostShown = 200;
    results_.push_back(
        output_.empty() ? pass("output", "nothing on standard output and error")
                        : fail("output", options_.library.filename().string() +
                                             ": writes to standard output or error, in step " +
                                             wrote_in_ + ": \"" + printable(output_, kMostShown) +
                                             "\". Log lines have a level and a name: use log()."));
  }

  const CheckOptions& options_;
  std::vector<CheckResult> results_;
  std::string output_;
  std::string wrote_in_;
};

}  // namespace

std::vector<CheckResult> check_plugin(const CheckOptions& options) { return Run(options).run(); }

std::string_view to_string(CheckResult::Outcome outcome) {
  switch (outcome) {
    case CheckResult::Outcome::kPass:
      return "pass";
    case CheckResult::Outcome::kFail:
      return "fail";
    case CheckResult::Outcome::kSkip:
      break;
  }
  return "skip";
}

bool has_failed(const std::vector<CheckResult>& results) {
  return std::ranges::any_of(results, is_failed);
}

std::string report_text(const CheckOptions& options, const std::vector<CheckResult>& results) {
  std::string text;
  std::size_t failures = 0;
  for (const CheckResult& result : results) {
    if (is_failed(result)) ++failures;
    std::string name = result.name;
    name.resize(std::max<std::size_t>(name.size(), 13), ' ');
    text += std::string(to_string(result.outcome)) + "  " + name + "  " + result.text + "\n";
  }
  const std::string summary =
      failures == 0
          ? "good"
          : std::to_string(failures) + (failures == 1 ? " check failed" : " checks failed");
  return text + options.library.filename().string() + ": " + summary + " (seed " +
         std::to_string(options.seed) + ")\n";
}

json report_json(const CheckOptions& options, const std::vector<CheckResult>& results) {
  json checks = json::array();
  for (const CheckResult& result : results) checks.push_back(to_json(result));
  return {{"file", options.library.filename().string()},
          {"seed", options.seed},
          {"good", !has_failed(results)},
          {"checks", std::move(checks)}};
}

}  // namespace broadcast
