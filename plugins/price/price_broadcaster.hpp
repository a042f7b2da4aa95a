#pragma once
// price:{ticker}, market:kospi, market:kosdaq, whatever the sources are: what is wanted, who serves
// it (failover.hpp), what is refused, and what subscribers and operators are told of it. Plugin and
// tests derive from it and make the sources. [plugin]

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>

#include "plugins/io/fault_log.hpp"
#include "plugins/price/failover.hpp"
#include "plugins/price/refusal.hpp"
#include "plugins/price/source.hpp"
#include "plugins/price/ticker_demand.hpp"

namespace broadcast {

class PriceBroadcaster : public Broadcaster {
 public:
  explicit PriceBroadcaster(const bc_host* host, std::size_t most_tickers = TickerDemand::kMost)
      : Broadcaster(host), demand_(most_tickers) {}

 protected:
  /// One entry of `sources:` that is enabled. Throws Error.
  [[nodiscard]] virtual std::unique_ptr<PriceSource> make_source(const nlohmann::json& config,
                                                                 std::chrono::nanoseconds interval,
                                                                 SourceCalls calls) = 0;

  void on_config(std::string_view json) final;
  void on_start() final;
  void on_stop(std::chrono::nanoseconds deadline) final;
  void on_demand(std::string_view topic, std::int64_t subscribers, bool replay) final;

 private:
  /// How long it has to last before subscribers are told that it has become better.
  static constexpr std::chrono::seconds kSettle{3};

  [[nodiscard]] SourceCalls source_calls();
  [[nodiscard]] Failover::Now now() const { return {mono_ns(), wall_ns()}; }
  void define_metrics();
  [[nodiscard]] PriceSource::Events events_of(std::size_t at);
  void on_link(std::size_t at, const std::string& error);
  void on_lack(std::size_t at, const std::string& what, const std::string& why);
  void on_quotes(std::size_t at, const Quotes& quotes);
  template <class One>
  void on_quote(std::size_t at, std::string_view key, const One& one);
  void publish_quote(std::size_t at, const TickerQuote& one, const AsOf& as_of);
  void publish_quote(std::size_t at, const IndexUpdate& one, const AsOf& as_of);
  void look_at_kept(std::size_t at);
  void refuse(Refusal refusal, std::size_t count);
  void settle_soon();
  void settle();
  void remember();
  void keep_memory();
  void report_standing();
  [[nodiscard]] std::int64_t serving_since_ns(const Failover::Standing& standing);
  [[nodiscard]] bool is_urgent(const Failover::Standing& standing) const;
  [[nodiscard]] std::string shortcomings(const Failover::Standing& standing) const;

  TickerDemand demand_;
  std::vector<std::unique_ptr<PriceSource>> sources_;
  std::vector<FaultLog> faults_;    // by source
  std::vector<std::string> lacks_;  // by source: what it cannot deliver of what is wanted of it
  std::vector<FaultLog> lack_faults_;
  /// By source, then by ticker or index: what publishes its last quote, while the source recovers.
  std::vector<std::map<std::string, std::function<void()>, std::less<>>> kept_;
  std::optional<Failover> failover_;
  bool is_settling_ = false;

  Failover::Standing serving_;         // at the last look
  std::int64_t serving_since_ns_ = 0;  // wall clock
  std::optional<Failover::Standing> reported_;
  std::string reported_detail_;
  std::int64_t reported_since_ns_ = 0;
  std::optional<std::int64_t> moved_ns_;  // it is not what was reported any more, since
  bool has_condition_changed_ = false;    // a source's, since it was

  std::array<Metric, kRefusals.size()> refused_;
  Metric serving_source_;
  Metric changes_;
};

}  // namespace broadcast
