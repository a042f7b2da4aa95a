#pragma once
// The seam to where prices come from. One instance a `sources:` entry of the YAML; everything
// [plugin].

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/price/market.hpp"

namespace broadcast {

/// What is asked for.
struct Wanted {
  std::vector<std::string> tickers;
  std::vector<IndexName> indices;
};

struct Quotes {
  std::vector<std::pair<std::string, Quote>> tickers;
  std::vector<std::pair<IndexName, IndexQuote>> indices;
};

class PriceSource {
 public:
  struct Answer {
    Quotes quotes;  ///< the newest of what was wanted; what the source does not have is left out
    std::string error;  ///< why there are none, for the log; empty: it went well
  };
  using Done = std::function<void(Answer)>;

  virtual ~PriceSource() = default;
  /// As it stands in every message's `source`.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// Never blocks. `done` is called once: before this returns, or later. False: still busy with the
  /// question before; `done` is not called.
  [[nodiscard]] virtual bool try_poll(const Wanted& wanted, Done done) = 0;
  /// Nobody asks for this ticker any more.
  virtual void forget(const std::string& /*ticker*/) {}
};

}  // namespace broadcast
