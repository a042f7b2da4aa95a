// What Kiwoom sends: an answer to a REST call, or a message of the WebSocket.

#include <cmath>
#include <string>
#include <vector>

#include "plugins/price/kiwoom/kiwoom_answer.hpp"
#include "plugins/price/kiwoom/kiwoom_quotes.hpp"
#include "plugins/price/market.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace broadcast {
namespace {

using fuzz::require;
using fuzz::require_equal;
using nlohmann::json;

constexpr std::int64_t kNow = 1'795'482'000'000'000'000;
constexpr std::int64_t kTenMinutes = 600'000'000'000;
const std::vector<std::string> kSecrets = {"KEY", "SECRET"};

void check(const TickerQuote& one) {
  require(one.quote.price > 0, "a price is above 0");
  require(one.quote.volume >= 0 && one.quote.bid_price >= 0 && one.quote.ask_price >= 0,
          "counts are");
  require(one.quote.change < one.quote.price, "yesterday's close was above 0");
  require(std::isfinite(one.quote.change_rate), "a rate is a number");
  require(one.as_of.ns <= kNow + kTenMinutes, "nothing is from the future");
  const json text = json::parse(price_update(one.ticker, one.quote, one.as_of, kNow, "kiwoom_ws"));
  require_equal(text.at("data").at("price"), json(one.quote.price), "it is written as it is");
}

void check(const Quotes& quotes) {
  for (const TickerQuote& one : quotes.tickers) check(one);
  for (const IndexUpdate& one : quotes.indices) {
    require(one.quote.index > 0 && std::isfinite(one.quote.index), "an index is a number");
    static_cast<void>(index_update(one.index, one.quote, one.as_of, kNow, "kiwoom_ws"));
  }
}

std::vector<std::string> codes_of(const json& answer) {
  std::vector<std::string> codes;
  for (const json& row : answer.value("atn_stk_infr", json::array())) {
    const auto code = row.is_object() ? row.find("stk_cd") : row.end();
    if (row.is_object() && code != row.end() && code->is_string()) codes.push_back(*code);
  }
  return codes;
}

void check_answer(std::string_view text) {
  const KiwoomAnswer answer = judge(200, text, kSecrets);
  if (answer.verdict != KiwoomAnswer::Verdict::kOk) {
    fuzz::require_sentence(answer.error);
    for (const std::string& secret : kSecrets) {
      require(answer.error.find(secret) == std::string::npos, "secrets are in no error");
    }
    return;
  }
  try {
    const KiwoomToken token = token_of(answer.json, kNow);
    require(token.renew_ns > kNow && token.end_ns >= token.renew_ns, "a token is used for a while");
  } catch (const std::runtime_error& error) {
    fuzz::require_sentence(error.what());
  }
  const auto list = answer.json.find("atn_stk_infr");
  if (list == answer.json.end() || !list->is_array()) return;
  const std::vector<std::string> codes = codes_of(answer.json);
  const auto rows = quotes_of(answer.json, codes, kNow);
  const std::size_t refused = rows->refused.total() - rows->refused.of(Refusal::kField);
  require_equal(rows->quotes.size() + refused, codes.size(), "a code has a quote or a refusal");
  for (const TickerQuote& one : rows->quotes) check(one);
}

/// Twice, because a message is read beside what is known.
void check_real(std::string_view text) {
  const json message = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!message.is_object()) return;
  KiwoomReal real;
  real.want({.tickers = {"000660", "005930"}, .indices = {kIndices.begin(), kIndices.end()}});
  Refusals refused;
  for (int i = 0; i < 2; ++i) {
    Quotes quotes;
    real.apply(message, kNow, quotes, refused);
    check(quotes);
  }
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = broadcast::fuzz::text_of(data, size);
  broadcast::check_answer(text);
  broadcast::check_real(text);
  return 0;
}
