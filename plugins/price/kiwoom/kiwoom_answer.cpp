#include "plugins/price/kiwoom/kiwoom_answer.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
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
/// 3 whatever the text says, and what others have seen in its place.
constexpr std::array<std::int64_t, 5> kTokenRefused = {3, 8005, 8010, 8031, 8103};
constexpr std::array<std::int64_t, 2> kWrongKey = {8001, 8002};
constexpr std::string_view kTooManyText = "요청 개수를 초과";

/// Renewed so long before its end, or a tenth of its life; used for a minute at least, even where
/// our clock is wrong, so that not every call issues a new one.
constexpr nanoseconds kBeforeTheEnd = std::chrono::minutes(10);
constexpr nanoseconds kShortestUse = std::chrono::minutes(1);

/// `return_code`: 3, or "3".
std::optional<std::int64_t> code_in(const json& object) {
  const auto code = object.find("return_code");
  if (code == object.end()) return std::nullopt;
  if (code->is_number_integer()) return code->get<std::int64_t>();
  return code->is_string() ? parse_whole(code->get_ref<const std::string&>()) : std::nullopt;
}

/// Where return_code is a general one, the text has the other: "인증에 실패했습니다[8001:...".
bool is_wrong_key(std::int64_t code, std::string_view message) {
  return std::ranges::any_of(kWrongKey, [&](std::int64_t wrong) {
    return code == wrong || message.find("[" + std::to_string(wrong)) != std::string_view::npos;
  });
}

}  // namespace

std::string text_in(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

KiwoomAnswer judge(unsigned http_status, std::string_view body,
                   std::span<const std::string> secrets) {
  const std::string status = "HTTP " + std::to_string(http_status);
  json parsed = json::parse(body, nullptr, /*allow_exceptions=*/false);
  const bool is_object = parsed.is_object();
  KiwoomAnswer answer = is_object ? judge(std::move(parsed), secrets) : KiwoomAnswer{};
  if (answer.verdict == Verdict::kWrongKey) return answer;
  if (http_status == kUnauthorized) {
    return {Verdict::kTokenRefused, status + ", the token is not accepted", {}};
  }
  if (http_status == kTooManyRequests) {
    return {Verdict::kTooMany, status + ", too many requests", {}};
  }
  if (!is_object) return {Verdict::kFailed, status + ", not a JSON object", {}};
  if (answer.verdict == Verdict::kOk && http_status != 200) {
    return {Verdict::kFailed, status + " with return_code 0", {}};
  }
  return answer;
}

KiwoomAnswer judge_issue(unsigned http_status, std::string_view body,
                         std::span<const std::string> secrets) {
  KiwoomAnswer answer = judge(http_status, body, secrets);
  if (http_status == kUnauthorized && answer.verdict == Verdict::kTokenRefused) {
    return {Verdict::kWrongKey, "HTTP 401, app_key or secret_key is not accepted", {}};
  }
  return answer;
}

KiwoomAnswer judge(json object, std::span<const std::string> secrets) {
  const auto code = code_in(object);
  if (!code) return {Verdict::kFailed, "an answer without return_code", {}};
  if (*code == 0) return {Verdict::kOk, "", std::move(object)};
  const std::string message = text_in(object, "return_msg");
  std::string error = loggable("return_code " + std::to_string(*code) + ": " + message, secrets);
  if (is_wrong_key(*code, message)) {
    return {Verdict::kWrongKey, error + "; app_key or secret_key is wrong", {}};
  }
  Verdict verdict = Verdict::kFailed;
  if (std::ranges::find(kTokenRefused, *code) != kTokenRefused.end()) {
    verdict = Verdict::kTokenRefused;
  }
  if (*code == 5 && message.find(kTooManyText) != std::string::npos) verdict = Verdict::kTooMany;
  return {verdict, std::move(error), {}};
}

KiwoomToken token_of(const json& answer, std::int64_t wall_ns) {
  KiwoomToken token{.text = text_in(answer, "token")};
  // It becomes a header: a line break would end that.
  const bool is_printable =
      std::ranges::all_of(token.text, [](char c) { return c > 32 && c < 127; });
  if (token.text.empty() || !is_printable) {
    throw std::runtime_error("an answer with an invalid token");
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
