#pragma once
// What all sources with one app key share: the token, the rate limit, the I/O thread and the
// connection for REST. One call at a time, so there are never two issues of a token at once, and
// the limit holds. Owned by its sources; [plugin].
//
// No token is revoked at the end: that would hold up the stop for a round trip, and the next issue
// kills it anyway.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <broadcast/backoff.hpp>

#include "plugins/io/https_client.hpp"
#include "plugins/io/io_thread.hpp"
#include "plugins/price/kiwoom/kiwoom_answer.hpp"
#include "plugins/price/kiwoom/kiwoom_limiter.hpp"
#include "plugins/price/source.hpp"

namespace broadcast {

/// A `sources:` entry of the YAML.
struct KiwoomOptions {
  std::string app_key;
  std::string secret_key;
  std::string rest_url;
  std::string ws_url;
  std::string ca;  ///< PEM file; empty: the authorities of this machine
  // No keys of the YAML.
  std::chrono::nanoseconds connect_patience = std::chrono::seconds(5);
  std::chrono::nanoseconds answer_patience = std::chrono::seconds(5);
  std::chrono::nanoseconds late_patience = std::chrono::seconds(5);
  std::chrono::nanoseconds lost_patience = std::chrono::minutes(3);
  std::chrono::nanoseconds silence_patience = std::chrono::seconds(90);
};

struct KiwoomRequest {
  std::string path;
  std::string api_id;  ///< empty: without
  std::string token;   ///< empty: without
  std::string body;
};

class KiwoomSession {
 public:
  /// Throws std::invalid_argument that names the key of the YAML.
  KiwoomSession(KiwoomOptions options, SourceCalls calls);
  ~KiwoomSession();
  KiwoomSession(const KiwoomSession&) = delete;
  KiwoomSession& operator=(const KiwoomSession&) = delete;

  /// Ends the I/O thread, for all who share the session; every source does it before it goes.
  void stop() { io_.stop(); }

  using TokenDone = std::function<void(const std::string& token, const std::string& error)>;
  /// A token that is good now; issues one where there is none. Calls back later, or before this
  /// returns.
  void with_token(TokenDone done);
  enum class TokenUse : std::uint8_t { kRest, kLogin };
  /// `token` was refused (KiwoomAnswer::Verdict::kTokenRefused). True: there is another one, or one
  /// will be issued, so trying again at once is worth it. Issuing kills what the key has
  /// elsewhere, and does not help where the token is not to blame: a use that is refused again and
  /// again has one issued at once, and then after a minute at the earliest, doubled up to ten.
  /// Until then the token stays, and this is false.
  [[nodiscard]] bool replace_token(TokenUse use, const std::string& token);
  /// The token is taken: if it has been for a minute, the next refusal for this use is the first
  /// again. What the other one is refused goes on. A younger one says nothing: two hosts with one
  /// key would kill each other's tokens at every call.
  void note_token_taken(TokenUse use);

  using Done = std::function<void(KiwoomAnswer)>;
  /// POSTs with a token. A refused one is replaced, a call that was one too many comes again a
  /// second later.
  void call(std::string path, std::string api_id, std::string body, Done done);

  [[nodiscard]] const KiwoomOptions& options() const { return options_; }
  [[nodiscard]] const SourceCalls& calls() const { return calls_; }
  [[nodiscard]] IoThread& io() { return io_; }
  /// What must be in no text: keys, and the last token.
  [[nodiscard]] std::vector<std::string> secrets() const;

 private:
  struct Call {
    KiwoomRequest request;
    Done done;
    bool needs_token = true;
    int retries = 0;
  };
  static constexpr Backoff::Times kReplace = {.first = std::chrono::minutes(1),
                                              .longest = std::chrono::minutes(10)};
  [[nodiscard]] bool has_token() const;
  [[nodiscard]] Call issue();
  void on_token(const KiwoomAnswer& answer);
  void pump();
  void send(Call call);
  void on_response(const HttpsResponse& response);
  [[nodiscard]] bool comes_again(Call& call, const HttpsResponse& response,
                                 const KiwoomAnswer& answer);
  void fail_next(const std::string& error);

  const KiwoomOptions options_;
  const SourceCalls calls_;
  IoThread io_;
  HttpsClient https_;  // the I/O thread's

  std::optional<KiwoomToken> token_;
  std::string last_token_;          // though it be refused
  std::int64_t issued_ns_ = 0;      // when it was, on the monotonic clock
  std::vector<TokenDone> waiting_;  // for a token; not empty: it is being issued
  std::string token_error_;         // of the last issue
  std::int64_t next_issue_ns_ = 0;  // not before, after a failure
  Backoff issue_backoff_{{.first = std::chrono::seconds(1), .longest = std::chrono::seconds(60)}};
  struct Replacing {
    std::int64_t next_ns = 0;  // not before
    Backoff backoff{kReplace};
  };
  std::array<Replacing, 2> replacing_;  // by use

  std::deque<Call> queue_;  // bounded by the callers: each has one
  std::optional<Call> current_;
  std::optional<Call> again_;  // an issue that did not get through
  std::optional<std::uint64_t> limiter_timer_;
  KiwoomLimiter limiter_;
};

}  // namespace broadcast
