#include "plugins/price/price_broadcaster.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace broadcast {

namespace {

constexpr std::string_view kPricePrefix = "price:";
constexpr std::chrono::seconds kTick{1};

std::chrono::nanoseconds duration_of(const nlohmann::json& config, const char* key) {
  return *parse_duration(config.at(key).get_ref<const std::string&>());
}

TradingHours trading_hours(const nlohmann::json& holidays) {
  std::set<std::chrono::sys_days> days;
  for (std::size_t i = 0; i < holidays.size(); ++i) {
    const auto& text = holidays[i].get_ref<const std::string&>();
    const auto day = TradingHours::parse_date(text);
    if (!day) {
      throw Error(BC_E_INVALID, "holidays[" + std::to_string(i) + "]: there is no day \"" + text +
                                    "\"; write it as 2026-01-01");
    }
    days.insert(*day);
  }
  return TradingHours(std::move(days));
}

}  // namespace

void PriceBroadcaster::on_config(std::string_view json) {
  const auto config = nlohmann::json::parse(json);
  const std::chrono::nanoseconds interval = duration_of(config, "interval");
  std::vector<Failover::Source> names;
  for (const auto& source : config.at("sources")) {
    if (!source.at("enabled").get<bool>()) continue;
    sources_.push_back(make_source(source, interval, source_calls()));
    names.push_back({.name = std::string(sources_.back()->name()),
                     .has_indices = sources_.back()->has_indices(),
                     .period = sources_.back()->period()});
  }
  if (sources_.empty()) throw Error(BC_E_INVALID, "sources: none is enabled; enable one");
  faults_.resize(sources_.size());
  failover_.emplace(std::move(names),
                    Failover::Options{.stale_after = duration_of(config, "stale_after"),
                                      .recover_after = duration_of(config, "recover_after"),
                                      .hours = trading_hours(config.at("holidays"))});
  demand_.configure(config.at("tickers").get<std::set<std::string>>());
  for (const std::string& ticker : demand_.configured()) failover_->want(ticker);
  for (const IndexName& index : kIndices) {
    const auto& wanted = config.at("indices");
    if (std::ranges::find(wanted, index.key) != wanted.end()) failover_->want(index);
  }
}

void PriceBroadcaster::on_start() {
  define_metrics();
  for (std::size_t at = 0; at < sources_.size(); ++at) sources_[at]->start(events_of(at));
  settle();
  every(kTick, [this] { settle(); });
}

void PriceBroadcaster::on_demand(std::string_view topic, std::int64_t subscribers,
                                 bool /*replay*/) {
  if (!topic.starts_with(kPricePrefix)) return;  // the indices are published anyway
  const auto change =
      demand_.on_demand(std::string(topic.substr(kPricePrefix.size())), subscribers > 0);
  if (!change.given_up.empty()) failover_->forget(change.given_up);
  if (!change.wanted.empty()) failover_->want(change.wanted);
  settle_soon();
}

void PriceBroadcaster::define_metrics() {
  for (std::size_t i = 0; i < kRefusals.size(); ++i) {
    refused_[i] = define_metric(MetricKind::kCounter, kRefusals[i].metric, kRefusals[i].help);
  }
  serving_ = define_metric(MetricKind::kGauge, "serving_source",
                           "The best source that serves: 0 is the first of those enabled, -1 none");
  changes_ = define_metric(MetricKind::kCounter, "source_changes",
                           "How often it has changed which sources serve");
}

SourceCalls PriceBroadcaster::source_calls() {
  return {.mono_ns = [this] { return mono_ns(); },
          .wall_ns = [this] { return wall_ns(); },
          .after = [this](auto delay, auto run) { return after(delay, std::move(run)); },
          .cancel = [this](std::uint64_t id) { cancel(id); },
          .post = [this](auto run) { return post(std::move(run)); },
          .log = [this](LogLevel level, std::string_view text) { log(level, text); }};
}

PriceSource::Events PriceBroadcaster::events_of(std::size_t at) {
  return {.on_quotes = [this, at](const Quotes& quotes) { on_quotes(at, quotes); },
          .on_link = [this, at](const std::string& error) { on_link(at, error); },
          .on_refused = [this](Refusal refusal, std::size_t count) { refuse(refusal, count); }};
}

