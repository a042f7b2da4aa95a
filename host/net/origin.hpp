#pragma once
// Which web pages may connect: the Origin that a browser sends, held against the Host that it asked
// for and against server.origins. Values in, values out. Pure; [any].

#include <span>
#include <string>
#include <string_view>

namespace broadcast {

/// `origin` is the header's value. Without one it is not a browser that asks, and there is nothing
/// to protect. A page of this host may always connect: its origin is that of the Host header,
/// whatever its scheme (a proxy may have taken the TLS off). Others may if one of `listed` fits.
[[nodiscard]] bool origin_allowed(std::string_view origin, std::string_view host_header,
                                  std::span<const std::string> listed);

/// What should stand in `listed` instead of `text`, or nothing if it can stand there: "*", "null",
/// or scheme://host[:port]. The scheme and the port may be "*", the host may begin with "*." for
/// any label or labels; a slash at the end says nothing.
[[nodiscard]] std::string expected_origin(std::string_view text);

}  // namespace broadcast
