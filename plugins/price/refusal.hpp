#pragma once
// What is no price, whoever says so: such a quote is refused and counted, and the next source
// asked. Pure.

#include <array>
#include <cstddef>
#include <functional>
#include <numeric>
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
inline constexpr std::array<RefusalName, 6> kRefusals = {{
    {"quotes_refused_empty_row", "Quotes that a source does not have a price for"},
    {"quotes_refused_not_a_number", "Quotes that are no numbers"},
    {"quotes_refused_no_price", "Prices of 0 or less, or beyond 10^12"},
    {"quotes_refused_older", "Quotes older than the last one of the same source"},
    {"quotes_refused_malformed", "Messages of a source that cannot be read"},
    {"quote_fields_left_out", "Fields that cannot be read, of quotes that go without them"},
}};

/// How many quotes were refused, by reason, and how many fields left out.
class Refusals {
 public:
  void add(Refusal why, std::size_t count = 1) { counts_[static_cast<std::size_t>(why)] += count; }
  void add(const Refusals& more) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += more.counts_[i];
  }
  [[nodiscard]] std::size_t of(Refusal why) const { return counts_[static_cast<std::size_t>(why)]; }
  [[nodiscard]] std::size_t total() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::size_t{0});
  }
  /// Each reason that there was.
  void tell(const std::function<void(Refusal, std::size_t)>& on_refused) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] > 0) on_refused(static_cast<Refusal>(i), counts_[i]);
    }
  }
  friend bool operator==(const Refusals&, const Refusals&) = default;

 private:
  std::array<std::size_t, kRefusals.size()> counts_{};
};

}  // namespace broadcast
