#include "plugins/price/price_broadcaster.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <broadcast/config.hpp>

#include "plugins/database/holidays.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kPricePrefix = "price:";
constexpr std::chrono::seconds kTick{1};

bool is_same_serving(const Failover::Standing& one, const Failover::Standing& other) {
  return one.serving == other.serving && one.is_last_standing == other.is_last_standing;
}

std::string iso_second(std::int64_t wall_ns) { return iso_timestamp(wall_ns).substr(0, 19) + "Z"; }

}  // namespace

void PriceBroadcaster::on_config(std::string_view json) {
  const Config config(json);
  const std::chrono::nanoseconds interval = config.duration("interval");
  std::vector<Failover::Source> names;
  for (const auto& source : config.get<std::vector<nlohmann::json>>("sources")) {
    if (!source.at("enabled").get<bool>()) continue;
    sources_.push_back(make_source(source, interval, source_calls()));
    names.push_back({.name = std::string(sources_.back()->name()),
                     .has_indices = sources_.back()->has_indices(),
                     .period = sources_.back()->period(),
                     .is_simulated = sources_.back()->is_simulated()});
  }
  if (sources_.empty()) throw Error(BC_E_INVALID, "sources: none is enabled; enable one");
  faults_.resize(sources_.size());
  lacks_.resize(sources_.size());
  lack_faults_.resize(sources_.size());
  kept_.resize(sources_.size());
  failover_.emplace(
      std::move(names),
      Failover::Options{
          .stale_after = config.duration("stale_after"),
          .recover_after = config.duration("recover_after"),
          .hours = TradingHours(parse_holidays(config.get<std::vector<std::string>>("holidays")))});
  demand_.configure(config.get<std::set<std::string>>("tickers"));
  for (const std::string& ticker : demand_.configured()) {
    failover_->want(ticker);
  }
  const auto indices = config.get<std::vector<std::string>>("indices");
  for (const IndexName& index : kIndices) {
    if (std::ranges::find(indices, index.key) != indices.end()) failover_->want(index);
  }
}

void PriceBroadcaster::on_start() {
  define_metrics();
  remember();
  for (std::size_t at = 0; at < sources_.size(); ++at) sources_[at]->start(events_of(at));
  settle();
  every(kTick, [this] { settle(); });
}

void PriceBroadcaster::on_stop(std::chrono::nanoseconds /*deadline*/) { keep_memory(); }

/// What the generation before this one has published still stands in its topics.
void PriceBroadcaster::remember() {
  const std::string kept = kept_state();
  if (kept.empty()) return;
  try {
    failover_->remember(kept, now());
  } catch (const std::runtime_error& error) {
    log(LogLevel::kError, std::string("cannot read what was published before: ") + error.what());
  }
}

void PriceBroadcaster::keep_memory() {
  if (failover_->has_news()) static_cast<void>(keep_state(failover_->memory()));
}

void PriceBroadcaster::on_demand(std::string_view topic, std::int64_t subscribers,
                                 bool /*replay*/) {
  if (!topic.starts_with(kPricePrefix)) return;  // the indices are published anyway
  const auto change =
      demand_.on_demand(std::string(topic.substr(kPricePrefix.size())), subscribers > 0);
  if (!change.given_up.empty()) failover_->forget(change.given_up);
  if (!change.wanted.empty()) {
    failover_->want(change.wanted);
  }
  settle_soon();
}

void PriceBroadcaster::define_metrics() {
  for (std::size_t i = 0; i < kRefusals.size(); ++i) {
    refused_[i] = define_metric(MetricKind::kCounter, kRefusals[i].metric, kRefusals[i].help);
  }
  serving_source_ =
      define_metric(MetricKind::kGauge, "serving_source",
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
          .on_lack = [this, at](const std::string& what,
                                const std::string& why) { on_lack(at, what, why); },
          .on_refused = [this](Refusal refusal, std::size_t count) { refuse(refusal, count); }};
}

void PriceBroadcaster::on_link(std::size_t at, const std::string& error) {
  if (const auto line = faults_[at].line(error, mono_ns())) {
    log(error.empty() ? LogLevel::kInfo : LogLevel::kWarn,
        "source " + std::string(sources_[at]->name()) + ": " + *line);
  }
  if (!error.empty()) lacks_[at].clear();
  if (!failover_->on_link(at, error.empty(), now())) return;
  has_condition_changed_ = true;
  settle_soon();
}

void PriceBroadcaster::on_lack(std::size_t at, const std::string& what, const std::string& why) {
  if (const auto line = lack_faults_[at].line(why, mono_ns())) {
    log(why.empty() ? LogLevel::kInfo : LogLevel::kWarn,
        "source " + std::string(sources_[at]->name()) + ", " + (what.empty() ? lacks_[at] : what) +
            ": " + *line);
  }
  if (std::exchange(lacks_[at], what) != what) settle_soon();
}

void PriceBroadcaster::on_quotes(std::size_t at, const Quotes& quotes) {
  failover_->on_newest(at, quotes.newest);
  for (const TickerQuote& one : quotes.tickers) on_quote(at, one.ticker, one);
  for (const IndexUpdate& one : quotes.indices) on_quote(at, one.index.key, one);
  if (quotes.tickers.empty() && quotes.indices.empty()) failover_->on_data(at, now());
  if (!reported_ || !reported_->has_prices()) settle_soon();
}

