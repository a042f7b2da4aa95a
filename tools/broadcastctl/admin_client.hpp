#pragma once
// One request to the admin listener of a host that runs, and its answer. Blocks; [main], and the
// thread of `plugin dev`.

#include <chrono>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace broadcast {

struct AdminAddress {
  std::string host;
  std::string port;
  std::string token;  ///< empty: none is sent
  bool is_tls = false;
  std::string ca;           ///< file: who has signed its certificate; empty: whom the system trusts
  std::string certificate;  ///< file: our own, for admin.tls.client_ca; with `key` or not at all
  std::string key;
  /// For connecting, asking and the answer. The host says 504 after two minutes.
  std::chrono::nanoseconds patience = std::chrono::minutes(5);

  [[nodiscard]] std::string text() const { return host + ":" + port; }
};

/// "127.0.0.1:5112", "[::1]:5112", "https://localhost:5112". Throws CannotRun.
[[nodiscard]] AdminAddress admin_address(std::string_view text, std::string token);

struct AdminAnswer {
  unsigned status = 0;
  nlohmann::ordered_json body;
};

/// Both throw CannotRun: nobody listens there, or answers in time, the token is refused, or it is
/// no admin listener.
[[nodiscard]] AdminAnswer get_from_admin(const AdminAddress& address, const std::string& target);
[[nodiscard]] AdminAnswer post_to_admin(const AdminAddress& address, const std::string& target);

}  // namespace broadcast
