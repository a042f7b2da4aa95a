#pragma once
// What every fuzzer of a parser does: sees its input as text, and stops where a property is broken.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "host/base/utf8.hpp"

namespace broadcast::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the run, so that the fuzzer keeps the input.
inline void require(bool holds, const std::string& property) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", property.c_str());
  std::abort();
}

template <class A, class B>
void require_equal(const A& a, const B& b, const std::string& property) {
  if (a == b) return;
  std::fprintf(stderr, "broken: %s\n%s\n%s\n", property.c_str(), nlohmann::json(a).dump().c_str(),
               nlohmann::json(b).dump().c_str());
  std::abort();
}

/// A sentence that a log, a terminal or a JSON text can hold on one line.
inline void require_sentence(std::string_view text) {
  bool fits = !text.empty() && is_utf8(text);
  for (const char c : text) fits = fits && static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  require(fits,
          "refusals are UTF-8 on one line: " +
              nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace broadcast::fuzz