void PriceBroadcaster::on_link(std::size_t at, const std::string& error) {
  if (faults_[at].is_news(error, mono_ns())) {
    const std::string name(sources_[at]->name());
    error.empty() ? log(LogLevel::kInfo, "source " + name + ": answers again")
                  : log(LogLevel::kWarn, "source " + name + ": " + error);
  }
  if (failover_->on_link(at, error.empty(), now())) settle_soon();
}

// All topics are `latest`: publish never answers BUSY, and a revoked generation has nothing left to
// do.
void PriceBroadcaster::on_quotes(std::size_t at, const Quotes& quotes) {
  const std::string_view source = sources_[at]->name();
  for (const TickerQuote& one : quotes.tickers) {
    if (!takes(at, one.ticker, refusal_of(one.quote), one.source_ns)) continue;
    publish(std::string(kPricePrefix) + one.ticker,
            price_update(one.ticker, one.quote, wall_ns(), source), one.source_ns);
  }
  for (const IndexUpdate& one : quotes.indices) {
    if (!takes(at, one.index.key, refusal_of(one.quote), one.source_ns)) continue;
    publish(one.index.topic, index_update(one.index, one.quote, wall_ns(), source), one.source_ns);
  }
  if (quotes.tickers.empty() && quotes.indices.empty()) failover_->on_data(at, now());
  if (!reported_ || reported_->serving.empty()) settle_soon();
}

bool PriceBroadcaster::takes(std::size_t at, std::string_view key, std::optional<Refusal> refusal,
                             std::int64_t source_ns) {
  if (refusal) {
    refuse(*refusal, 1);
    return false;
  }
  const Failover::Verdict verdict = failover_->on_quote(at, key, source_ns, now());
  if (verdict == Failover::Verdict::kOlder) refuse(Refusal::kOlder, 1);
  return verdict == Failover::Verdict::kServes;
}

void PriceBroadcaster::refuse(Refusal refusal, std::size_t count) {
  refused_.at(static_cast<std::size_t>(refusal)).record(static_cast<double>(count));
}

/// With what else waits for this thread: a page that subscribes to a thousand tickers is one
/// change.
void PriceBroadcaster::settle_soon() {
  if (is_settling_) return;
  is_settling_ = true;
  if (!post([this] { settle(); })) settle();
}

void PriceBroadcaster::settle() {
  is_settling_ = false;
  failover_->on_time(now());
  // Best first: what one delivers at once is not asked of the next.
  for (std::size_t at = 0; at < sources_.size(); ++at) {
    sources_[at]->want(failover_->take_wanted(at, now()));
  }
  report_standing();
}

void PriceBroadcaster::report_standing() {
  const Failover::Standing standing = failover_->standing();
  if (!reported_ && failover_->is_beginning()) return;
  std::string detail = failover_->detail(standing);
  if (demand_.is_over()) {
    detail += "; no more than " + std::to_string(demand_.most()) +
              " tickers can be asked for, some get no prices";
  }
  if (reported_ == standing && reported_detail_ == detail) return moved_ns_.reset();
  if (reported_ && !is_urgent(standing)) {
    if (!moved_ns_) moved_ns_ = mono_ns();
    if (mono_ns() - *moved_ns_ < std::chrono::nanoseconds(kSettle).count()) return;
  }
  moved_ns_.reset();
  if (reported_ && reported_->serving != standing.serving) changes_.record(1);
  serving_.record(standing.serving.empty() ? -1 : static_cast<double>(standing.serving.front()));
  reported_ = standing;
  reported_detail_ = detail;
  report(demand_.is_over() ? std::max(standing.health, Health::kDegraded) : standing.health,
         detail);
}

/// What gets worse is told at once, and whether there are prices at all. What gets better, or only
/// moves from one source to another with the tickers that are subscribed to, once it lasts.
bool PriceBroadcaster::is_urgent(const Failover::Standing& standing) const {
  if (standing.health != reported_->health) return standing.health > reported_->health;
  return standing.serving == reported_->serving ||
         standing.serving.empty() != reported_->serving.empty();
}

}  // namespace broadcast
