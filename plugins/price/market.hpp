#pragma once
// What the price broadcaster talks about: quotes of tickers and of the two indices, and their text
// on the wire. Values and pure functions.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/database/korean_day.hpp"

namespace broadcast {

/// When a value was true, as far as its source says: at an instant, on a day (a daily row), or with
/// neither it does not say.
struct AsOf {
  std::int64_t ns = 0;           ///< wall clock; 0: no instant
  std::optional<KoreanDay> day;  ///< instead of one

  /// As on the wire; empty where it does not say.
  [[nodiscard]] std::string text() const;
};

/// One ticker. Prices in won; change and rate against yesterday's close.
struct Quote {
  std::int64_t price = 0;
  std::int64_t change = 0;
  double change_rate = 0;   ///< percent, two decimals
  std::int64_t volume = 0;  ///< shares today
  std::int64_t bid_price = 0;
  std::int64_t ask_price = 0;
};

/// One index. Points with two decimals.
struct IndexQuote {
  double index = 0;
  double change = 0;
  double change_rate = 0;
  std::optional<std::int64_t> volume;
};

struct IndexName {
  std::string_view key;  ///< in YAML
  std::string_view topic;
  std::string_view code;
  std::string_view name;
};
inline constexpr std::array<IndexName, 2> kIndices = {{
    {"kospi", "market:kospi", "001", "KOSPI"},
    {"kosdaq", "market:kosdaq", "201", "KOSDAQ"},
}};

/// KRX: the smallest step of a price, in won.
[[nodiscard]] std::int64_t tick_size(std::int64_t price);
/// Two decimals, as prices and rates are shown.
[[nodiscard]] double round2(double value);

[[nodiscard]] std::string price_update(std::string_view ticker, const Quote& quote,
                                       const AsOf& as_of, std::int64_t wall_ns,
                                       std::string_view source);
[[nodiscard]] std::string index_update(const IndexName& index, const IndexQuote& quote,
                                       const AsOf& as_of, std::int64_t wall_ns,
                                       std::string_view source);

}  // namespace broadcast
