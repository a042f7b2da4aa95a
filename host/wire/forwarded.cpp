#include "host/wire/forwarded.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/beast/core/string.hpp>

#include "host/wire/http_rules.hpp"

namespace broadcast {

namespace {

namespace http = boost::beast::http;
using boost::asio::ip::address;
using Request = http::request_header<>;

/// Beyond so many proxies nothing is believed: no deployment has them.
constexpr std::size_t kMostHops = 32;

/// The parts of `text` between `separator`, but not within quotes.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  bool is_quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && is_quoted) {
      ++i;
    } else if (text[i] == '"') {
      is_quoted = !is_quoted;
    } else if (text[i] == separator && !is_quoted) {
      parts.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  parts.push_back(trimmed(text.substr(std::min(begin, text.size()))));
  return parts;
}

/// Every quote is closed, and nothing stands behind it. Otherwise a client could open one, for what
/// its proxy appends to stand inside.
bool has_good_quotes(std::string_view text) {
  bool is_quoted = false;
  bool was_closed = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_quoted) {
      if (c == '\\') ++i;
      if (c == '"') is_quoted = false, was_closed = true;
    } else if (c == '"') {
      if (was_closed) return false;
      is_quoted = true;
    } else if (c == ',' || c == ';') {
      was_closed = false;
    } else if (was_closed && c != ' ' && c != '\t') {
      return false;
    }
  }
  return !is_quoted;
}

/// What a header lists, on however many lines, none of which has quotes.
template <class Name>
std::vector<std::string_view> elements(const Request& request, Name name) {
  std::vector<std::string_view> all;
  const auto [first, last] = request.equal_range(name);
  for (auto field = first; field != last; ++field) {
    std::string_view rest = field->value();
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view part = trimmed(rest.substr(0, comma));
      if (!part.empty()) all.push_back(part);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return all;
}

std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

/// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80"; nothing: a name that a proxy has
/// made up, "unknown", or anything else.
std::optional<address> address_of(std::string_view node) {
  if (node.starts_with('[')) {
    const std::size_t end = node.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = node.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    node = node.substr(1, end - 1);
  } else if (std::ranges::count(node, ':') == 1) {
    node = node.substr(0, node.find(':'));
  }
  boost::system::error_code error;
  address parsed = boost::asio::ip::make_address(std::string(node), error);
  if (error || (parsed.is_v6() && parsed.to_v6().scope_id() != 0)) return std::nullopt;
  return parsed;
}

/// One element of Forwarded; what is not there is empty.
struct ForwardedElement {
  std::string client;
  std::string host;
};

ForwardedElement parse_element(std::string_view text) {
  ForwardedElement element;
  for (const std::string_view pair : split(text, ';')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = trimmed(pair.substr(0, equals));
    const std::string value = unquoted(trimmed(pair.substr(equals + 1)));
    if (boost::beast::iequals(name, "for")) element.client = value;
    if (boost::beast::iequals(name, "host")) element.host = value;
  }
  return element;
}

/// A line that cannot be understood is one element that says nothing.
std::vector<ForwardedElement> elements_of_forwarded(const Request& request) {
  std::vector<ForwardedElement> all;
  const auto [first, last] = request.equal_range(http::field::forwarded);
  for (auto field = first; field != last; ++field) {
    if (!has_good_quotes(field->value())) {
      all.emplace_back();
      continue;
    }
    for (const std::string_view part : split(field->value(), ',')) {
      if (!part.empty()) all.push_back(parse_element(part));
    }
  }
  return all;
}

/// Who has connected to each proxy, the nearest proxy's last.
using Nodes = std::vector<std::optional<address>>;

/// From the right: the first that is no trusted proxy. Where one does not say who it was, the proxy
/// that wrote that is the last that is known.
std::optional<address> client_of(const Nodes& nodes, const std::optional<address>& peer,
                                 const Networks& trusted) {
  std::optional<address> known = peer;
  if (nodes.size() > kMostHops) return known;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    if (!*node) return known;
    known = *node;
    if (!trusted.contains(**node)) return known;
  }
  return known;
}

}  // namespace

RequestSource source_of(const Request& request, const std::optional<address>& peer,
                        const Networks& trusted) {
  RequestSource source{.address = peer, .host = std::string(request[http::field::host])};
  source.is_proxied = peer ? trusted.contains(*peer) : trusted.contains_unix();
  if (!source.is_proxied) return source;

  const std::vector<ForwardedElement> forwarded = elements_of_forwarded(request);
  Nodes by_forwarded;
  for (const ForwardedElement& element : forwarded) {
    by_forwarded.push_back(address_of(element.client));
  }
  Nodes by_x;
  for (const std::string_view node : elements(request, "X-Forwarded-For")) {
    by_x.push_back(address_of(node));
  }
  const auto client_by_forwarded = client_of(by_forwarded, peer, trusted);
  const auto client_by_x = client_of(by_x, peer, trusted);
  source.is_contradictory =
      !by_forwarded.empty() && !by_x.empty() && client_by_forwarded != client_by_x;
  if (source.is_contradictory) return source;
  source.address = by_forwarded.empty() ? client_by_x : client_by_forwarded;

  // What the nearest proxy says, in the header that it writes.
  if (!forwarded.empty()) {
    if (!forwarded.back().host.empty()) source.host = forwarded.back().host;
  } else if (const auto hosts = elements(request, "X-Forwarded-Host"); !hosts.empty()) {
    source.host = hosts.back();
  }
  return source;
}

}  // namespace broadcast
