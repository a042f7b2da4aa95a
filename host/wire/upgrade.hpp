#pragma once
// May this HTTP request become a WebSocket? The answer, and what the request's target says. Values
// in, values out: the sockets are the listener's business. Pure; [any].

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include "host/base/counters.hpp"
#include "host/wire/deflate_offer.hpp"
#include "host/wire/origin.hpp"

namespace broadcast {

struct UpgradeRefusal {
  unsigned status = 0;
  Counter reason = Counter::kHandshakeBadRequest;
  std::string text;
  std::vector<std::pair<boost::beast::http::field, std::string>> headers;
};

struct UpgradeVerdict {
  std::string accept_key;               ///< Sec-WebSocket-Accept; empty: refused
  std::optional<DeflateTerms> deflate;  ///< for the listener to take up
  UpgradeRefusal refusal;

  [[nodiscard]] bool accepted() const { return !accept_key.empty(); }
};

/// Subprotocols that the client offers are not taken up. `is_from_here`: it is from this machine.
/// `host`: the one that the client has asked for, where a trusted proxy says so; else the Host
/// header. REQUIRES: framing_fault(request) finds nothing.
[[nodiscard]] UpgradeVerdict check_upgrade(const boost::beast::http::request_header<>& request,
                                           const PageRules& pages, bool is_from_here,
                                           std::optional<std::string_view> host = std::nullopt);

/// Once, before any library of a broadcaster is loaded: OpenSSL takes the dynamic linker's lock at
/// its first use, and a client would wait as long as somebody holds that.
void prepare_upgrades();

/// The target's path, percent-decoded.
[[nodiscard]] std::string path_of(std::string_view target);
/// What every `name` of the target's query is set to, percent-decoded; a + is a blank.
[[nodiscard]] std::vector<std::string> query_values_of(std::string_view target,
                                                       std::string_view name);
/// The topics of every `subscribe` in the target's query, decoded, then split at commas, without
/// blanks around them. Empty ones are skipped; whether the others are topics is not asked here.
[[nodiscard]] std::vector<std::string> subscribe_topics_of(std::string_view target);

}  // namespace broadcast
