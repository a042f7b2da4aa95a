#pragma once
// What an answer of Kiwoom's means: HTTP status, `return_code`, `return_msg`. Pure; any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace broadcast {

/// With HTTP 200 too, an answer may be a failure.
struct KiwoomAnswer {
  enum class Verdict {
    kOk,
    kTokenRefused,  ///< mostly because somebody has issued another one
    kWrongKey,      ///< of app_key and secret_key; another token would not help
    kTooMany,       ///< more than five requests in a second
    kFailed,
  };
  Verdict verdict = Verdict::kFailed;
  std::string error;    ///< unless kOk; fit for the log
  nlohmann::json json;  ///< an object, if kOk
};

/// `secrets` are left out of the error.
[[nodiscard]] KiwoomAnswer judge(unsigned http_status, std::string_view body,
                                 std::span<const std::string> secrets);
/// The same for a call that has no token and asks for one.
[[nodiscard]] KiwoomAnswer judge_issue(unsigned http_status, std::string_view body,
                                       std::span<const std::string> secrets);
/// Of one that is JSON: by `return_code` and `return_msg` alone.
[[nodiscard]] KiwoomAnswer judge(nlohmann::json object, std::span<const std::string> secrets);

/// Empty if it is not there or no text.
[[nodiscard]] std::string text_in(const nlohmann::json& object, const char* key);

struct KiwoomToken {
  std::string text;
  std::int64_t renew_ns = 0;  ///< wall clock: from then on a new one is asked for
  std::int64_t end_ns = 0;    ///< and this one used until then, if there is none
};
/// Throws std::runtime_error that says what is wrong with it.
[[nodiscard]] KiwoomToken token_of(const nlohmann::json& answer, std::int64_t wall_ns);

}  // namespace broadcast
