#include "host/wire/origin.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <variant>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>
#include <libpsl.h>

namespace broadcast {

namespace {

constexpr std::string_view kAny = "*";
constexpr std::string_view kOpaque = "null";  // of files, and of frames in a sandbox
constexpr std::string_view kAnyLabels = "*.";
constexpr std::string_view kAnyPort = ":*";
constexpr std::string_view kLocalhost = "localhost";

struct Origin {
  std::string scheme;
  std::string host;
  std::uint16_t port = 0;  // 0: the scheme has none by default

  bool operator==(const Origin&) const = default;
};

/// An entry of server.origins; a scheme or a port that is not there is any.
struct Pattern {
  std::optional<std::string> scheme;
  std::string host;  // "*.host" for those below it
  std::optional<std::uint16_t> port;
  bool any_port = false;
};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_scheme(std::string_view text) {
  return !text.empty() && is_letter(text[0]) && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

std::uint16_t default_port(std::string_view scheme) {
  return scheme == "http" ? 80 : scheme == "https" ? 443 : 0;
}

/// As browsers write it, or nothing.
std::optional<std::string> host_of(std::string_view text) {
  if (text.starts_with('[')) {
    if (!text.ends_with(']')) return std::nullopt;
    boost::system::error_code error;
    const auto address =
        boost::asio::ip::make_address_v6(std::string(text.substr(1, text.size() - 2)), error);
    if (error || address.scope_id() != 0) return std::nullopt;
    return "[" + address.to_string() + "]";
  }
  const bool is_name = !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
  });
  return is_name ? std::optional<std::string>(text) : std::nullopt;
}

struct Authority {
  std::string_view host;
  std::optional<std::uint16_t> port;
};

/// host[:port]; nothing if the port is none.
std::optional<Authority> authority_of(std::string_view text) {
  const std::size_t bracket = text.find(']');  // IPv6 addresses have colons of their own
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return Authority{text, std::nullopt};
  const std::string_view digits = text.substr(colon + 1);
  const char* const end = digits.data() + digits.size();
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc{} || stop != end || port == 0) return std::nullopt;
  return Authority{text.substr(0, colon), port};
}

/// `text` is host[:port], in lower case.
std::optional<Origin> origin_at(std::string_view scheme, std::string_view text) {
  const std::optional<Authority> authority = authority_of(text);
  if (!authority) return std::nullopt;
  std::optional<std::string> host = host_of(authority->host);
  if (!host) return std::nullopt;
  return Origin{std::string(scheme), *std::move(host),
                authority->port.value_or(default_port(scheme))};
}

std::optional<Origin> parse_origin(std::string_view text) {
  const std::string lowered = lower(text);
  const std::string_view view = lowered;
  const std::size_t colon = view.find("://");
  if (colon == std::string_view::npos || !is_scheme(view.substr(0, colon))) return std::nullopt;
  return origin_at(view.substr(0, colon), view.substr(colon + 3));
}

/// Everybody can have a host below it. A name that the list does not know is a network's own.
bool is_public_suffix(const std::string& host) {
  return psl_is_public_suffix2(psl_builtin(), host.c_str(), PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE) ==
         1;
}

