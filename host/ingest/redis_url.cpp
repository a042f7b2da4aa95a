#include "host/ingest/redis_url.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <stdexcept>
#include <utility>

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
    if (high < 0 || low < 0)
      refuse("a % must be followed by two hexadecimal digits (%25 is a percent sign)");
    const char c = static_cast<char>(high * 16 + low);
    if (c == '\0') refuse("%00 is not allowed");
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

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Celery's examples end in "//", which is database 0.
std::string_view without_slashes(std::string_view path) {
  const std::size_t first = std::min(path.find_first_not_of('/'), path.size());
  return path.substr(first, path.find_last_not_of('/') + 1 - first);
}

std::uint32_t database_of(std::string_view text) {
  return number_of<std::uint32_t>(text, 1'000'000, "the database must be a number such as 0");
}

/// "db=2&password=x" in order, values decoded as urlencode() writes them.
std::vector<std::pair<std::string, std::string>> query_of(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> parts;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (part.empty()) continue;
    const std::string name(part.substr(0, part.find('=')));
    // What is no name may be the rest of a password, and is not to be repeated.
    if (name.size() == part.size() || name.empty() || name.size() > 64 ||
        !std::ranges::all_of(name, is_name_character) || part.find('@') != std::string_view::npos) {
      refuse("after the ? comes name=value&name=value; write a ? in a password as %3F");
    }
    if (std::ranges::find(parts, name, [](const auto& known) { return known.first; }) !=
        parts.end()) {
      refuse(name + " is given twice");
    }
    std::string value(part.substr(name.size() + 1));
    std::ranges::replace(value, '+', ' ');
    parts.emplace_back(name, decoded(value));
  }
  return parts;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

/// Whether the certificate is checked. To a client, "optional" is "required": it always gets one.
bool checks_certificate(const std::string& value) {
  std::string word = lower(value);
  if (word.starts_with("cert_")) word.erase(0, 5);
  if (word == "none") return false;
  if (!is_one_of(word, {"optional", "required"})) {
    refuse("ssl_cert_reqs must be none, optional or required");
  }
  return true;
}

bool checks_name(const std::string& value) {
  const std::string word = lower(value);
  if (is_one_of(word, {"true", "1", "yes"})) return true;
  if (!is_one_of(word, {"false", "0", "no"})) refuse("ssl_check_hostname must be true or false");
  return false;
}

/// False: it is no part that this host knows.
bool read_tls_part(const std::string& name, const std::string& value, RedisUrl::Tls& tls) {
  using Verify = RedisUrl::Tls::Verify;
  if (name == "ssl_cert_reqs") {
    if (!checks_certificate(value)) tls.verify = Verify::kNothing;
  } else if (name == "ssl_check_hostname") {
    // Nobody's certificate is not looked at for a name either.
    if (!checks_name(value) && tls.verify != Verify::kNothing) tls.verify = Verify::kAuthority;
  } else if (name == "ssl_ca_certs") {
    tls.ca = value;
  } else if (name == "ssl_certfile") {
    tls.certificate = value;
  } else if (name == "ssl_keyfile") {
    tls.key = value;
  } else {
    return false;
  }
  return true;
}

/// False: it has no effect.
bool read_part(const std::string& name, const std::string& value, RedisUrl& url) {
  if (is_one_of(name, {"db", "virtual_host"})) {
    url.database = database_of(value);
  } else if (name == "username") {
    if (url.user.empty()) url.user = value;
  } else if (name == "password") {
    if (url.password.empty()) url.password = value;
  } else if (name.starts_with("ssl")) {
    RedisUrl::Tls tls = url.tls;
    // To leave one out could make the connection less safe than it was meant to be.
    if (!read_tls_part(name, value, tls)) refuse(name + " is not supported; remove it");
    if (url.transport != RedisUrl::Transport::kTls) return false;
    url.tls = std::move(tls);
  } else {
    return false;
  }
  return true;
}

void read_user(std::string_view text, RedisUrl& url) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    // redis-py and Celery read it as a user without a password, who then is not asked for one.
    refuse("a password follows a colon, as in redis://:password@host");
  }
  url.user = decoded(text.substr(0, colon));
  url.password = decoded(text.substr(colon + 1));
}

void read_address(std::string_view text, RedisUrl& url) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) refuse("an IPv6 address must end with a bracket");
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
  if (!is_host) refuse("the host must be a name or an address");
  if (port.empty()) return;
  constexpr const char* kPort = "the port must be a number from 1 to 65535";
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

namespace {

struct ReadUrl {
  RedisUrl url;
  std::vector<std::string> unused;
};

/// Not by Boost.URL: it refuses passwords that redis-py takes (p^w, or one in Korean), ends one at
/// its first slash, and never says what is wrong.
ReadUrl read_url(std::string_view text) {
  ReadUrl read;
  RedisUrl& url = read.url;
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) refuse("the scheme is missing");
  const std::string_view scheme = text.substr(0, scheme_end);
  std::string_view rest = text.substr(scheme_end + 3);
  if (!has_redis_scheme(text)) refuse("the scheme is not supported");
  if (scheme == "rediss") {
    url.transport = RedisUrl::Transport::kTls;
  } else if (scheme != "redis") {
    url.transport = RedisUrl::Transport::kUnix;
  }
  if (rest.find('#') != std::string_view::npos) refuse("write a # in a password as %23");
  const std::size_t question = std::min(rest.find('?'), rest.size());
  const std::string_view query = rest.substr(std::min(question + 1, rest.size()));
  rest = rest.substr(0, question);
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    read_user(rest.substr(0, at), url);
    rest.remove_prefix(at + 1);
  }
  if (rest.find(';') != std::string_view::npos)
    refuse("name one Redis, not several separated by ;");
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  if (url.transport == RedisUrl::Transport::kUnix) {
    if (slash != 0 || rest.size() < 2) refuse("a unix socket needs an absolute path");
    url.path = decoded(rest);
    constexpr std::size_t kMaxPath = 107;  // sockaddr_un
    if (url.path.size() > kMaxPath) refuse("the path of a unix socket may have at most 107 bytes");
  } else {
    read_address(rest.substr(0, slash), url);
    const std::string_view number = without_slashes(rest.substr(slash));
    if (!number.empty()) url.database = database_of(number);
  }
  for (const auto& [name, value] : query_of(query)) {
    if (!read_part(name, value, url)) read.unused.push_back(name);
  }
  if (url.password.empty() && !url.user.empty()) refuse("there is a user but no password");
  if (url.tls.certificate.empty() && !url.tls.key.empty()) {
    refuse("ssl_keyfile needs an ssl_certfile");
  }
  return read;
}

}  // namespace

RedisUrl parse_redis_url(std::string_view text) { return read_url(text).url; }

std::vector<std::string> unused_parts(std::string_view text) { return read_url(text).unused; }

bool has_redis_scheme(std::string_view text) {
  return is_one_of(text.substr(0, text.find("://")), {"redis", "rediss", "unix", "redis+socket"});
}

}  // namespace broadcast
