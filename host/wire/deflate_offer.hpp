#pragma once
// The negotiation of permessage-deflate (RFC 7692, 7.1): what a client offers, and what we answer.
// Pure; [any].

#include <optional>
#include <string>
#include <string_view>

#include "host/wire/frame.hpp"

namespace broadcast {

struct DeflateTerms {
  std::string answer;  ///< value of Sec-WebSocket-Extensions
  /// How it is sent to. A window below 32 KiB is granted, and kept by sending plain frames.
  FrameForm form = FrameForm::kDeflated;
};

struct DeflateAnswer {
  bool is_valid = true;               ///< the header is a list as RFC 6455 (9.1) wants it
  std::optional<DeflateTerms> terms;  ///< for the first offer that RFC 7692 allows
};

/// `extensions` is the value of Sec-WebSocket-Extensions; of several, joined by commas.
[[nodiscard]] DeflateAnswer answer_deflate_offers(std::string_view extensions);

}  // namespace broadcast
