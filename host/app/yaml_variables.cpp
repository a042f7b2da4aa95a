#include "host/app/yaml_variables.hpp"

#include <utility>

#include "host/app/yaml_findings.hpp"
#include "host/base/utf8.hpp"

namespace broadcast {

namespace {

constexpr int kMaxNesting = 16;

bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool continues_name(char c) { return begins_name(c) || (c >= '0' && c <= '9'); }

class Expander {
 public:
  Expander(std::string_view text, const Environment& environment)
      : rest_(text), environment_(environment) {}

  ExpandedText run() {
    std::string text = expand_until_end(0, Use::kYes);
    return {std::move(text), std::move(problems_)};
  }

 private:
  /// A default that is not needed is checked for form only.
  enum class Use { kYes, kNo };

  /// Up to the end of the text or, inside braces, up to and with the closing one.
  std::string expand_until_end(int nesting, Use use) {
    std::string result;
    while (!rest_.empty()) {
      if (nesting > 0 && try_take("}")) return result;
      if (try_take("$$")) {
        result += '$';
      } else if (try_take("${")) {
        result += expand_one(nesting, use);
      } else if (at_bare_name()) {
        refuse_bare_name();
      } else {
        result += rest_.front();
        rest_.remove_prefix(1);
      }
    }
    if (nesting > 0 && !malformed_) {
      fail("\"${\" without \"}\", expected ${NAME} or ${NAME:-default}");
    }
    return result;
  }

  std::string expand_one(int nesting, Use use) {
    if (nesting >= kMaxNesting) {
      fail("more than " + std::to_string(kMaxNesting) + " variables nested in each other");
      return {};
    }
    const std::string name = take_name();
    const bool has_default = try_take(":-");
    if (name.empty() || (!has_default && !try_take("}"))) {
      fail("expected ${NAME} or ${NAME:-default}, found \"${" + shown(name + std::string(rest_)) +
           "\"");
      return {};
    }
    const std::optional<std::string> value = value_of(name, use);
    if (!has_default) {
      if (!value && use == Use::kYes) {
        problems_.push_back("environment variable " + name + " is not set; set it, or write ${" +
                            name + ":-default}");
      }
      return value.value_or("");
    }
    const bool needed = use == Use::kYes && (!value || value->empty());
    std::string fallback = expand_until_end(nesting + 1, needed ? Use::kYes : Use::kNo);
    return needed ? std::move(fallback) : value.value_or("");
  }

  std::optional<std::string> value_of(const std::string& name, Use use) {
    if (use == Use::kNo) return std::nullopt;
    std::optional<std::string> value = environment_(name);
    if (value && !is_utf8(*value)) {
      problems_.push_back("environment variable " + name + " is not UTF-8");
    }
    return value;
  }

  bool at_bare_name() const { return rest_.size() > 1 && rest_[0] == '$' && begins_name(rest_[1]); }

  /// "$TOKEN" was meant to be something else than six characters.
  void refuse_bare_name() {
    rest_.remove_prefix(1);
    const std::string name = take_name();
    fail("\"$" + shown(name) + "\" is not expanded; write ${" + shown(name) +
         "} for the variable, or $$ for a dollar");
  }

  std::string take_name() {
    std::size_t length = 0;
    if (!rest_.empty() && begins_name(rest_[0])) {
      while (length < rest_.size() && continues_name(rest_[length])) ++length;
    }
    std::string name(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return name;
  }

  bool try_take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  /// What follows a mistake of form has no meaning: the rest is skipped.
  void fail(std::string problem) {
    problems_.push_back(std::move(problem));
    rest_ = {};
    malformed_ = true;
  }

  std::string_view rest_;
  const Environment& environment_;
  std::vector<std::string> problems_;
  bool malformed_ = false;
};

}  // namespace

ExpandedText expand_variables(std::string_view text, const Environment& environment) {
  return Expander(text, environment).run();
}

}  // namespace broadcast
