#pragma once
// What the rows of config.hpp are made of. A row describes one setting of the YAML: its key, the
// member that holds it, its kind, when a change of it takes effect, and one line of text. A kind
// knows how the value is read from a text, what JSON Schema says of it, and how a default is
// written. Everything else about settings (reading, reloading, reference, schema) walks over the
// rows. Values alone; [any].

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/base/assert.hpp"

namespace broadcast {

class YamlReader;

/// `for_each_setting(Of<Limits>{}, row)` calls `row(key, member, kind, effect, text)` for each
/// setting of Limits, in the order in which "known here: ..." lists them. Each struct with rows has
/// its overload.
template <class Struct>
struct Of {};

/// When a value that a reload finds changed takes effect.
enum class Effect {
  kLive,      ///< at once
  kRestart,   ///< after a restart of the host
  kReplaces,  ///< at once: the broadcaster is started, stopped or replaced
  kByKey      ///< of a section: each of its keys says. Others are told as one
};

// Each kind of a single value has
//   take(text, value)  reads `text` into `value`, or returns what was expected instead
//   schema()           JSON Schema of the value
//   shown(value)       the value as it stands in the YAML; null: not written as a default

/// JSON Schema of a value of which only the text counts.
[[nodiscard]] nlohmann::json any_scalar();

/// true or false
struct Flag {
  [[nodiscard]] static std::string take(const std::string& text, bool& value);
  [[nodiscard]] static nlohmann::json schema();
  [[nodiscard]] static nlohmann::json shown(bool value) { return value; }
};

/// Any text, the empty one included.
struct AnyText {
  [[nodiscard]] static std::string take(const std::string& text, std::string& value);
  [[nodiscard]] static nlohmann::json schema() { return any_scalar(); }
  [[nodiscard]] static nlohmann::json shown(const std::string& value) { return value; }
};

/// 512, 64KiB, 1MiB; both ends included, as in the next ones.
struct SizeIn {
  std::size_t least;
  std::size_t most;
  [[nodiscard]] std::string take(const std::string& text, std::size_t& value) const;
  [[nodiscard]] nlohmann::json schema() const;
  [[nodiscard]] static nlohmann::json shown(std::size_t value);
};

/// 250ms, 30s, 5m, 24h
struct DurationIn {
  std::chrono::nanoseconds least;
  std::chrono::nanoseconds most;
  [[nodiscard]] std::string take(const std::string& text, std::chrono::nanoseconds& value) const;
  [[nodiscard]] nlohmann::json schema() const;
  [[nodiscard]] static nlohmann::json shown(std::chrono::nanoseconds value);
};

/// A whole number. REQUIRES: `most` fits the member.
struct CountIn {
  std::uint64_t least;
  std::uint64_t most;
  template <std::unsigned_integral Number>
  [[nodiscard]] std::string take(const std::string& text, Number& value) const {
    BROADCAST_ASSERT(std::in_range<Number>(most), "the bound of a setting does not fit its member");
    std::uint64_t number = value;
    std::string expected = take_number(text, number);
    value = static_cast<Number>(number);
    return expected;
  }
  [[nodiscard]] nlohmann::json schema() const;
  [[nodiscard]] static nlohmann::json shown(std::uint64_t value) { return value; }

 private:
  [[nodiscard]] std::string take_number(const std::string& text, std::uint64_t& number) const;
};

/// `auto`, which is the value 0, or what `kind` takes.
template <class Kind>
struct OrAuto {
  Kind kind;
  template <class Value>
  [[nodiscard]] std::string take(const std::string& text, Value& value) const {
    if (text == "auto") return value = Value{}, std::string();
    const std::string expected = kind.take(text, value);
    return expected.empty() ? "" : "auto or " + expected;
  }
  [[nodiscard]] nlohmann::json schema() const {
    nlohmann::json schema = kind.schema();
    schema["pattern"] = "^auto$|" + schema["pattern"].template get<std::string>();
    return schema;
  }
  template <class Value>
  [[nodiscard]] nlohmann::json shown(const Value& value) const {
    return value == Value{} ? nlohmann::json("auto") : kind.shown(value);
  }
};

/// One of some words, each with its meaning.
template <class Value>
class OneOf {
 public:
  OneOf(std::initializer_list<std::pair<std::string_view, Value>> words) : words_(words) {}

  [[nodiscard]] std::string take(const std::string& text, Value& value) const {
    std::string expected;
    for (const auto& [word, meaning] : words_) {
      if (word == text) return value = meaning, std::string();
      expected += (expected.empty() ? "one of " : ", ") + std::string(word);
    }
    return expected;
  }
  [[nodiscard]] nlohmann::json schema() const {
    nlohmann::json words = nlohmann::json::array();
    for (const auto& [word, meaning] : words_) words.push_back(word);
    return {{"enum", std::move(words)}};
  }
  [[nodiscard]] nlohmann::json shown(const Value& value) const {
    const auto found =
        std::ranges::find(words_, value, &std::pair<std::string_view, Value>::second);
    return found == words_.end() ? nlohmann::json() : nlohmann::json(found->first);
  }

 private:
  std::vector<std::pair<std::string_view, Value>> words_;
};

/// A single value with a reader of its own.
template <class Value>
struct Parsed {
  std::string (*reader)(const std::string& text, Value& value);
  std::string (*text_of)(const Value& value);  ///< null: it is not written as a default
  [[nodiscard]] std::string take(const std::string& text, Value& value) const {
    return reader(text, value);
  }
  [[nodiscard]] static nlohmann::json schema() { return any_scalar(); }
  [[nodiscard]] nlohmann::json shown(const Value& value) const {
    return text_of == nullptr ? nlohmann::json() : nlohmann::json(text_of(value));
  }
};

// These are no single values: the reader of config.cpp knows what to do with them.

/// A list of texts; `expected` says what was expected if it refuses one.
struct ListOf {
  std::string (*expected)(std::string_view text);
  [[nodiscard]] static nlohmann::json shown(const std::vector<std::string>& value) { return value; }
};

/// A list or a map with a reader of its own.
template <class Struct>
struct ReadBy {
  void (*read)(YamlReader& map, const char* key, Struct& into);
  nlohmann::json empty;  ///< how its default is written; null: it is not
  [[nodiscard]] nlohmann::json shown(const auto& /*value*/) const { return empty; }
};

/// A map whose keys are the rows of the member's struct.
struct Section {
  [[nodiscard]] static nlohmann::json shown(const auto& /*value*/) { return {}; }
};

/// Bytes: `64_KiB`, `1_MiB`.
[[nodiscard]] constexpr std::size_t operator""_KiB(unsigned long long count) { return count << 10; }
[[nodiscard]] constexpr std::size_t operator""_MiB(unsigned long long count) { return count << 20; }

/// `64KiB`, `30s`: as YAML has it, in the largest unit that fits.
[[nodiscard]] std::string size_text(std::size_t bytes);
[[nodiscard]] std::string duration_text(std::chrono::nanoseconds duration);

}  // namespace broadcast