template <class One>
void PriceBroadcaster::on_quote(std::size_t at, std::string_view key, const One& one) {
  if (const auto refusal = refusal_of(one.quote)) return refuse(*refusal, 1);
  const AsOf as_of = failover_->as_of(at, one.as_of, now());
  const Failover::Verdict verdict = failover_->on_quote(at, key, one.as_of, now());
  if (verdict == Failover::Verdict::kOlder) return refuse(Refusal::kOlder, 1);
  if (verdict == Failover::Verdict::kLater) {
    kept_[at].insert_or_assign(std::string(key),
                               [this, at, one, as_of] { publish_quote(at, one, as_of); });
  } else if (verdict == Failover::Verdict::kServes) {
    if (const auto older = kept_[at].find(key); older != kept_[at].end()) kept_[at].erase(older);
    publish_quote(at, one, as_of);
  }
}

// All topics are `latest`: publish never answers BUSY, and a revoked generation has nothing left to
// do.
void PriceBroadcaster::publish_quote(std::size_t at, const TickerQuote& one, const AsOf& as_of) {
  publish(std::string(kPricePrefix) + one.ticker,
          price_update(one.ticker, one.quote, as_of, wall_ns(), sources_[at]->name()),
          one.as_of.ns);
}

void PriceBroadcaster::publish_quote(std::size_t at, const IndexUpdate& one, const AsOf& as_of) {
  publish(one.index.topic,
          index_update(one.index, one.quote, as_of, wall_ns(), sources_[at]->name()), one.as_of.ns);
}

/// What came while a source was recovering is published once it serves, and forgotten once it is
/// not needed: it is healthy and others are better, or it has failed again.
void PriceBroadcaster::look_at_kept(std::size_t at) {
  std::erase_if(kept_[at], [this, at](const auto& one) {
    const Failover::Verdict verdict = failover_->on_kept(at, one.first);
    if (verdict == Failover::Verdict::kServes) one.second();
    return verdict != Failover::Verdict::kLater;
  });
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
  has_condition_changed_ |= failover_->on_time(now());
  for (std::size_t at = 0; at < sources_.size(); ++at) look_at_kept(at);
  // Best first: what one delivers at once is not asked of the next.
  for (std::size_t at = 0; at < sources_.size(); ++at) {
    const Wanted wanted = failover_->take_wanted(at, now());
    if (wanted.empty()) lacks_[at].clear();  // it is not asked any more, and will not say
    sources_[at]->want(wanted);
  }
  keep_memory();
  report_standing();
}

void PriceBroadcaster::report_standing() {
  const Failover::Standing standing = failover_->standing();
  if (!reported_ && failover_->is_beginning()) return;
  const std::int64_t since_ns = serving_since_ns(standing);
  std::string detail = failover_->detail(standing);
  if (standing.has_prices()) detail += " since " + iso_second(since_ns);
  const std::string shortcomings = this->shortcomings(standing);
  detail += shortcomings;
  if (reported_ == standing && reported_detail_ == detail) {
    has_condition_changed_ = false;
    return moved_ns_.reset();
  }
  if (reported_ && !is_urgent(standing)) {
    if (!moved_ns_) moved_ns_ = mono_ns();
    if (mono_ns() - *moved_ns_ < std::chrono::nanoseconds(kSettle).count()) return;
  }
  moved_ns_.reset();
  has_condition_changed_ = false;
  if (reported_ && !is_same_serving(*reported_, standing)) changes_.record(1);
  serving_source_.record(standing.serving.empty() ? -1
                                                  : static_cast<double>(standing.serving.front()));
  reported_ = standing;
  reported_detail_ = detail;
  reported_since_ns_ = since_ns;
  report(shortcomings.empty() ? standing.health : std::max(standing.health, Health::kDegraded),
         detail);
}

/// What degrades it, whoever serves.
std::string PriceBroadcaster::shortcomings(const Failover::Standing& standing) const {
  std::string text;
  for (const Failover::Behind& one : standing.behind) {
    text += std::string("; the newest ") + (one.is_index ? "index" : "price") + " of " +
            std::string(sources_[one.at]->name()) + " is of " + day_text(one.newest);
  }
  for (std::size_t at = 0; at < sources_.size(); ++at) {
    if (lacks_[at].empty()) continue;
    text +=
        "; " + std::string(sources_[at]->name()) + " has no " + lacks_[at] + ", the log says why";
  }
  if (demand_.is_over()) {
    text += "; only " + std::to_string(demand_.most()) +
            " tickers can be requested, so some get no prices";
  }
  return text;
}

/// Since when these serve. Whoever only came in between, and was not reported, does not count.
std::int64_t PriceBroadcaster::serving_since_ns(const Failover::Standing& standing) {
  if (!is_same_serving(serving_, standing)) {
    serving_ = standing;
    serving_since_ns_ = wall_ns();
  }
  return reported_ && is_same_serving(*reported_, serving_) ? reported_since_ns_
                                                            : serving_since_ns_;
}

/// What a source makes worse is told at once, and whether there are prices at all. What gets
/// better, or only comes of the tickers that are subscribed to, is told once it lasts.
bool PriceBroadcaster::is_urgent(const Failover::Standing& standing) const {
  if (standing.health < reported_->health) return false;
  if (standing.has_prices() != reported_->has_prices()) return true;
  const bool is_worse =
      standing.health > reported_->health || standing.missing.size() > reported_->missing.size();
  return has_condition_changed_ && (is_worse || is_same_serving(standing, *reported_));
}

}  // namespace broadcast
