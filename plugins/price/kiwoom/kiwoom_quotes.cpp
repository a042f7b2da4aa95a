#include "plugins/price/kiwoom/kiwoom_quotes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include <nlohmann/json.hpp>

namespace broadcast {

namespace {

using nlohmann::json;

/// Whose fields mean the same under other names.
struct Keys {
  const char* price;
  const char* change;
  const char* rate;
  const char* volume;
  const char* ask;
  const char* bid;
  const char* time;
};
constexpr Keys kRow = {"cur_prc", "pred_pre", "flu_rt", "trde_qty",
                       "sel_bid", "buy_bid",  "cntr_tm"};
constexpr Keys kReal = {"10", "11", "12", "13", "27", "28", "20"};

std::int64_t magnitude(std::int64_t value) { return std::abs(value); }
double magnitude(double value) { return std::fabs(value); }

std::optional<std::int64_t> number(KiwoomFields& fields, const char* key, std::int64_t) {
  return fields.whole(key);
}
std::optional<double> number(KiwoomFields& fields, const char* key, double) {
  return fields.decimal(key);
}

/// The sign of a price says which way it went.
template <class T>
void take_level(KiwoomFields& fields, const Keys& keys, KiwoomLevel<T>& level) {
  auto value = number(fields, keys.price, T{});
  if (value) value = magnitude(*value);
  if (value && static_cast<double>(*value) < 0.005) fields.refuse(Refusal::kNoPrice);
  const auto change = number(fields, keys.change, T{});
  const auto rate = fields.decimal(keys.rate);
  if (!level.take(value, change, rate)) fields.refuse(Refusal::kMalformed);
}

/// `to` stays as it is where the field is silent.
void take_count(KiwoomFields& fields, const char* key, std::optional<std::int64_t>& to) {
  const auto value = fields.whole(key);
  if (!value) return;
  if (*value < 0) fields.refuse(Refusal::kNotANumber);
  to = value;
}
void take_offer(KiwoomFields& fields, const char* key, std::optional<std::int64_t>& to) {
  if (const auto value = fields.spare_whole(key)) to = magnitude(*value);
}

template <class Known>
void take_ticker(KiwoomFields& fields, const Keys& keys, Known& known) {
  take_level(fields, keys, known.price);
  take_count(fields, keys.volume, known.volume);
  take_offer(fields, keys.ask, known.ask);
  take_offer(fields, keys.bid, known.bid);
}

/// Nothing while something is not known.
template <class Known>
std::optional<Quote> quote_of(const Known& known) {
  if (!known.price.is_known() || !known.volume) return std::nullopt;
  return Quote{.price = *known.price.now,
               .change = *known.price.now - *known.price.base,
               .change_rate = round2(*known.price.change_rate),
               .volume = *known.volume,
               .bid_price = known.bid.value_or(*known.price.now),
               .ask_price = known.ask.value_or(*known.price.now)};
}

template <class Known>
std::optional<IndexQuote> index_of(const Known& known) {
  if (!known.points.is_known()) return std::nullopt;
  return IndexQuote{.index = round2(*known.points.now),
                    .change = round2(*known.points.now - *known.points.base),
                    .change_rate = round2(*known.points.change_rate),
                    .volume = known.volume};
}

/// What a row says; nothing is known from before.
struct Row {
  KiwoomLevel<std::int64_t> price;
  std::optional<std::int64_t> volume, bid, ask;
};

bool is_empty(const json& object) {
  for (const json& value : object) {
    if (!value.is_string() || !value.get_ref<const std::string&>().empty()) return false;
  }
  return true;
}

/// A quote, or why there is none.
std::optional<Refusal> read_row(const json& row, const std::string& code, std::int64_t wall_ns,
                                KiwoomRows& rows) {
  KiwoomFields fields(row);
  if (!fields.refusal() && is_empty(row)) return Refusal::kEmptyRow;
  if (fields.text("stk_cd") != code) fields.refuse(Refusal::kMalformed);
  Row read;
  take_ticker(fields, kRow, read);
  const AsOf as_of = as_of_row(fields.day("dt"), fields.time(kRow.time), wall_ns);
  if (fields.refusal()) return fields.refusal();
  if (!read.price.now) return Refusal::kNoPrice;
  const auto quote = quote_of(read);
  if (!quote) return Refusal::kMalformed;
  rows.refused.add(Refusal::kField, fields.left_out());
  rows.quotes.push_back({code, *quote, as_of});
  return std::nullopt;
}

/// The row of `code`: where it should be, or where one is missing or too many, where it is.
const json* row_of(const json& rows, std::size_t expected, const std::string& code) {
  const auto is_it = [&code](const json& row) {
    return row.is_object() && row.contains("stk_cd") && row["stk_cd"] == code;
  };
  const json* const there = expected < rows.size() ? &rows[expected] : nullptr;
  if (there != nullptr && is_it(*there)) return there;
  const auto found = std::ranges::find_if(rows, is_it);
  return found != rows.end() ? &*found : there;
}

/// What was known on another day is not true any more.
template <class Known>
void begin_day(Known& known, KoreanDay day) {
  if (known.day == day) return;
  known.day = day;
  known.volume.reset();
  if constexpr (requires { known.price; }) {
    known.price = {};
    known.bid.reset();
    known.ask.reset();
  } else {
    known.points = {};
  }
}

/// Takes a message into `known`: as a whole or not at all. `read` reads its fields.
template <class Known, class Read>
std::optional<Refusal> update(Known& known, const json& values, std::int64_t wall_ns,
                              Refusals& refused, Read read) {
  Known next = known;
  begin_day(next, korean_day(wall_ns));
  KiwoomFields fields(values);
  if (!fields.refusal() && is_empty(values)) return Refusal::kEmptyRow;
  read(fields, next);
  if (const auto time = fields.time(kReal.time)) {
    next.as_of.ns = next.newest_ns = last_time_of_day(*time, wall_ns);
    if (next.newest_ns < known.newest_ns) fields.refuse(Refusal::kOlder);
  } else if (!fields.text(kReal.price).empty()) {
    next.as_of = {};  // not when the price before it was
  }
  if (fields.refusal()) return fields.refusal();
  refused.add(Refusal::kField, fields.left_out());
  known = std::move(next);
  return std::nullopt;
}

}  // namespace

template <class T>
bool KiwoomLevel<T>::take(std::optional<T> value, std::optional<T> change,
                          std::optional<double> rate) {
  if (!value) return true;  // a change of a value that is not named says nothing
  now = value;
  if (change) base = *value - *change;
  if (base && *base <= 0) return false;
  if (!rate && base) {
    rate = 100 * static_cast<double>(*value - *base) / static_cast<double>(*base);
  }
  change_rate = rate;
  return true;
}

template struct KiwoomLevel<std::int64_t>;
template struct KiwoomLevel<double>;

std::optional<KiwoomRows> quotes_of(const json& answer, const std::vector<std::string>& codes,
                                    std::int64_t wall_ns) {
  const auto rows = answer.find("atn_stk_infr");
  if (rows == answer.end() || !rows->is_array()) return std::nullopt;
  KiwoomRows read;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const json* const row = row_of(*rows, i, codes[i]);
    const auto refusal = row != nullptr ? read_row(*row, codes[i], wall_ns, read)
                                        : std::optional(Refusal::kMalformed);
    if (refusal) read.refused.add(*refusal);
  }
  return read;
}

