#pragma once
// What a text must be before it leaves the host: JSON from its first byte to its last, which every
// reader of JSON can read, without the members that the host writes. Parsed whole, once a publish.
// Part of a Publisher and of a HostServices; [any].
//
// Parsers are lent to whoever checks, so there are as many as threads that check at once. One a
// thread would have to be a thread_local, whose destructor is registered under the loader's lock:
// the threads are the broadcasters' own, and nobody can make it when they begin.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <broadcast/host_rules.hpp>

#include "host/base/guarded.hpp"

namespace simdjson::dom {
class parser;
}

namespace broadcast {

enum class JsonFault : std::uint8_t {
  kNotJson,      ///< or not UTF-8
  kTooDeep,      ///< beyond kMaxMessageNesting
  kNumber,       ///< malformed, or neither a 64-bit integer nor a finite double
  kNotAnObject,  ///< something else, or blanks around it
  kNoMembers,
  kHostsMember,  ///< a `topic` or `seq` at the top level, however its key is written
  kNoType        ///< asked for by plugins.strict
};
/// "it is not JSON".
[[nodiscard]] std::string_view words_of(JsonFault fault);

class JsonChecker {
 public:
  JsonChecker();
  ~JsonChecker();
  JsonChecker(const JsonChecker&) = delete;
  JsonChecker& operator=(const JsonChecker&) = delete;

  enum class Type : std::uint8_t { kOptional, kRequired };
  /// What is wrong with `text` as the object that a topic's message is made of; nothing: nothing.
  [[nodiscard]] std::optional<JsonFault> fault_of_payload(std::string_view text, Type type);
  /// The same for what goes to every client, which may be any JSON.
  [[nodiscard]] std::optional<JsonFault> fault_of_text(std::string_view text);

 private:
  using ParserPtr = std::unique_ptr<simdjson::dom::parser>;
  struct Members {
    std::size_t count = 0;
    bool has_type = false;
  };
  [[nodiscard]] std::optional<JsonFault> parse(std::string_view text, Members& members);

  Guarded<std::vector<ParserPtr>> idle_;
};

}  // namespace broadcast
