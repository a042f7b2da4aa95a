#include "plugins/price/refusal.hpp"

#include <cmath>

namespace broadcast {

namespace {
/// No share of this world costs more; and it fits where won are counted.
constexpr double kHighestPrice = 1e12;
}  // namespace

std::optional<Refusal> refusal_of_price(double price) {
  if (!std::isfinite(price)) return Refusal::kNotANumber;
  if (price <= 0 || price > kHighestPrice) return Refusal::kNoPrice;
  return std::nullopt;
}

std::optional<Refusal> refusal_of(const Quote& quote) {
  if (!std::isfinite(quote.change_rate)) return Refusal::kNotANumber;
  return refusal_of_price(static_cast<double>(quote.price));
}

std::optional<Refusal> refusal_of(const IndexQuote& quote) {
  if (!std::isfinite(quote.change) || !std::isfinite(quote.change_rate)) {
    return Refusal::kNotANumber;
  }
  return refusal_of_price(quote.index);
}

}  // namespace broadcast
