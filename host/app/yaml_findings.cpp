#include "host/app/yaml_findings.hpp"

#include <algorithm>
#include <utility>

#include "host/base/utf8.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kMaxShownBytes = 80;

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

}  // namespace

ConfigError::ConfigError(std::vector<std::string> problems)
    : std::runtime_error(joined(problems)), problems_(std::move(problems)) {}

void YamlFindings::add(YamlPosition at, std::string path, std::string text) {
  problems_.push_back({at, std::move(path), std::move(text)});
}

void YamlFindings::throw_if_any(const std::string& file) const {
  if (problems_.empty()) return;
  std::vector<Problem> sorted = problems_;
  std::ranges::stable_sort(sorted, {}, &Problem::at);
  std::vector<std::string> lines;
  lines.reserve(sorted.size());
  for (const Problem& problem : sorted) {
    lines.push_back(file + ":" + std::to_string(problem.at.line) + ":" +
                    std::to_string(problem.at.column) + ": " +
                    (problem.path.empty() ? "" : problem.path + ": ") + problem.text);
  }
  throw ConfigError(std::move(lines));
}

std::string shown(std::string_view text) {
  std::string result(cut_utf8(text, kMaxShownBytes));
  if (result.size() < text.size()) result += "...";
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return result;
}

std::string key_path(const std::string& parent, std::string_view key) {
  return parent.empty() ? shown(key) : parent + "." + shown(key);
}

std::string item_path(const std::string& parent, std::size_t index) {
  return parent + "[" + std::to_string(index) + "]";
}

}  // namespace broadcast
