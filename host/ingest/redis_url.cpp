#include "host/ingest/redis_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>

namespace broadcast {

namespace {

constexpr std::string_view kExpected =
    "expected redis://user:password@host:port/0, rediss://... or unix:///path?db=0";

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument(std::string(kExpected) + "; " + what);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) refuse("a % stands before two hexadecimal digits (%25 is a percent)");
    const char c = static_cast<char>(high * 16 + low);
    if (c == '\0') refuse("%00 cannot stand there");
    result += c;
    i += 2;
  }
  return result;
}

template <class Number>
Number number_of(std::string_view text, Number most, const char* what) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > most) refuse(what);
  return number;
}

std::uint32_t database_of(std::string_view text) {
  return number_of<std::uint32_t>(text, 1'000'000, "the database is a number such as 0");
}

/// "db=2" of a query; other options belong to other clients.
std::optional<std::string_view> query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.starts_with(key) && pair.size() > key.size() && pair[key.size()] == '=') {
      return pair.substr(key.size() + 1);
    }
  }
  return std::nullopt;
}

void read_user(std::string_view text, RedisUrl& url) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    // redis-py and Celery read it as a user without a password, who then is not asked for one.
    refuse("a password stands behind a colon, as in redis://:password@host");
  }
  url.user = decoded(text.substr(0, colon));
  url.password = decoded(text.substr(colon + 1));
  if (url.password.empty() && !url.user.empty()) refuse("there is a user but no password");
}

void read_address(std::string_view text, RedisUrl& url) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) refuse("an IPv6 address ends with a bracket");
    url.host = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (colon > 0) url.host = text.substr(0, colon);
    port = text.substr(colon);
  }
  const bool is_host =
      !url.host.empty() && url.host.size() <= 255 && std::ranges::all_of(url.host, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '.' || c == '-' || c == '_' || c == ':';
      });
  if (!is_host) refuse("the host is a name or an address");
  if (port.empty()) return;
  constexpr const char* kPort = "the port is a number from 1 to 65535";
  if (port.front() != ':') refuse(kPort);
  if (port.size() > 1) url.port = number_of<std::uint16_t>(port.substr(1), 65535, kPort);
  if (url.port == 0) refuse(kPort);
}

}  // namespace

std::string RedisUrl::shown() const {
  const std::string number = "/" + std::to_string(database);
  if (transport == Transport::kUnix) return "unix://" + path + "?db=" + std::to_string(database);
  const bool is_v6 = host.find(':') != std::string::npos;
  return (transport == Transport::kTls ? "rediss://" : "redis://") +
         (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + number;
}

RedisUrl parse_redis_url(std::string_view text) {
  RedisUrl url;
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) refuse("there is no scheme");
  const std::string_view scheme = text.substr(0, scheme_end);
  std::string_view rest = text.substr(scheme_end + 3);
  if (scheme == "rediss") {
    url.transport = RedisUrl::Transport::kTls;
  } else if (scheme == "unix" || scheme == "redis+socket") {
    url.transport = RedisUrl::Transport::kUnix;
  } else if (scheme != "redis") {
    refuse("the scheme is another");
  }
  if (rest.find('#') != std::string_view::npos) refuse("a # in a password is written %23");
  const std::size_t question = std::min(rest.find('?'), rest.size());
  const std::string_view query = rest.substr(std::min(question + 1, rest.size()));
  rest = rest.substr(0, question);
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    read_user(rest.substr(0, at), url);
    rest.remove_prefix(at + 1);
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  if (url.transport == RedisUrl::Transport::kUnix) {
    if (slash != 0 || rest.size() < 2) refuse("a unix socket has an absolute path");
    url.path = decoded(rest);
    constexpr std::size_t kMaxPath = 107;  // sockaddr_un
    if (url.path.size() > kMaxPath) refuse("the path of a unix socket has at most 107 bytes");
  } else {
    read_address(rest.substr(0, slash), url);
    const std::string_view number = rest.substr(std::min(slash + 1, rest.size()));
    if (!number.empty()) url.database = database_of(number);
  }
  for (const std::string_view key : {"db", "virtual_host"}) {
    if (const auto number = query_value(query, key)) url.database = database_of(*number);
  }
  return url;
}

}  // namespace broadcast
