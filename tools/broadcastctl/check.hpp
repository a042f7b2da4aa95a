#pragma once
// `plugin check`: everything that can be found out about a plugin without a host, each as a named
// check that passes, fails or is skipped. What runs the plugin's code, or reads its file, runs in
// child processes with limits of their own, so that a crash, a hang or a flood is a finding. [main]

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace broadcast {

struct CheckResult {
  enum class Outcome { kPass, kFail, kSkip };
  std::string name;
  Outcome outcome = Outcome::kPass;
  std::string text;  ///< what, where and the next step; for kPass what was done
};

[[nodiscard]] inline CheckResult pass(std::string name, std::string text) {
  return {std::move(name), CheckResult::Outcome::kPass, std::move(text)};
}
[[nodiscard]] inline CheckResult fail(std::string name, std::string text) {
  return {std::move(name), CheckResult::Outcome::kFail, std::move(text)};
}
[[nodiscard]] inline CheckResult skip(std::string name, std::string text) {
  return {std::move(name), CheckResult::Outcome::kSkip, std::move(text)};
}

/// Copied to each child by its command line.
struct CheckOptions {
  std::filesystem::path library;
  nlohmann::json config = nlohmann::json::object();
  std::vector<std::string> topics;    ///< to send messages to, beside those found by trying
  std::vector<std::string> messages;  ///< good ones, JSON, to be mutated
  std::vector<std::string> only;      ///< steps that run its code; empty: all
  std::uint64_t seed = 0;
  std::size_t cycles = 20;
  std::chrono::milliseconds deadline{5000};  ///< time limit for START, STOP and each message
  std::chrono::milliseconds limit = std::chrono::minutes(5);       ///< for each step
  std::size_t memory_bytes = std::size_t{2} * 1024 * 1024 * 1024;  ///< for each step
};

/// All results, in a fixed order.
[[nodiscard]] std::vector<CheckResult> check_plugin(const CheckOptions& options);

/// "fail" and so on.
[[nodiscard]] std::string_view to_string(CheckResult::Outcome outcome);
[[nodiscard]] bool has_failed(const std::vector<CheckResult>& results);
[[nodiscard]] std::string report_text(const CheckOptions& options,
                                      const std::vector<CheckResult>& results);
[[nodiscard]] nlohmann::json report_json(const CheckOptions& options,
                                         const std::vector<CheckResult>& results);

}  // namespace broadcast
