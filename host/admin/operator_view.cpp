#include "host/admin/operator_view.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/wire/upgrade.hpp"

namespace broadcast {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTopicsShown = 1000;
constexpr std::size_t kClientsShown = 20;
constexpr std::size_t kClientsAtMost = 1000;
/// Names of one client's subscriptions.
constexpr std::size_t kSubscriptionsShown = 20;
constexpr std::string_view kPricePrefix = "price:";

AdminReply reply_of(const Json& body, unsigned status = 200) {
  return {.status = status, .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

std::map<std::string, StatusBoard::View> statuses_of(const StatusBoard& board) {
  std::map<std::string, StatusBoard::View> by_name;
  for (StatusBoard::View& status : board.list()) by_name[status.broadcaster] = status;
  return by_name;
}

/// While a broadcaster does not run it is starting, or down if it has failed, whatever it reported
/// last: a failure is there a moment before its status is.
Json status_json(const std::map<std::string, StatusBoard::View>& statuses,
                 const BroadcasterView& one) {
  const auto found = statuses.find(one.name);
  if (found == statuses.end()) return {{"name", one.name}, {"state", "starting"}};
  const StatusBoard::View& status = found->second;
  Json json{{"name", one.name},
            {"state", to_string(status.state)},
            {"detail", status.detail},
            {"since", status.since}};
  const bool claims_to_serve =
      status.state == BroadcasterState::kOk || status.state == BroadcasterState::kDegraded;
  if (one.running || !claims_to_serve) return json;
  json["state"] = one.last_error.empty() ? "starting" : "down";
  if (!one.last_error.empty()) json["detail"] = one.last_error;
  return json;
}

std::string reason_of(const Json& status) {
  const std::string detail = status.value("detail", "");
  return status.at("name").get<std::string>() + ": " + status.at("state").get<std::string>() +
         (detail.empty() ? "" : ": " + detail);
}

std::optional<std::size_t> limit_of(std::string_view target, std::size_t unless_given) {
  const std::vector<std::string> given = query_values_of(target, "limit");
  if (given.empty()) return unless_given;
  std::size_t limit = 0;
  const std::string& text = given.back();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return limit;
}

Json client_json(const ClientView& client) {
  const std::size_t shown = std::min(client.subscriptions.size(), kSubscriptionsShown);
  const auto first = client.subscriptions.begin();
  return {{"address", client.address},
          {"pending_bytes", client.pending_bytes},
          {"pending_messages", client.pending_messages},
          {"held_bytes", client.held_bytes},
          {"oldest_ms", client.oldest.count()},
          {"subscriptions", client.subscriptions.size()},
          {"topics", std::vector(first, first + static_cast<std::ptrdiff_t>(shown))}};
}

Json counts_json(const Counters::Values& counts) {
  const auto count = [&](Counter counter) { return counts[static_cast<std::size_t>(counter)]; };
  return {{"published", count(Counter::kMessagesPublished)},
          {"publish_busy", count(Counter::kPublishBusy)},
          {"publish_invalid", count(Counter::kPublishInvalid)},
          {"publish_denied", count(Counter::kPublishDenied)},
          {"publish_topics", count(Counter::kPublishFull)},
          {"producer_accepted", count(Counter::kProducerAccepted)},
          {"producer_refused", count(Counter::kProducerRefused)},
          {"producer_unavailable", count(Counter::kProducerUnavailable)},
          {"exceptions", count(Counter::kPluginExceptions)},
          {"errors", count(Counter::kPluginErrors)},
          {"restarts", count(Counter::kPluginRestarts)}};
}

Json broadcaster_json(const BroadcasterView& one, Json json) {
  if (!one.refusal.empty()) json["detail"] = one.refusal;
  json["enabled"] = one.enabled;
  json["running"] = one.running;
  json["quarantined"] = Json::array();
  for (const auto& left : one.quarantined) {
    json["quarantined"].push_back({{"generation", left.generation},
                                   {"version", left.version},
                                   {"since", left.since},
                                   {"why", left.why}});
  }
  if (one.library.empty()) return json;  // switched off, or refused
  json["version"] = one.version;
  json["abi"] = one.abi;
  json["library"] = one.library;
  json["topics"] = one.topics;
  json["generation"] = one.generation;
  json["uptime_seconds"] = std::chrono::duration<double>(one.uptime).count();
  json["last_error"] = one.last_error.empty()
                           ? Json(nullptr)
                           : Json{{"message", one.last_error}, {"at", one.last_error_at}};
  json["counters"] = counts_json(one.counts);
  return json;
}

}  // namespace

AdminReply livez() { return reply_of({{"status", "alive"}}); }

AdminReply readyz(const HostView& host) {
  const auto statuses = statuses_of(host.statuses);
  bool is_ready = true;
  bool is_degraded = false;
  Json broadcasters = Json::array();
  Json reasons = Json::array();
  for (const BroadcasterView& one : host.broadcasters.broadcasters()) {
    Json status = status_json(statuses, one);
    const auto state = status.at("state").get<std::string>();
    const bool serves = one.running && state != "down" && state != "stale";
    const bool counts = one.enabled;
    if (counts && (!serves || state != "ok")) reasons.push_back(reason_of(status));
    is_ready &= serves || !counts;
    is_degraded |= counts && state != "ok";
    broadcasters.push_back(std::move(status));
  }
  if (host.is_stopping && host.is_stopping()) {
    reasons.push_back("the host is stopping");
    is_ready = false;
  }
  const char* const word = !is_ready ? "not_ready" : is_degraded ? "degraded" : "ready";
  return reply_of({{"status", word},
                   {"reasons", std::move(reasons)},
                   {"broadcasters", std::move(broadcasters)}},
                  is_ready ? 200 : 503);
}

AdminReply topics_reply(const HostView& host, std::string_view target) {
  const std::optional<std::size_t> limit = limit_of(target, kTopicsShown);
  if (!limit) return admin_error(400, "bad_request", "\"limit\" must be a number");
  const std::vector<std::string> prefixes = query_values_of(target, "prefix");
  const std::string prefix = prefixes.empty() ? "" : prefixes.back();
  std::vector<TopicTable::View> topics = host.topics.list();
  std::erase_if(topics, [&](const auto& topic) { return !topic.name.starts_with(prefix); });
  std::ranges::sort(topics, {}, &TopicTable::View::name);
  Json list = Json::array();
  for (std::size_t i = 0; i < std::min(*limit, topics.size()); ++i) {
    const TopicTable::View& topic = topics[i];
    list.push_back({{"topic", topic.name},
                    {"owner", topic.owner.empty() ? Json(nullptr) : Json(topic.owner)},
                    {"delivery", to_string(topic.delivery)},
                    {"epoch", topic.epoch},
                    {"seq", topic.seq},
                    {"subscribers", topic.subscribers}});
  }
  return reply_of({{"total", topics.size()}, {"topics", std::move(list)}});
}

AdminReply broadcasters_reply(const HostView& host) {
  const auto statuses = statuses_of(host.statuses);
  Json list = Json::array();
  for (const BroadcasterView& one : host.broadcasters.broadcasters()) {
    list.push_back(broadcaster_json(one, status_json(statuses, one)));
  }
  return reply_of({{"broadcasters", std::move(list)}});
}

void clients_reply(const HostView& host, std::string_view target,
                   std::function<void(AdminReply)> done) {
  const std::optional<std::size_t> limit = limit_of(target, kClientsShown);
  if (!limit || *limit > kClientsAtMost) {
    return done(admin_error(400, "bad_request", "\"limit\" must be a number up to 1000"));
  }
  const std::vector<std::string> sort = query_values_of(target, "sort");
  if (!sort.empty() && sort.back() != "pending") {
    return done(admin_error(400, "bad_request", "\"sort\" can only be pending"));
  }
  host.census.ask_slowest(*limit, [done = std::move(done), total = host.clients.client_count()](
                                      const std::vector<ClientView>& clients) {
    Json list = Json::array();
    for (const ClientView& client : clients) list.push_back(client_json(client));
    done(reply_of({{"total", total}, {"clients", std::move(list)}}));
  });
}

AdminReply stats_reply(const HostView& host) {
  std::map<std::string, std::size_t> subscriptions;
  Json tickers = Json::array();
  for (const TopicTable::View& topic : host.topics.list()) {
    if (topic.subscribers > 0) subscriptions[topic.name] = topic.subscribers;
  }
  for (const auto& [topic, count] : subscriptions) {
    if (topic.starts_with(kPricePrefix)) tickers.push_back(topic.substr(kPricePrefix.size()));
  }
  bool price = false;
  bool heartbeat = false;
  bool signals = false;
  for (const BroadcasterView& one : host.broadcasters.broadcasters()) {
    price |= one.running && one.name == "price";
    heartbeat |= one.running && one.name == "heartbeat";
    signals |= one.running && one.name.ends_with("_signal");
  }
  return reply_of({{"active_connections", host.clients.client_count()},
                   {"subscriptions", subscriptions},
                   {"active_tickers", std::move(tickers)},
                   {"broadcaster_running", price},
                   {"heartbeat_running", heartbeat},
                   {"signal_broadcaster_running", signals}});
}

}  // namespace broadcast
