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

#include "plugins/price/database_source.hpp"
#include "plugins/price/sim_source.hpp"
#include "plugins/price/sources.hpp"

namespace broadcast {

namespace {
constexpr std::string_view kPricePrefix = "price:";
/// As many tickers as sources are asked for beside the configured ones (KRX lists about 2,800).
constexpr std::size_t kMaxDemanded = 2'500;
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
    std::vector<std::unique_ptr<PriceSource>> sources;
    for (const auto& source : config.at("sources")) sources.push_back(make_source(source));
    sources_.emplace(std::move(sources), calls());
  }

  void on_start() override {
    publish_all();
    every(interval_, [this] { publish_all(); });
  }

  void on_demand(std::string_view topic, std::int64_t subscribers, bool) override {
    if (!topic.starts_with(kPricePrefix)) return;  // the indices are published anyway
    std::string ticker(topic.substr(kPricePrefix.size()));
    if (configured_.contains(ticker)) return;
    if (subscribers == 0) {
      refused_.erase(ticker);
      if (demanded_.erase(ticker) > 0) {
        sources_->forget(ticker);
        serve_next_refused();
      }
    } else if (demanded_.size() >= kMaxDemanded && !demanded_.contains(ticker)) {
      refused_.insert(std::move(ticker));
    } else if (demanded_.insert(ticker).second) {
      sources_->poll({.tickers = {std::move(ticker)}, .indices = {}});
    }
    report_health();
  }

 private:
  void serve_next_refused() {
    if (refused_.empty()) return;
    const auto next = demanded_.insert(refused_.extract(refused_.begin())).position;
    sources_->poll({.tickers = {*next}, .indices = {}});
  }

  [[nodiscard]] std::unique_ptr<PriceSource> make_source(const nlohmann::json& config) {
    if (config.at("type") == "sim") {
      return std::make_unique<SimSource>(config.at("seed").get<std::uint64_t>());
    }
    try {
      return std::make_unique<DatabaseSource>(config.at("url").get_ref<const std::string&>(),
                                              [this](auto run) { return post(std::move(run)); });
    } catch (const std::invalid_argument& error) {
      throw Error(BC_E_INVALID, std::string("sources: database: url: ") + error.what());
    }
  }

  [[nodiscard]] Sources::Calls calls() {
    return {.mono_ns = [this] { return mono_ns(); },
            .after = [this](auto delay, auto run) { return after(delay, std::move(run)); },
            .cancel = [this](std::uint64_t id) { cancel(id); },
            .on_quotes = [this](const PriceSource& source,
                                const Quotes& quotes) { publish_quotes(source, quotes); },
            .on_health =
                [this](const PriceSource& source, const std::string& error) {
                  const std::string name(source.name());
                  error.empty() ? log(LogLevel::kInfo, "source " + name + ": serves again")
                                : log(LogLevel::kWarn, "source " + name + ": " + error);
                },
            .on_serving =
                [this](const PriceSource* serving, const PriceSource& preferred) {
                  serving_ = serving;
                  preferred_ = &preferred;
                  report_health();
                }};
  }

  /// Subscribers read this: no addresses, no files.
  void report_health() {
    if (preferred_ == nullptr) return;  // nothing has been asked yet
    Health health = Health::kOk;
    std::string detail;
    if (serving_ != preferred_) {
      health = serving_ == nullptr ? Health::kDown : Health::kDegraded;
      detail = std::string(preferred_->name()) + " does not answer, ";
    }
    detail += serving_ == nullptr ? "no prices" : "serving " + std::string(serving_->name());
    if (!refused_.empty()) {
      health = std::max(health, Health::kDegraded);
      detail += "; no more than " + std::to_string(kMaxDemanded) +
                " tickers can be asked for, some get no prices";
    }
    if (std::exchange(reported_, detail) != detail) report(health, detail);
  }

  void publish_all() {
    std::set<std::string> tickers = configured_;
    tickers.insert(demanded_.begin(), demanded_.end());
    sources_->poll({.tickers = {tickers.begin(), tickers.end()}, .indices = indices_});
  }

  // All topics are `latest`: publish never answers BUSY, and a revoked generation has nothing left
  // to do.
  void publish_quotes(const PriceSource& source, const Quotes& quotes) {
    for (const auto& [ticker, quote] : quotes.tickers) {
      publish(std::string(kPricePrefix) + ticker,
              price_update(ticker, quote, wall_ns(), source.name()));
    }
    for (const auto& [index, quote] : quotes.indices) {
      publish(index.topic, index_update(index, quote, wall_ns(), source.name()));
    }
  }

  std::chrono::nanoseconds interval_{};
  std::set<std::string> configured_;
  std::set<std::string> demanded_;  // and not configured
  std::set<std::string> refused_;   // in demand beyond kMaxDemanded
  std::vector<IndexName> indices_;
  const PriceSource* serving_ = nullptr;
  const PriceSource* preferred_ = nullptr;
  std::string reported_;
  std::optional<Sources> sources_;
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
"properties":{"type":{"type":"string","enum":["database","sim"],"description":"where prices come from"},
"url":{"type":"string","default":"","description":"database: sqlite:<file> or postgresql://user:password@host/name"},
"seed":{"type":"integer","minimum":0,"default":1,"description":"sim: of the random walk"}}},
"default":[{"type":"sim","seed":1}],"description":"the first one that answers serves; what it does not have is asked of the next"}}})")
