// The broadcaster `price`: its sources by type, and its manifest.

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "plugins/price/database_source.hpp"
#include "plugins/price/kiwoom/kiwoom.hpp"
#include "plugins/price/price_broadcaster.hpp"
#include "plugins/price/sim_source.hpp"

namespace broadcast {

namespace {

/// With `mock`, the keys of mock trading in the place of the others.
nlohmann::json with_its_keys(nlohmann::json config) {
  if (!config.at("mock").get<bool>()) return config;
  for (const std::string key : {"app_key", "secret_key"}) {
    const auto mock = config.at("mock_" + key).get<std::string>();
    if (!mock.empty()) config[key] = mock;
  }
  return config;
}

}  // namespace

class Price final : public PriceBroadcaster {
 public:
  using PriceBroadcaster::PriceBroadcaster;

 private:
  [[nodiscard]] std::unique_ptr<PriceSource> make_source(const nlohmann::json& config,
                                                         std::chrono::nanoseconds interval,
                                                         SourceCalls calls) override {
    if (config.at("type") == "sim") {
      return std::make_unique<SimSource>(config.at("seed").get<std::uint64_t>(), interval,
                                         std::move(calls));
    }
    const std::string type = config.at("type");
    try {
      if (type.starts_with("kiwoom_")) {
        return make_kiwoom_source(with_its_keys(config), interval, calls, sessions_);
      }
      return std::make_unique<DatabaseSource>(config.at("url").get_ref<const std::string&>(),
                                              interval, std::move(calls));
    } catch (const std::invalid_argument& error) {
      const std::string key = type == "database" ? "url: " : "";
      throw Error(BC_E_INVALID, "sources: " + type + ": " + key + error.what());
    }
  }

  KiwoomSessions sessions_;
};

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::Price, "price", "1.0.0",
                 R"("requires":["bc.demand/1"],"demand":true,"exclusive":true,"topics":[
{"pattern":"price:{ticker}","match":"(?=.*[0-9])[0-9A-Z]{6}","delivery":"latest"},
{"pattern":"market:kospi","delivery":"latest"},{"pattern":"market:kosdaq","delivery":"latest"}],
"config":{"type":"object","additionalProperties":false,"properties":{
"interval":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"5s",
"description":"between two questions to a source that has to be asked"},
"tickers":{"type":"array","items":{"type":"string","pattern":"^(?=.*[0-9])[0-9A-Z]{6}$"},
"default":["005930","000660","035420","005380","028260","000020"],
"description":"published whether anybody subscribes or not; write them in quotes"},
"indices":{"type":"array","items":{"type":"string","enum":["kospi","kosdaq"]},"default":["kospi","kosdaq"],
"description":"published whether anybody subscribes or not"},
"stale_after":{"type":"string","format":"duration","minimum":"1s","maximum":"1h","default":"30s",
"description":"in trading hours, a source that is asked for something and says nothing is unhealthy"},
"recover_after":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"10s",
"description":"a source that was unhealthy serves again after so long without a fault"},
"holidays":{"type":"array","items":{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},"default":[],
"description":"days on which the Korea Exchange does not trade, beside Saturdays and Sundays: 2026-01-01"},
"sources":{"type":"array","minItems":1,"items":{"type":"object","additionalProperties":false,"required":["type"],
"properties":{"type":{"type":"string","enum":["database","kiwoom_rest","kiwoom_ws","sim"],"description":"where prices come from"},
"enabled":{"type":"boolean","default":true,"description":"false: as if it were not there"},
"app_key":{"type":"string","default":"","description":"kiwoom: the app key, out of a variable"},
"secret_key":{"type":"string","default":"","description":"kiwoom: its secret key, out of a variable"},
"mock":{"type":"boolean","default":false,"description":"kiwoom: the hosts of mock trading, and its keys where they are given"},
"mock_app_key":{"type":"string","default":"","description":"kiwoom: instead of app_key with mock: true"},
"mock_secret_key":{"type":"string","default":"","description":"kiwoom: instead of secret_key with mock: true"},
"rest_url":{"type":"string","default":"","description":"kiwoom: https://host[:port]; empty: Kiwoom's own"},
"ws_url":{"type":"string","default":"","description":"kiwoom: wss://host[:port]/path; empty: Kiwoom's own"},
"ca":{"type":"string","default":"","description":"kiwoom: PEM file of the authorities to trust; empty: this machine's"},
"url":{"type":"string","default":"","description":"database: sqlite:<file> or postgresql://user:password@host/name"},
"seed":{"type":"integer","minimum":0,"default":1,"description":"sim: of the random walk"}}},
"default":[{"type":"sim","seed":1}],"description":"in order: the first healthy one that has a ticker serves it"}}})")
