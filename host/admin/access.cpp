#include "host/admin/access.hpp"

#include <algorithm>

#include <boost/beast/core/string.hpp>
#include <nlohmann/json.hpp>
#include <openssl/crypto.h>

namespace broadcast {

namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kPublishScope = "publish:";

bool same_secret(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

bool may_publish(std::string_view scope, std::string_view topic) {
  if (scope == "admin" || scope == "publish") return true;
  if (!scope.starts_with(kPublishScope)) return false;
  scope.remove_prefix(kPublishScope.size());
  if (!scope.ends_with('*')) return scope == topic;
  scope.remove_suffix(1);
  return topic.starts_with(scope);
}

template <class Allows>
std::optional<AdminReply> refuse(std::span<const AdminToken> tokens, std::string_view authorization,
                                 Allows allows, const std::string& otherwise) {
  if (tokens.empty()) return std::nullopt;
  if (!boost::beast::iequals(authorization.substr(0, kBearer.size()), kBearer)) {
    return admin_error(401, "unauthorized", "Send \"Authorization: Bearer <token>\"");
  }
  authorization.remove_prefix(kBearer.size());
  const auto token = std::ranges::find_if(
      tokens, [&](const AdminToken& known) { return same_secret(known.token, authorization); });
  if (token == tokens.end()) {
    AdminReply reply = admin_error(401, "unauthorized", "The token is not known");
    reply.is_to_a_guess = true;
    return reply;
  }
  if (std::ranges::any_of(token->scopes, allows)) return std::nullopt;
  return admin_error(403, "forbidden", otherwise + " (admin.tokens)");
}

}  // namespace

AdminReply admin_error(unsigned status, std::string_view code, std::string_view message) {
  const nlohmann::ordered_json body{{"error", code}, {"message", message}};
  return {.status = status,
          .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

std::optional<AdminReply> refuse_publish(std::span<const AdminToken> tokens,
                                         std::string_view authorization, std::string_view topic) {
  return refuse(
      tokens, authorization, [&](const std::string& scope) { return may_publish(scope, topic); },
      "The token may not publish here; its scopes need \"publish\" or \"publish:" +
          std::string(topic) + "\"");
}

std::optional<AdminReply> refuse_read(std::span<const AdminToken> tokens,
                                      std::string_view authorization) {
  return refuse(
      tokens, authorization,
      [](const std::string& scope) { return scope == "admin" || scope == "read"; },
      "The token may not read this; its scopes need \"read\" or \"admin\"");
}

std::optional<AdminReply> refuse_operate(std::span<const AdminToken> tokens,
                                         std::string_view authorization) {
  return refuse(
      tokens, authorization, [](const std::string& scope) { return scope == "admin"; },
      "The token may not change this; its scopes need \"admin\"");
}

bool names_this_machine(std::string_view host_header, const boost::asio::ip::address& listen) {
  if (host_header.empty()) return true;
  const bool is_bracketed = host_header.starts_with('[');
  std::string_view name = host_header.substr(is_bracketed ? 1 : 0);
  name = name.substr(0, name.find(is_bracketed ? ']' : ':'));
  if (boost::beast::iequals(name, "localhost")) return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(name), error);
  return !error && (address.is_loopback() || address == listen);
}

}  // namespace broadcast
