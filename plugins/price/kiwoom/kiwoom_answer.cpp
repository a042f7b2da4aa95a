#include "plugins/price/kiwoom/kiwoom_answer.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "plugins/price/kiwoom/kiwoom_fields.hpp"

namespace broadcast {

namespace {

using nlohmann::json;
using Verdict = KiwoomAnswer::Verdict;
using std::chrono::nanoseconds;

constexpr unsigned kUnauthorized = 401;
constexpr unsigned kTooManyRequests = 429;
constexpr std::string_view kKilled = "[8005";
constexpr std::string_view kTooManyText = "요청 개수를 초과";

/// Renewed so long before its end, or a tenth of its life; used for a minute at least, even where
/// our clock is wrong, so that not every call issues a new one.
constexpr nanoseconds kBeforeTheEnd = std::chrono::minutes(10);
constexpr nanoseconds kShortestUse = std::chrono::minutes(1);

}  // namespace

std::string text_in(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

KiwoomAnswer judge(unsigned http_status, std::string_view body,
                   std::span<const std::string> secrets) {
  const std::string status = "HTTP " + std::to_string(http_status);
  if (http_status == kUnauthorized) {
    return {Verdict::kTokenKilled, status + ", the token is not accepted", {}};
  }
  if (http_status == kTooManyRequests) {
    return {Verdict::kTooMany, status + ", too many requests", {}};
  }
  json parsed = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return {Verdict::kFailed, status + ", not a JSON object", {}};
  KiwoomAnswer answer = judge(std::move(parsed), secrets);
  if (answer.verdict == Verdict::kOk && http_status != 200) {
    return {Verdict::kFailed, status + " with return_code 0", {}};
  }
  return answer;
}

KiwoomAnswer judge(json object, std::span<const std::string> secrets) {
  const auto code = object.find("return_code");
  if (code == object.end() || !code->is_number_integer()) {
    return {Verdict::kFailed, "an answer without return_code", {}};
  }
  if (*code == 0) return {Verdict::kOk, "", std::move(object)};
  const std::string message = text_in(object, "return_msg");
  Verdict verdict = Verdict::kFailed;
  if (*code == 3 && message.find(kKilled) != std::string::npos) verdict = Verdict::kTokenKilled;
  if (*code == 5 && message.find(kTooManyText) != std::string::npos) verdict = Verdict::kTooMany;
  return {verdict, loggable("return_code " + code->dump() + ": " + message, secrets), {}};
}

KiwoomToken token_of(const json& answer, std::int64_t wall_ns) {
  KiwoomToken token{.text = text_in(answer, "token")};
  // It becomes a header: a line break would end that.
  const bool is_printable =
      std::ranges::all_of(token.text, [](char c) { return c > 32 && c < 127; });
  if (token.text.empty() || !is_printable) {
    throw std::runtime_error("an answer whose token is no token");
  }
  const auto end_ns = parse_korean_time(text_in(answer, "expires_dt"));
  if (!end_ns) throw std::runtime_error("a token whose expires_dt is not YYYYMMDDHHMMSS");
  const std::int64_t life = *end_ns - wall_ns;
  const std::int64_t use = life - std::min<std::int64_t>(kBeforeTheEnd.count(), life / 10);
  token.renew_ns = wall_ns + std::max(use, nanoseconds(kShortestUse).count());
  token.end_ns = std::max(*end_ns, token.renew_ns);
  return token;
}

}  // namespace broadcast
