#pragma once
// The price broadcaster with sources that do what the test says. Linked into the test, on FakeHost.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <broadcast/testing.hpp>

#include "plugins/price/database_source.hpp"
#include "plugins/price/polled_source.hpp"
#include "plugins/price/price_broadcaster.hpp"

namespace broadcast {

/// Delivers what it is told to, when it is told to.
class ScriptedSource final : public PriceSource {
 public:
  explicit ScriptedSource(std::string name) : name_(std::move(name)) { all()[name_] = this; }
  /// One that has replaced it has its name.
  ~ScriptedSource() override {
    const auto found = all().find(name_);
    if (found != all().end() && found->second == this) all().erase(found);
  }
  ScriptedSource(const ScriptedSource&) = delete;
  ScriptedSource& operator=(const ScriptedSource&) = delete;
  [[nodiscard]] static ScriptedSource& named(const std::string& name) { return *all().at(name); }

  [[nodiscard]] std::string_view name() const override { return name_; }
  void start(Events events) override { events_ = std::move(events); }
  void want(const Wanted& wanted) override { wanted_ = wanted; }

  [[nodiscard]] const Wanted& wanted() const { return wanted_; }
  [[nodiscard]] const Events& tell() const { return events_; }
  void quote(const std::string& ticker, std::int64_t price, std::int64_t source_ns = 0) {
    Quotes quotes;
    quotes.tickers.push_back(
        {ticker, {.price = price, .bid_price = price, .ask_price = price}, {.ns = source_ns}});
    events_.on_quotes(quotes);
  }
  void index(const IndexName& name, double points) {
    Quotes quotes;
    quotes.indices.push_back({name, {.index = points, .volume = std::nullopt}});
    events_.on_quotes(quotes);
  }

 private:
  [[nodiscard]] static std::map<std::string, ScriptedSource*>& all() {
    static std::map<std::string, ScriptedSource*> sources;
    return sources;
  }
  const std::string name_;
  Events events_;
  Wanted wanted_;
};

/// A database that answers at once, with the same prices all day.
class ConstantSource final : public PolledSource {
 public:
  using PolledSource::PolledSource;
  [[nodiscard]] std::string_view name() const override { return "database"; }

 private:
  void ask(const Wanted& wanted) override {
    Quotes quotes;
    for (const std::string& ticker : wanted.tickers)
      quotes.tickers.push_back({ticker, {.price = 1'000}});
    for (const IndexName& index : wanted.indices)
      quotes.indices.push_back({index, {.index = 1'000}});
    events().on_link("");
    events().on_quotes(quotes);
  }
};

/// A database whose newest rows are of `day`, and below the live prices of these tests.
class DailySource final : public PolledSource {
 public:
  DailySource(KoreanDay day, std::chrono::nanoseconds interval, SourceCalls calls)
      : PolledSource(interval, std::move(calls)), day_(day) {}
  [[nodiscard]] std::string_view name() const override { return "database"; }

 private:
  void ask(const Wanted& wanted) override {
    Quotes quotes;
    for (const std::string& ticker : wanted.tickers)
      quotes.tickers.push_back({ticker, {.price = 21'000, .change = -500}, {.day = day_}});
    for (const IndexName& index : wanted.indices)
      quotes.indices.push_back({index, {.index = 2'500}, {.day = day_}});
    quotes.newest = {.prices = day_, .indices = day_};
    events().on_link("");
    events().on_quotes(quotes);
  }
  const KoreanDay day_;
};

class ScriptedPrice final : public PriceBroadcaster {
 public:
  static constexpr std::size_t kMostTickers = 10;

  explicit ScriptedPrice(const bc_host* host) : PriceBroadcaster(host, kMostTickers) {}

  [[nodiscard]] static const bc_entry& entry() {
    static const bc_entry kEntry = {
        BC_MAGIC,
        sizeof(bc_entry),
        BC_ABI_MAJOR,
        0,
        R"({"name":"price","version":"1.0.0","abi":[1,0],"demand":true,"topics":[
{"pattern":"price:{ticker}","delivery":"latest"},{"pattern":"market:kospi","delivery":"latest"}],
"config":{"properties":{"interval":{"default":"5s"},"tickers":{"default":["000660","005930"]},
"indices":{"default":["kospi"]},"stale_after":{"default":"30s"},"recover_after":{"default":"10s"},
"holidays":{"default":[]},"sources":{"items":{"properties":{"enabled":{"default":true}}},
"default":[{"type":"kiwoom_ws"},{"type":"database"}]}}}})",
        &PluginGlue::create<ScriptedPrice>,
        &PluginGlue::handle,
        &PluginGlue::destroy};
    return kEntry;
  }

 private:
  [[nodiscard]] std::unique_ptr<PriceSource> make_source(const nlohmann::json& config,
                                                         std::chrono::nanoseconds interval,
                                                         SourceCalls calls) override {
    const auto& type = config.at("type").get_ref<const std::string&>();
    if (type == "daily") {
      const auto day = parse_day(config.at("day").get_ref<const std::string&>());
      return std::make_unique<DailySource>(*day, interval, std::move(calls));
    }
    if (type == "sqlite") {
      return std::make_unique<DatabaseSource>(config.at("url").get<std::string>(), interval,
                                              std::move(calls));
    }
    if (type == "database") return std::make_unique<ConstantSource>(interval, std::move(calls));
    return std::make_unique<ScriptedSource>(type);
  }
};

}  // namespace broadcast
