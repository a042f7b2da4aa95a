#pragma once
// What is no price, whoever says so: such a quote is refused and counted, and the next source
// asked. Pure.

#include <array>
#include <optional>
#include <string_view>

#include "plugins/price/source.hpp"

namespace broadcast {

/// A price in won, or an index in points.
[[nodiscard]] std::optional<Refusal> refusal_of_price(double price);
[[nodiscard]] std::optional<Refusal> refusal_of(const Quote& quote);
[[nodiscard]] std::optional<Refusal> refusal_of(const IndexQuote& quote);

/// In the order of Refusal.
struct RefusalName {
  std::string_view metric;
  std::string_view help;
};
inline constexpr std::array<RefusalName, 5> kRefusals = {{
    {"quotes_refused_empty_row", "Quotes that a source does not have a price for"},
    {"quotes_refused_not_a_number", "Quotes that are no numbers"},
    {"quotes_refused_no_price", "Prices of 0 or less, or beyond 10^12"},
    {"quotes_refused_older", "Quotes older than the last one of the same source"},
    {"quotes_refused_malformed", "Messages of a source that cannot be read"},
}};

}  // namespace broadcast
