#pragma once
// An answer of the admin listener before it is HTTP. [any]

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace broadcast {

struct AdminReply {
  unsigned status = 200;
  std::string body;  ///< JSON unless `content_type` says otherwise
  std::optional<std::chrono::seconds> retry_after;
  std::string_view content_type = "application/json";
  std::string_view allow;      ///< with 405: the methods
  bool is_to_a_guess = false;  ///< it says that a token is wrong, which nobody should learn fast
};

/// `{"error":code,"message":message}`
[[nodiscard]] AdminReply admin_error(unsigned status, std::string_view code,
                                     std::string_view message);

}  // namespace broadcast
