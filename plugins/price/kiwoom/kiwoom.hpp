#pragma once
// From the YAML to the sources `kiwoom_ws` and `kiwoom_rest`. [plugin]

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "plugins/price/source.hpp"

namespace broadcast {

class KiwoomSession;

/// One a key, because the server counts by the key. They live as long as their sources.
using KiwoomSessions = std::map<std::string, std::shared_ptr<KiwoomSession>>;

/// `config`: an entry of `sources:` with all of its keys: type, app_key, secret_key, mock,
/// rest_url, ws_url, ca. `interval`: of kiwoom_rest. Throws std::invalid_argument that names the
/// key; it holds no secret.
[[nodiscard]] std::unique_ptr<PriceSource> make_kiwoom_source(const nlohmann::json& config,
                                                              std::chrono::nanoseconds interval,
                                                              const SourceCalls& calls,
                                                              KiwoomSessions& sessions);

}  // namespace broadcast
