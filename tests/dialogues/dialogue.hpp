#pragma once
// A dialogue: what clients, the owner of the topics and the clock do, and what every client gets
// for it, as a text file (README.md beside it). Parsed and compared here; played on a Session by
// session_dialogue_test.cpp and on a real socket by play.py. Pure.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace broadcast {

struct Step {
  enum class Kind : std::uint8_t {
    kOpen,         // first: target
    kText,         // rest: what the client sends
    kBinary,       // rest: hex
    kExpect,       // rest, json: with wildcards
    kExpectText,   // rest: the very bytes
    kExpectClose,  // first: code
    kPublish,      // first: topic, rest: payload
    kReport,       // first: state, rest: detail
    kSendAll,      // rest: payload
    kAdvance,      // first: duration
    kStall,
    kResume,
    kShutdown,
    kBytes,      // rest: hex; only on a socket
    kSendClose,  // first: code; only on a socket
  };
  Kind kind = Kind::kOpen;
  std::size_t line = 0;
  std::size_t client = 1;
  std::size_t times = 1;
  std::string first;
  std::string rest;
  nlohmann::json json;
};

struct Dialogue {
  enum class Only : std::uint8_t { kBoth, kSession, kSocket };
  std::string name;
  Only only = Only::kBoth;
  std::map<std::string, std::string> limits;  ///< as under `limits:` in the YAML
  bool accepts_unknown = false;               ///< topics.unknown: accept
  std::vector<Step> steps;
};

/// Throws std::invalid_argument that names the line.
[[nodiscard]] Dialogue parse_dialogue(std::string_view text, std::string name);

/// What `$name` stood for where it was met first.
using Bindings = std::map<std::string, nlohmann::json>;
/// `text` with the values in place of `"$name"`.
[[nodiscard]] std::string bound(std::string text, const Bindings& bindings);

/// Where `got` is not what `expected` says, or nothing. "*" is any value; "$name" any value the
/// first time, and the same one from then on. Objects have the same keys, no more.
[[nodiscard]] std::string difference(const nlohmann::json& expected, const nlohmann::json& got,
                                     Bindings& bindings, const std::string& path = "message");

/// "c3 28" -> two bytes. Throws std::invalid_argument.
[[nodiscard]] std::string bytes_of_hex(std::string_view hex);

}  // namespace broadcast
