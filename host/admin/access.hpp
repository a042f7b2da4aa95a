#pragma once
// Who may do what on the admin listener: bearer tokens and their scopes (admin.tokens). [any]

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "host/admin/admin_reply.hpp"

namespace broadcast {

/// A bearer token and what it allows: "admin", "read", "publish", "publish:<topic>" or
/// "publish:<prefix>*".
struct AdminToken {
  std::string token;
  std::vector<std::string> scopes;
};

/// The refusal where the holder of `authorization` (the header's value) may not publish on `topic`.
/// No tokens: everybody may who reaches the listener.
[[nodiscard]] std::optional<AdminReply> refuse_publish(std::span<const AdminToken> tokens,
                                                       std::string_view authorization,
                                                       std::string_view topic);
/// The same for what operators change.
[[nodiscard]] std::optional<AdminReply> refuse_operate(std::span<const AdminToken> tokens,
                                                       std::string_view authorization);
/// The same for what operators read.
[[nodiscard]] std::optional<AdminReply> refuse_read(std::span<const AdminToken> tokens,
                                                    std::string_view authorization);

/// Whether a Host header names this machine: localhost, a loopback address, or `listen`. A name
/// that somebody made to point here, so that his pages may read what we answer (DNS rebinding),
/// does not. Without the header, no browser asks.
[[nodiscard]] bool names_this_machine(std::string_view host_header,
                                      const boost::asio::ip::address& listen);

}  // namespace broadcast
