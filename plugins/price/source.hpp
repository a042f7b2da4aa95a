#pragma once
// The seam to where prices come from. One instance a `sources:` entry of the YAML; [plugin].

#include <string>
#include <string_view>
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
  virtual ~PriceSource() = default;
  /// As it stands in every message's `source`.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// The newest of what is wanted; what it does not have is left out.
  [[nodiscard]] virtual Quotes poll(const Wanted& wanted) = 0;
  /// Nobody asks for this ticker any more.
  virtual void forget(const std::string& ticker) = 0;
};

}  // namespace broadcast
