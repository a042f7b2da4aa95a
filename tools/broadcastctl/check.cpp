#include "tools/broadcastctl/check.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "host/loader/child.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"
#include "tools/broadcastctl/static_checks.hpp"
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
                                        std::to_string(kTellingDescriptor)};
  for (const std::string& topic : options.topics) {
    arguments.insert(arguments.end(), {"--topic", topic});
  }
  for (const std::string& message : options.messages) {
    arguments.insert(arguments.end(), {"--message", message});
  }
  return arguments;
}

CheckResult result_of(const std::string& line) {
  const json told = json::parse(line);
  const std::string outcome = told.at("result");
  return {.name = told.at("name"),
          .outcome = outcome == "pass"   ? CheckResult::Outcome::kPass
                     : outcome == "fail" ? CheckResult::Outcome::kFail
                                         : CheckResult::Outcome::kSkip,
          .text = told.at("text")};
}

/// A step's results: those that the child told of, its death, and those it did not come to.
std::vector<CheckResult> run_in_child(const Step& step, const CheckOptions& options) {
  constexpr std::chrono::seconds kBesides(20);  // for what takes its time under a sanitizer
  const ChildEnd end =
      run_child(command_line(step.name, options), {.silence = 2 * options.deadline + kBesides});
  std::vector<CheckResult> results;
  for (const std::string& line : end.lines) results.push_back(result_of(line));
  const auto is_told = [&](const std::string& check) {
    return std::ranges::find(results, check, &CheckResult::name) != results.end();
  };
  bool has_died = !end.failure.empty();
  for (const std::string& check : step.checks) {
    if (is_told(check)) continue;
    if (std::exchange(has_died, false)) {
      results.push_back(fail(
          check,
          options.library.filename().string() + ": " + end.failure + " at: " + end.last_words +
              ". Look at it with: gdb --args broadcastctl plugin check-step " + step.name + " " +
              options.library.string() + " --seed " + std::to_string(options.seed) +
              (options.config.empty() ? "" : " --config-json '" + options.config.dump() + "'")));
    } else {
      results.push_back(skip(check, "the plugin did not get that far, see above"));
    }
  }
  return results;
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

}  // namespace

std::vector<CheckResult> check_plugin(const CheckOptions& options) {
  std::vector<CheckResult> results = check_file(options.library.filename().string(),
                                                read_plugin_bytes(options.library), options.config);
  for (const Step& step : all_steps()) {
    const bool is_wanted =
        options.only.empty() || std::ranges::find(options.only, step.name) != options.only.end();
    if (!is_wanted) continue;
    if (may_run(results)) {
      std::ranges::move(run_in_child(step, options), std::back_inserter(results));
      continue;
    }
    for (const std::string& check : step.checks) {
      results.push_back(skip(check, "it cannot run, see above"));
    }
  }
  return results;
}

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
