// price:{ticker}, market:kospi, market:kosdaq: every interval the configured tickers, every ticker
// that somebody subscribes to, and the indices; a ticker that gets its first subscriber is
// published at once.

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>

#include "plugins/price/sim_source.hpp"

namespace broadcast {

namespace {
constexpr std::string_view kPricePrefix = "price:";
/// As many tickers as sources are asked for beside the configured ones (KRX lists about 2,800).
constexpr std::size_t kMaxDemanded = 2'500;

std::unique_ptr<PriceSource> make_source(const nlohmann::json& config) {
  return std::make_unique<SimSource>(config.at("seed").get<std::uint64_t>());
}
}  // namespace

class Price : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    const auto config = nlohmann::json::parse(json);
    interval_ = *parse_duration(config.at("interval").get_ref<const std::string&>());
    for (const auto& ticker : config.at("tickers")) configured_.insert(ticker.get<std::string>());
    const auto& wanted = config.at("indices");
    for (const IndexName& index : kIndices) {
      if (std::ranges::find(wanted, index.key) != wanted.end()) indices_.push_back(index);
    }
    source_ = make_source(config.at("sources").front());
  }

  void on_start() override {
    publish_all();
    every(interval_, [this] { publish_all(); });
    report_health();
  }

  void on_demand(std::string_view topic, std::int64_t subscribers, bool) override {
    if (!topic.starts_with(kPricePrefix)) return;  // the indices are published anyway
    std::string ticker(topic.substr(kPricePrefix.size()));
    if (configured_.contains(ticker)) return;
    if (subscribers == 0) {
      refused_.erase(ticker);
      if (demanded_.erase(ticker) > 0) {
        source_->forget(ticker);
        serve_next_refused();
      }
    } else if (demanded_.size() >= kMaxDemanded && !demanded_.contains(ticker)) {
      refused_.insert(std::move(ticker));
    } else if (demanded_.insert(ticker).second) {
      publish_quotes({.tickers = {std::move(ticker)}});
    }
    report_health();
  }

 private:
  void serve_next_refused() {
    if (refused_.empty()) return;
    const auto next = demanded_.insert(refused_.extract(refused_.begin())).position;
    publish_quotes({.tickers = {*next}});
  }

  void report_health() {
    const bool full = !refused_.empty();
    if (std::exchange(reported_full_, full) == full) return;
    const std::string serving = "serving " + std::string(source_->name());
    full ? report(Health::kDegraded, serving + "; no more than " + std::to_string(kMaxDemanded) +
                                         " tickers can be asked for, some get no prices")
         : report(Health::kOk, serving);
  }

  void publish_all() {
    std::set<std::string> tickers = configured_;
    tickers.insert(demanded_.begin(), demanded_.end());
    publish_quotes({.tickers = {tickers.begin(), tickers.end()}, .indices = indices_});
  }

  // All topics are `latest`: publish never answers BUSY, and a revoked generation has nothing left
  // to do.
  void publish_quotes(const Wanted& wanted) {
    const Quotes quotes = source_->poll(wanted);
    for (const auto& [ticker, quote] : quotes.tickers) {
      publish(std::string(kPricePrefix) + ticker,
              price_update(ticker, quote, wall_ns(), source_->name()));
    }
    for (const auto& [index, quote] : quotes.indices) {
      publish(index.topic, index_update(index, quote, wall_ns(), source_->name()));
    }
  }

  std::chrono::nanoseconds interval_{};
  std::set<std::string> configured_;
  std::set<std::string> demanded_;  // and not configured
  std::set<std::string> refused_;   // in demand beyond kMaxDemanded
  std::optional<bool> reported_full_;
  std::vector<IndexName> indices_;
  std::unique_ptr<PriceSource> source_;
};

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::Price, "price", "1.0.0",
                 R"("requires":["bc.demand/1"],"demand":true,"topics":[
{"pattern":"price:{ticker}","match":"(?=.*[0-9])[0-9A-Z]{6}","delivery":"latest"},
{"pattern":"market:kospi","delivery":"latest"},{"pattern":"market:kosdaq","delivery":"latest"}],
"config":{"type":"object","additionalProperties":false,"properties":{
"interval":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"5s",
"description":"between two rounds of prices"},
"tickers":{"type":"array","items":{"type":"string","pattern":"^(?=.*[0-9])[0-9A-Z]{6}$"},
"default":["005930","000660","035420","005380","028260","000020"],
"description":"published whether anybody subscribes or not; write them in quotes"},
"indices":{"type":"array","items":{"type":"string","enum":["kospi","kosdaq"]},"default":["kospi","kosdaq"],
"description":"published every interval"},
"sources":{"type":"array","minItems":1,"items":{"type":"object","additionalProperties":false,"required":["type"],
"properties":{"type":{"type":"string","enum":["sim"],"description":"where prices come from"},
"seed":{"type":"integer","minimum":0,"default":1,"description":"of the random walk"}}},
"default":[{"type":"sim","seed":1}],"description":"the first one serves"}}})")
