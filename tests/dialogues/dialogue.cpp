#include "tests/dialogues/dialogue.hpp"

#include <array>
#include <cctype>
#include <stdexcept>
#include <utility>

namespace broadcast {

namespace {

struct Verb {
  std::string_view word;
  Step::Kind kind;
  bool has_first;
  bool has_rest;
};

constexpr std::array kVerbs = {
    Verb{"open", Step::Kind::kOpen, true, false},
    Verb{">", Step::Kind::kText, false, true},
    Verb{">binary", Step::Kind::kBinary, false, true},
    Verb{">bytes", Step::Kind::kBytes, false, true},
    Verb{">close", Step::Kind::kSendClose, true, false},
    Verb{"<", Step::Kind::kExpect, false, true},
    Verb{"<text", Step::Kind::kExpectText, false, true},
    Verb{"<close", Step::Kind::kExpectClose, true, false},
    Verb{"publish", Step::Kind::kPublish, true, true},
    Verb{"report", Step::Kind::kReport, true, true},
    Verb{"send_all", Step::Kind::kSendAll, false, true},
    Verb{"advance", Step::Kind::kAdvance, true, false},
    Verb{"stall", Step::Kind::kStall, false, false},
    Verb{"resume", Step::Kind::kResume, false, false},
    Verb{"shutdown", Step::Kind::kShutdown, false, false},
};

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(text.find_first_not_of(' ', end), text.size()));
  return word;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The `2` of `2<` and of `2 open`.
void take_client(std::string_view& line, Step& step) {
  if (!is_digit(line.front())) return;
  step.client = static_cast<std::size_t>(line.front() - '0');
  line.remove_prefix(std::min(line.find_first_not_of(' ', 1), line.size()));
}

/// The `x3` of `>x3` and `<x3`.
std::string take_times(std::string_view word, Step& step) {
  if (word.size() < 3 || (word[0] != '<' && word[0] != '>') || word[1] != 'x') {
    return std::string(word);
  }
  step.times = std::stoul(std::string(word.substr(2)));
  return std::string(word.substr(0, 1));
}

Step parse_step(std::string_view line) {
  Step step;
  take_client(line, step);
  const std::string word = take_times(take_word(line), step);
  for (const Verb& verb : kVerbs) {
    if (verb.word != word) continue;
    step.kind = verb.kind;
    if (verb.has_first) step.first = take_word(line);
    if (verb.has_rest) step.rest = std::exchange(line, {});
    const bool lacks = verb.has_first && step.first.empty();
    if (lacks || !line.empty()) throw std::invalid_argument("not a whole step");
    if (step.kind == Step::Kind::kExpect) step.json = nlohmann::json::parse(step.rest);
    return step;
  }
  throw std::invalid_argument("unknown step \"" + word + "\"");
}

/// `only:`, `limit` and `accept unknown`; false: a step.
bool parse_setting(std::string_view line, Dialogue& dialogue) {
  if (line == "only: session" || line == "only: socket") {
    dialogue.only = line == "only: session" ? Dialogue::Only::kSession : Dialogue::Only::kSocket;
    return true;
  }
  if (line == "accept unknown") return dialogue.accepts_unknown = true;
  if (!line.starts_with("limit ")) return false;
  take_word(line);
  const std::string name(take_word(line));
  return dialogue.limits.emplace(name, line).second;
}

std::string compare_objects(const nlohmann::json& expected, const nlohmann::json& got,
                            Bindings& bindings, const std::string& path) {
  for (const auto& [key, value] : expected.items()) {
    if (!got.contains(key)) return path + "." + key + " is missing";
    std::string found = difference(value, got[key], bindings, path + "." + key);
    if (!found.empty()) return found;
  }
  for (const auto& [key, value] : got.items()) {
    if (!expected.contains(key)) return path + "." + key + " was not expected";
  }
  return {};
}

std::string compare_lists(const nlohmann::json& expected, const nlohmann::json& got,
                          Bindings& bindings, const std::string& path) {
  if (expected.size() != got.size()) {
    return path + " has " + std::to_string(got.size()) + " items, expected " +
           std::to_string(expected.size());
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    std::string found =
        difference(expected[i], got[i], bindings, path + "[" + std::to_string(i) + "]");
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace

Dialogue parse_dialogue(std::string_view text, std::string name) {
  Dialogue dialogue;
  dialogue.name = std::move(name);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || parse_setting(line, dialogue)) continue;
    try {
      dialogue.steps.push_back(parse_step(line));
      dialogue.steps.back().line = number;
    } catch (const std::exception& error) {
      throw std::invalid_argument(dialogue.name + ":" + std::to_string(number) + ": " +
                                  error.what());
    }
  }
  return dialogue;
}

std::string bound(std::string text, const Bindings& bindings) {
  for (const auto& [name, value] : bindings) {
    const std::string quoted = '"' + name + '"';
    for (std::size_t at = 0; (at = text.find(quoted, at)) != std::string::npos;) {
      text.replace(at, quoted.size(), value.dump());
    }
  }
  return text;
}

std::string difference(const nlohmann::json& expected, const nlohmann::json& got,
                       Bindings& bindings, const std::string& path) {
  if (expected == "*") return {};
  if (expected.is_string() && expected.get_ref<const std::string&>().starts_with('$')) {
    const auto [bound, is_new] = bindings.emplace(expected.get<std::string>(), got);
    return bound->second == got ? std::string() : difference(bound->second, got, bindings, path);
  }
  if (expected.is_object() && got.is_object()) {
    return compare_objects(expected, got, bindings, path);
  }
  if (expected.is_array() && got.is_array()) return compare_lists(expected, got, bindings, path);
  if (expected == got) return {};
  return path + " is " + got.dump() + ", expected " + expected.dump();
}

std::string bytes_of_hex(std::string_view hex) {
  std::string bytes;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) {
      throw std::invalid_argument("not hex: " + std::string(hex));
    }
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(std::exchange(digits, {}), nullptr, 16));
  }
  if (!digits.empty()) throw std::invalid_argument("half a byte: " + std::string(hex));
  return bytes;
}

}  // namespace broadcast
