#pragma once
// Which web pages may connect: the Origin that a browser sends, held against the Host that it asked
// for and against server.origins and server.hosts. Values in, values out. Pure; [any].

#include <string>
#include <string_view>
#include <vector>

namespace broadcast {

/// What the configuration says about pages.
struct PageRules {
  std::vector<std::string> origins;  ///< server.origins
  std::vector<std::string> hosts;    ///< server.hosts
  std::string machine;               ///< what the system calls this machine
};

/// What a request says about the page that it is from.
struct AskedBy {
  std::string_view origin;             ///< the header's value; empty: it is no page
  std::string_view host_header;        ///< where it believes to be
  bool is_straight_from_here = false;  ///< from this machine itself, by no proxy that says so
};

/// Without an origin it is not a browser that asks, and there is nothing to protect. A page of this
/// host may connect: its origin is that of the Host header, whatever its scheme (a proxy may have
/// taken the TLS off). Others may if one of `rules.origins` fits.
///
/// The Host header alone proves little, because a page can make its own name point here (DNS
/// rebinding). It has to be an address, localhost or a name below it, `rules.machine`, or one of
/// `rules.hosts`. Where those are empty, nobody has said how the host is called: then a name is
/// only refused to pages without TLS that are straight from this machine. Over TLS, and by a
/// proxy, no rebound name comes here.
[[nodiscard]] bool page_allowed(const AskedBy& asked_by, const PageRules& rules);

/// What should stand in server.origins instead of `text`, or nothing if it can stand there: "*",
/// "null", or scheme://host[:port]. The scheme and the port may be "*", the host may begin with
/// "*." for any label or labels, unless everybody can have a host there (a public suffix such as
/// com or co.kr); a slash at the end says nothing.
[[nodiscard]] std::string expected_origin(std::string_view text);
/// It can stand in server.hosts: a name as browsers send it, or an address, without a port.
[[nodiscard]] bool is_host_name(std::string_view text);

}  // namespace broadcast