void KiwoomReal::want(const Wanted& wanted) {
  std::map<std::string, Known> tickers;
  for (const std::string& ticker : wanted.tickers) {
    const auto known = tickers_.extract(ticker);
    tickers.emplace(ticker, known.empty() ? Known() : known.mapped());
  }
  tickers_ = std::move(tickers);
  std::map<std::string, KnownIndex> indices;
  for (const IndexName& index : wanted.indices) {
    const std::string item(sector_item(index));
    const auto known = indices_.extract(item);
    indices.emplace(item, known.empty() ? KnownIndex{.name = index} : known.mapped());
  }
  indices_ = std::move(indices);
}

void KiwoomReal::apply(const json& message, std::int64_t wall_ns, Quotes& quotes,
                       Refusals& refused) {
  const auto data = message.find("data");
  if (data == message.end() || !data->is_array()) return refused.add(Refusal::kMalformed);
  for (const json& entry : *data) apply_one(entry, wall_ns, quotes, refused);
}

void KiwoomReal::apply_one(const json& entry, std::int64_t wall_ns, Quotes& quotes,
                           Refusals& refused) {
  const auto text = [&](const char* key) {
    const auto found = entry.is_object() ? entry.find(key) : entry.end();
    return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string type = text("type");
  const std::string item = text("item");
  const auto values = entry.is_object() ? entry.find("values") : entry.end();
  if (type.empty() || item.empty() || values == entry.end()) {
    return refused.add(Refusal::kMalformed);
  }
  std::optional<Refusal> refusal;
  if (type == "0B" || type == "0A") {
    const auto known = tickers_.find(item);
    if (known == tickers_.end()) return;  // one that was just given up
    refusal = update(known->second, *values, wall_ns, refused,
                     [](KiwoomFields& fields, Known& next) { take_ticker(fields, kReal, next); });
    const auto quote = refusal ? std::nullopt : quote_of(known->second);
    if (quote) quotes.tickers.push_back({item, *quote, known->second.as_of});
  } else if (type == "0J") {
    const auto known = indices_.find(item);
    if (known == indices_.end()) return;
    refusal = update(known->second, *values, wall_ns, refused,
                     [](KiwoomFields& fields, KnownIndex& next) {
                       take_level(fields, kReal, next.points);
                       take_count(fields, kReal.volume, next.volume);
                     });
    const auto quote = refusal ? std::nullopt : index_of(known->second);
    if (quote) quotes.indices.push_back({known->second.name, *quote, known->second.as_of});
  }
  if (refusal) refused.add(*refusal);
}

}  // namespace broadcast
