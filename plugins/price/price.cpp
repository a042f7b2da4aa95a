// The broadcaster `price`: its sources by type, and its manifest.

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <broadcast/words.hpp>

#include "plugins/price/database_source.hpp"
#include "plugins/price/kiwoom/kiwoom.hpp"
#include "plugins/price/price_broadcaster.hpp"
#include "plugins/price/sim_source.hpp"

// The keys of each type of source, as the manifest describes them. Each has a default.
#define PRICE_KIWOOM_KEYS                                                                                                              \
  R"("app_key":{"type":"string","default":"","description":"kiwoom: the app key, from a variable"},)"                                  \
  R"("secret_key":{"type":"string","default":"","description":"kiwoom: its secret key, from a variable"},)"                            \
  R"("mock":{"type":"boolean","default":false,"description":"kiwoom: true: the mock trading servers, with the keys below if given"},)" \
  R"("mock_app_key":{"type":"string","default":"","description":"kiwoom: instead of app_key with mock: true"},)"                       \
  R"("mock_secret_key":{"type":"string","default":"","description":"kiwoom: instead of secret_key with mock: true"},)"                 \
  R"("rest_url":{"type":"string","default":"","description":"kiwoom: https://host[:port]; empty: Kiwoom's own"},)"                     \
  R"("ws_url":{"type":"string","default":"","description":"kiwoom: wss://host[:port]/path; empty: Kiwoom's own"},)"                    \
  R"("ca":{"type":"string","default":"","description":"kiwoom: PEM file of the authorities to trust; empty: this machine's"})"
#define PRICE_DATABASE_KEYS \
  R"("url":{"type":"string","default":"","description":"database: sqlite:<file> or postgresql://user:password@host/name"})"
#define PRICE_SIM_KEYS \
  R"("seed":{"type":"integer","minimum":0,"default":1,"description":"sim: seed of the random walk"})"

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
  /// A type of source is a row of kSourceTypes, and its name in the manifest's enum.
  struct SourceType {
    std::string_view name;
    const char* keys;  ///< JSON, with the schema of each
    /// Throws std::invalid_argument, with the key.
    std::unique_ptr<PriceSource> (Price::*make)(const nlohmann::json& config,
                                                std::chrono::nanoseconds interval,
                                                SourceCalls calls);
  };
  static const std::array<SourceType, 4> kSourceTypes;

  [[nodiscard]] std::unique_ptr<PriceSource> make_source(const nlohmann::json& config,
                                                         std::chrono::nanoseconds interval,
                                                         SourceCalls calls) override {
    const auto& name = config.at("type").get_ref<const std::string&>();
    const auto* const type = std::ranges::find(kSourceTypes, name, &SourceType::name);
    try {
      if (type == kSourceTypes.end()) throw std::invalid_argument("type: is not known");
      refuse_keys_of_others(*type, config);
      return (this->*type->make)(config, interval, std::move(calls));
    } catch (const std::invalid_argument& error) {
      throw Error(BC_E_INVALID, "sources: " + name + ": " + error.what());
    }
  }

  /// The manifest has the keys of all types, and what is not given has its default here. So a key
  /// that another type alone has may be there, but must say nothing.
  static void refuse_keys_of_others(const SourceType& type, const nlohmann::json& config) {
    const nlohmann::json own = nlohmann::json::parse(type.keys);
    for (const SourceType& other : kSourceTypes) {
      const nlohmann::json keys = nlohmann::json::parse(other.keys);
      for (const auto& [key, schema] : keys.items()) {
        const auto given = config.find(key);
        const bool says_nothing = given == config.end() || *given == schema.at("default");
        if (own.contains(key) || says_nothing) continue;
        throw std::invalid_argument(key + ": " + std::string(type.name) +
                                    " has no such key, only " + types_with(key) +
                                    "; remove it, or give another type");
      }
    }
  }
  /// "kiwoom_rest, kiwoom_ws"
  static std::string types_with(const std::string& key) {
    std::vector<std::string> names;
    for (const SourceType& type : kSourceTypes) {
      if (nlohmann::json::parse(type.keys).contains(key)) names.emplace_back(type.name);
    }
    return listed(names);
  }

  std::unique_ptr<PriceSource> make_database(const nlohmann::json& config,
                                             std::chrono::nanoseconds interval, SourceCalls calls) {
    try {
      return std::make_unique<DatabaseSource>(config.at("url").get_ref<const std::string&>(),
                                              interval, std::move(calls));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(std::string("url: ") + error.what());
    }
  }
  std::unique_ptr<PriceSource> make_kiwoom(const nlohmann::json& config,
                                           std::chrono::nanoseconds interval, SourceCalls calls) {
    const SourceCalls kept = std::move(calls);  // by value, as the others of the table have it
    return make_kiwoom_source(with_its_keys(config), interval, kept, sessions_);
  }
  std::unique_ptr<PriceSource> make_sim(const nlohmann::json& config,
                                        std::chrono::nanoseconds interval, SourceCalls calls) {
    return std::make_unique<SimSource>(config.at("seed").get<std::uint64_t>(), interval,
                                       std::move(calls));
  }

  KiwoomSessions sessions_;
};

const std::array<Price::SourceType, 4> Price::kSourceTypes = {
    {{"database", "{" PRICE_DATABASE_KEYS "}", &Price::make_database},
     {"kiwoom_rest", "{" PRICE_KIWOOM_KEYS "}", &Price::make_kiwoom},
     {"kiwoom_ws", "{" PRICE_KIWOOM_KEYS "}", &Price::make_kiwoom},
     {"sim", "{" PRICE_SIM_KEYS "}", &Price::make_sim}}};

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::Price, "price", "1.0.0",
                 R"("requires":["bc.demand/1"],"demand":true,"exclusive":true,"topics":[
{"pattern":"price:{ticker}","match":"(?=.*[0-9])[0-9A-Z]{6}","delivery":"latest"},
{"pattern":"market:kospi","delivery":"latest"},{"pattern":"market:kosdaq","delivery":"latest"}],
"config":{"type":"object","additionalProperties":false,"properties":{
"interval":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"5s",
"description":"time between two requests to a source that is polled"},
"tickers":{"type":"array","items":{"type":"string","pattern":"^(?=.*[0-9])[0-9A-Z]{6}$"},
"default":["005930","000660","035420","005380","028260","000020"],
"description":"published whether anybody subscribes or not; write them in quotes"},
"indices":{"type":"array","items":{"type":"string","enum":["kospi","kosdaq"]},"default":["kospi","kosdaq"],
"description":"published whether anybody subscribes or not"},
"stale_after":{"type":"string","format":"duration","minimum":"1s","maximum":"1h","default":"30s",
"description":"in trading hours, a source that is asked for something and says nothing is unhealthy"},
"recover_after":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"10s",
"description":"a source that was unhealthy serves again after this long without a fault"},
"holidays":{"type":"array","items":{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},"default":[],
"description":"days on which the Korea Exchange does not trade, besides Saturdays and Sundays: 2026-01-01"},
"sources":{"type":"array","minItems":1,"items":{"type":"object","additionalProperties":false,"required":["type"],
"properties":{"type":{"type":"string","enum":["database","kiwoom_rest","kiwoom_ws","sim"],"description":"where prices come from"},
"enabled":{"type":"boolean","default":true,"description":"false: the source is ignored"},
)" PRICE_KIWOOM_KEYS "," PRICE_DATABASE_KEYS "," PRICE_SIM_KEYS R"(}},
"default":[{"type":"sim","seed":1}],"description":"in order of preference: the first healthy one that has a ticker serves it"}}})")
