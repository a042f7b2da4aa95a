#include "host/wire/upgrade.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <boost/beast/http/rfc7230.hpp>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "host/wire/http_rules.hpp"

namespace broadcast {

namespace {

namespace http = boost::beast::http;
using Request = http::request_header<>;

bool has_token(const Request& request, http::field name, std::string_view token) {
  const auto [first, last] = request.equal_range(name);
  return std::any_of(first, last, [&](const auto& field) {
    return http::token_list(field.value()).exists(token);
  });
}

/// The value of a header that must be there once.
std::optional<std::string_view> only(const Request& request, http::field name) {
  if (request.count(name) != 1) return std::nullopt;
  return request[name];
}

/// The values of a header that is a list, as one list.
std::string all(const Request& request, http::field name) {
  std::string list;
  const auto [first, last] = request.equal_range(name);
  for (auto field = first; field != last; ++field) {
    list.append(list.empty() ? "" : ",").append(field->value());
  }
  return list;
}

bool is_base64_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

/// Base64 of 16 bytes.
bool is_websocket_key(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") &&
         std::ranges::all_of(key.substr(0, 22), is_base64_char);
}

std::string accept_key_for(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1> base64{};
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), SHA_DIGEST_LENGTH);
  return {reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(length)};
}

UpgradeRefusal upgrade_required(std::string text) {
  return {426,
          Counter::kHandshakeNoUpgrade,
          std::move(text),
          {{http::field::upgrade, "websocket"}, {http::field::connection, "Upgrade"}}};
}

UpgradeRefusal bad_request(std::string text) {
  return {400, Counter::kHandshakeBadRequest, std::move(text), {}};
}

/// A browser lets no page add these to a WebSocket's request, so they are a proxy's.
bool came_by_proxy(const Request& request) {
  return request.count(http::field::forwarded) > 0 || request.count(http::field::via) > 0 ||
         request.count("X-Forwarded-For") > 0;
}

std::optional<UpgradeRefusal> refuse(const Request& request, const PageRules& pages,
                                     bool is_from_here, std::string_view host) {
  if (request.method() != http::verb::get) {
    return UpgradeRefusal{405,
                          Counter::kHandshakeMethod,
                          "A WebSocket begins with GET",
                          {{http::field::allow, "GET"}}};
  }
  if (request.version() < 11) return bad_request("A WebSocket needs HTTP/1.1");
  // A proxy might take what follows for the body, and we for frames.
  const std::string_view length = request[http::field::content_length];
  if ((!length.empty() && length != "0") || request.count(http::field::transfer_encoding) > 0) {
    return bad_request("A WebSocket begins with a request without a body");
  }
  if (!has_token(request, http::field::upgrade, "websocket") ||
      !has_token(request, http::field::connection, "upgrade")) {
    return upgrade_required(
        "This is a WebSocket endpoint: send \"Upgrade: websocket\" and \"Connection: Upgrade\"");
  }
  if (only(request, http::field::sec_websocket_version) != "13") {
    UpgradeRefusal refusal = upgrade_required("This host speaks WebSocket version 13");
    refusal.headers.emplace_back(http::field::sec_websocket_version, "13");
    return refusal;
  }
  const auto key = only(request, http::field::sec_websocket_key);
  if (!key || !is_websocket_key(*key)) {
    return bad_request("There must be one Sec-WebSocket-Key: 16 bytes in base64");
  }
  const AskedBy asked_by{.origin = request[http::field::origin],
                         .host_header = host,
                         .is_straight_from_here = is_from_here && !came_by_proxy(request)};
  if (request.count(http::field::origin) > 1 || !page_allowed(asked_by, pages)) {
    return UpgradeRefusal{403, Counter::kHandshakeOrigin,
                          "Pages of this origin may not connect; the operator can allow origins in "
                          "server.origins, and names of this host in server.hosts"};
  }
  return std::nullopt;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// What is not an escape stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low < 0) {
      out += text[i];
    } else {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

/// What stands before `separator`; it and the separator are taken off `text`.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

}  // namespace

void prepare_upgrades() { static_cast<void>(accept_key_for("")); }

UpgradeVerdict check_upgrade(const Request& request, const PageRules& pages, bool is_from_here,
                             std::optional<std::string_view> host) {
  auto refusal = refuse(request, pages, is_from_here, host.value_or(request[http::field::host]));
  if (refusal) return {{}, {}, *std::move(refusal)};
  DeflateAnswer deflate =
      answer_deflate_offers(all(request, http::field::sec_websocket_extensions));
  if (!deflate.is_valid) {
    return {{}, {}, bad_request("Sec-WebSocket-Extensions is not a list of extensions")};
  }
  return {accept_key_for(request[http::field::sec_websocket_key]), std::move(deflate.terms), {}};
}

std::string path_of(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  if (const std::size_t scheme = target.find("://");
      !target.starts_with('/') && scheme != std::string_view::npos) {  // as a proxy may write it
    const std::size_t path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  return percent_decoded(target);
}

std::vector<std::string> query_values_of(std::string_view target, std::string_view name) {
  std::vector<std::string> values;
  target = target.substr(0, target.find('#'));
  take_until(target, '?');
  while (!target.empty()) {
    std::string_view value = take_until(target, '&');
    if (percent_decoded(take_until(value, '=')) != name) continue;
    std::string blanks(value);
    std::ranges::replace(blanks, '+', ' ');  // as forms and Python's urlencode() write them
    values.push_back(percent_decoded(blanks));
  }
  return values;
}

std::vector<std::string> subscribe_topics_of(std::string_view target) {
  std::vector<std::string> topics;
  for (const std::string& value : query_values_of(target, "subscribe")) {
    std::string_view list = value;
    while (!list.empty()) {
      const std::string_view topic = trimmed(take_until(list, ','));
      if (!topic.empty()) topics.emplace_back(topic);
    }
  }
  return topics;
}

}  // namespace broadcast
