#pragma once
// The seam to where prices come from. One instance an entry of `sources:` in the YAML. All calls
// and events are [plugin], and nothing here blocks; threads are a source's own business.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <broadcast/broadcaster.hpp>

#include "plugins/price/market.hpp"

namespace broadcast {

struct TickerQuote {
  std::string ticker;
  Quote quote;
  AsOf as_of = {};
};
struct IndexUpdate {
  IndexName index;
  IndexQuote quote;
  AsOf as_of = {};
};

/// What is asked for.
struct Wanted {
  std::vector<std::string> tickers;  ///< sorted, unique
  std::vector<IndexName> indices;

  [[nodiscard]] bool empty() const { return tickers.empty() && indices.empty(); }
};

/// Of which day the newest row of a table is, whatever is asked for of it; nothing: not looked at.
struct NewestRows {
  std::optional<KoreanDay> prices;
  std::optional<KoreanDay> indices;
};

struct Quotes {
  std::vector<TickerQuote> tickers;
  std::vector<IndexUpdate> indices;
  NewestRows newest;  ///< where these are daily rows
};

/// Why a quote is not published, or kField: a field of it that it does without. Counted by the
/// broadcaster.
enum class Refusal : std::uint8_t { kEmptyRow, kNotANumber, kNoPrice, kOlder, kMalformed, kField };

/// What a source may use of its broadcaster. [plugin] unless said otherwise.
struct SourceCalls {
  std::function<std::int64_t()> mono_ns;  ///< [any] virtual under FakeHost
  std::function<std::int64_t()> wall_ns;  ///< [any]
  std::function<std::uint64_t(std::chrono::nanoseconds, std::function<void()>)> after;
  std::function<void(std::uint64_t)> cancel;
  std::function<bool(std::function<void()>)> post;      ///< [any]
  std::function<void(LogLevel, std::string_view)> log;  ///< [any]
};

class PriceSource {
 public:
  struct Events {
    /// At once when they are there. A poll that was answered with nothing new is a sign of life
    /// too, and is told with no quotes in it.
    std::function<void(const Quotes&)> on_quotes;
    /// Empty: it can be served from now on (connected, or the last poll was answered). Otherwise
    /// why not, for the log: it may name hosts and files. Told before the quotes that prove it, on
    /// every change, and may be repeated.
    std::function<void(const std::string& error)> on_link;
    /// Of what is wanted of it, what it cannot deliver although it answers, for subscribers, such
    /// as "KOSPI"; empty: nothing. `why` is for the log. Told after on_link, and may be repeated.
    std::function<void(const std::string& what, const std::string& why)> on_lack;
    std::function<void(Refusal, std::size_t)> on_refused;
  };

  virtual ~PriceSource() = default;
  /// As it stands in every message's `source`.
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual bool has_indices() const { return true; }
  /// Its values never were true: anything that was may follow them.
  [[nodiscard]] virtual bool is_simulated() const { return false; }
  /// How often it is asked; 0: it speaks by itself.
  [[nodiscard]] virtual std::chrono::nanoseconds period() const { return {}; }
  /// Once; begins to work.
  virtual void start(Events events) = 0;
  /// The whole of what is wanted of this source from now on; what is new is delivered as soon as it
  /// can be. Nothing: it may idle.
  virtual void want(const Wanted& wanted) = 0;
};

}  // namespace broadcast
