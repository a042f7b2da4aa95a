#pragma once
// What every HTTP request must keep to before its path matters, on both listeners: one host that it
// is for, an end that nobody can read another way, and nothing expected that is not done here.
// Values in, values out. Pure; [any].

#include <optional>
#include <string_view>

#include <boost/beast/http/message.hpp>

namespace broadcast {

struct FramingFault {
  unsigned status = 400;
  std::string_view text;  ///< static
};

/// Why it is unclear whom the request is for, or where it ends; nothing: it is clear. Where a proxy
/// may read it another way, the bytes behind the header could be a body or the next request, so the
/// connection must end with the answer. 501: a transfer coding that is not known here.
[[nodiscard]] std::optional<FramingFault> framing_fault(
    const boost::beast::http::request_header<>& request);

/// It expects what nobody here can do: anything but `100-continue`. HTTP/1.0 expects nothing.
[[nodiscard]] bool has_unknown_expectation(const boost::beast::http::request_header<>& request);

/// Without blanks and line ends at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

}  // namespace broadcast
