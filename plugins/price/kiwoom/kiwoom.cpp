#include "plugins/price/kiwoom/kiwoom.hpp"

#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

#include "plugins/price/kiwoom/kiwoom_rest_source.hpp"
#include "plugins/price/kiwoom/kiwoom_session.hpp"
#include "plugins/price/kiwoom/kiwoom_ws_source.hpp"

namespace broadcast {

namespace {

KiwoomOptions options_of(const nlohmann::json& config) {
  const std::string host = config.value("mock", false) ? "mockapi.kiwoom.com" : "api.kiwoom.com";
  KiwoomOptions options{.app_key = config.value("app_key", ""),
                        .secret_key = config.value("secret_key", ""),
                        .rest_url = config.value("rest_url", ""),
                        .ws_url = config.value("ws_url", ""),
                        .ca = config.value("ca", "")};
  if (options.rest_url.empty()) options.rest_url = "https://" + host;
  if (options.ws_url.empty()) {
    options.ws_url = "wss://" + host + ":10000/api/dostk/websocket";
  }
  return options;
}

std::shared_ptr<KiwoomSession> session_of(KiwoomOptions options, const SourceCalls& calls,
                                          KiwoomSessions& sessions) {
  const auto found = sessions.find(options.app_key);
  if (found == sessions.end()) {
    const std::string key = options.app_key;
    auto made = std::make_shared<KiwoomSession>(std::move(options), calls);
    return sessions.emplace(key, std::move(made)).first->second;
  }
  const KiwoomOptions& first = found->second->options();
  if (first.secret_key != options.secret_key || first.rest_url != options.rest_url ||
      first.ws_url != options.ws_url || first.ca != options.ca) {
    throw std::invalid_argument(
        "app_key: two sources with the same key share one session; give them the same secret_key, "
        "mock, rest_url, ws_url and ca");
  }
  return found->second;
}

}  // namespace

std::unique_ptr<PriceSource> make_kiwoom_source(const nlohmann::json& config,
                                                std::chrono::nanoseconds interval,
                                                const SourceCalls& calls,
                                                KiwoomSessions& sessions) {
  auto session = session_of(options_of(config), calls, sessions);
  if (config.at("type") == "kiwoom_rest") {
    return std::make_unique<KiwoomRestSource>(interval, std::move(session));
  }
  return std::make_unique<KiwoomWsSource>(std::move(session));
}

}  // namespace broadcast
