#pragma once
// From the fields of Kiwoom's answers to quotes: rows of ka10095, and REAL messages, which may
// bring only some of the fields. Pure but for what KiwoomReal remembers; that belongs to one
// thread.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "plugins/price/kiwoom/kiwoom_fields.hpp"

namespace broadcast {

/// The rows of a ka10095 answer: one a code, in the order of `codes`, as far as they are there.
struct KiwoomRows {
  std::vector<TickerQuote> quotes;
  Refusals refused;
};
/// Nothing: there is no list.
[[nodiscard]] std::optional<KiwoomRows> quotes_of(const nlohmann::json& answer,
                                                  const std::vector<std::string>& codes,
                                                  std::int64_t wall_ns);

/// A price or an index, and what it stood at yesterday.
template <class T>
struct KiwoomLevel {
  std::optional<T> now;
  std::optional<T> base;
  std::optional<double> change_rate;  ///< percent

  /// What a message says; false: its change cannot be.
  [[nodiscard]] bool take(std::optional<T> value, std::optional<T> change,
                          std::optional<double> rate);
  [[nodiscard]] bool is_known() const { return now && base && change_rate; }
};

/// What is known of the items that are wanted. A message changes what it names; a quote goes out
/// once price, change and volume are known, whichever message brought them. A best bid or ask that
/// never came is the price, as with the database. What was known yesterday is forgotten.
class KiwoomReal {
 public:
  /// What is not wanted is ignored from now on, and forgotten.
  void want(const Wanted& wanted);
  /// A whole message with `trnm` REAL.
  void apply(const nlohmann::json& message, std::int64_t wall_ns, Quotes& quotes,
             Refusals& refused);

 private:
  struct Known {
    KoreanDay day;
    std::int64_t newest_ns = 0;  // of the messages that had a time
    AsOf as_of;                  // the price that is known
    KiwoomLevel<std::int64_t> price;
    std::optional<std::int64_t> volume, bid, ask;
  };
  struct KnownIndex {
    IndexName name;
    KoreanDay day;
    std::int64_t newest_ns = 0;  // of the messages that had a time
    AsOf as_of;                  // the price that is known
    KiwoomLevel<double> points;
    std::optional<std::int64_t> volume;
  };
  void apply_one(const nlohmann::json& entry, std::int64_t wall_ns, Quotes& quotes,
                 Refusals& refused);

  std::map<std::string, Known> tickers_;
  std::map<std::string, KnownIndex> indices_;  // by sector
};

}  // namespace broadcast