/// Or what is expected instead.
std::variant<Pattern, std::string> parse_pattern(std::string_view text) {
  constexpr const char* kForms =
      "https://host, https://host:port, https://*.host, *://host, http://host:*, null or *";
  if (std::ranges::any_of(text, [](char c) { return (c & 0x80) != 0; })) {
    return "the host in ASCII as browsers send it, xn--... (\"host\".encode(\"idna\") in Python)";
  }
  const std::string lowered = lower(text);
  std::string_view rest = lowered;
  const std::size_t colon = rest.find("://");
  if (colon == std::string_view::npos) {
    if (rest.starts_with(kAnyLabels)) rest.remove_prefix(kAnyLabels.size());
    const std::optional<Authority> authority = authority_of(rest);
    if (!authority || !host_of(authority->host)) return kForms;
    return "an origin with its scheme, such as https://" + lowered;
  }
  Pattern pattern;
  const std::string_view scheme = rest.substr(0, colon);
  rest.remove_prefix(colon + 3);
  if (scheme == "ws" || scheme == "wss") {
    return "the origin of the page, with http:// or https:// instead of ws:// or wss://";
  }
  if (scheme != kAny) {
    if (!is_scheme(scheme)) return kForms;
    pattern.scheme = scheme;
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return "an origin without a path: https://host or https://host:port";
  }
  if (rest.ends_with(kAnyPort)) {
    pattern.any_port = true;
    rest.remove_suffix(kAnyPort.size());
  }
  const bool is_below = rest.starts_with(kAnyLabels);
  if (is_below) rest.remove_prefix(kAnyLabels.size());
  const std::optional<Authority> authority = authority_of(rest);
  const std::optional<std::string> host = authority ? host_of(authority->host) : std::nullopt;
  if (!host || (is_below && host->starts_with('[')) || (pattern.any_port && authority->port)) {
    return kForms;
  }
  if (is_below && is_public_suffix(*host)) {
    return "hosts of one owner, such as https://*.example.com: anybody can have a host below " +
           *host;
  }
  pattern.host = (is_below ? std::string(kAnyLabels) : std::string()) + *host;
  pattern.port = authority->port;
  return pattern;
}

bool fits(const Origin& origin, const Pattern& pattern) {
  if (pattern.scheme && origin.scheme != *pattern.scheme) return false;
  if (!pattern.any_port && origin.port != pattern.port.value_or(default_port(origin.scheme))) {
    return false;
  }
  if (!pattern.host.starts_with(kAnyLabels)) return origin.host == pattern.host;
  const std::string_view suffix = std::string_view(pattern.host).substr(1);
  return origin.host.size() > suffix.size() && origin.host.ends_with(suffix);
}

bool is_address(const std::string& host) {
  boost::system::error_code error;
  static_cast<void>(boost::asio::ip::make_address_v4(host, error));
  return !error || host.starts_with('[');
}

/// `asked` is the origin of the Host header. See page_allowed().
bool is_own(const Origin& asked, const PageRules& rules, bool is_straight_from_here) {
  const std::string& host = asked.host;
  const auto is_it = [&](const std::string& name) { return lower(name) == host; };
  const bool is_known = is_address(host) || host == kLocalhost ||
                        host.ends_with("." + std::string(kLocalhost)) || is_it(rules.machine) ||
                        std::ranges::any_of(rules.hosts, is_it);
  if (is_known || !rules.hosts.empty()) return is_known;
  return !is_straight_from_here || asked.scheme == "https";
}

}  // namespace

bool page_allowed(const AskedBy& asked_by, const PageRules& rules) {
  const std::string_view origin = asked_by.origin;
  if (origin.empty()) return true;
  const std::optional<Origin> asked = parse_origin(origin);
  const bool is_same = asked && origin_at(asked->scheme, lower(asked_by.host_header)) == asked;
  if (is_same && is_own(*asked, rules, asked_by.is_straight_from_here)) return true;
  return std::ranges::any_of(rules.origins, [&](const std::string& entry) {
    if (entry == kAny || entry == kOpaque) return entry == kAny || origin == kOpaque;
    const auto pattern = parse_pattern(entry);
    return asked && std::holds_alternative<Pattern>(pattern) &&
           fits(*asked, std::get<Pattern>(pattern));
  });
}

std::string expected_origin(std::string_view text) {
  if (text == kAny || text == kOpaque) return {};
  auto pattern = parse_pattern(text);
  return std::holds_alternative<Pattern>(pattern) ? "" : std::get<std::string>(std::move(pattern));
}

bool is_host_name(std::string_view text) { return host_of(lower(text)).has_value(); }

}  // namespace broadcast
