#include "plugins/price/kiwoom/kiwoom_session.hpp"

#include <exception>
#include <stdexcept>
#include <utility>

namespace broadcast {

namespace {

using nlohmann::json;
using std::chrono::nanoseconds;
using Verdict = KiwoomAnswer::Verdict;

constexpr int kMostRetries = 3;

KiwoomOptions checked(KiwoomOptions options) {
  if (options.app_key.empty()) throw std::invalid_argument("app_key: is empty");
  if (options.secret_key.empty()) throw std::invalid_argument("secret_key: is empty");
  return options;
}

HttpsRequest request_of(const KiwoomRequest& call) {
  HttpsRequest request{.path = call.path,
                       .headers = {{"Content-Type", "application/json;charset=UTF-8"}},
                       .body = call.body};
  if (!call.api_id.empty()) request.headers.emplace_back("api-id", call.api_id);
  if (!call.token.empty()) request.headers.emplace_back("Authorization", "Bearer " + call.token);
  return request;
}

TlsUrl rest_url_of(const std::string& url) {
  try {
    return TlsUrl::parse(url, "https");
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(std::string("rest_url: ") + error.what());
  }
}

}  // namespace

KiwoomSession::KiwoomSession(KiwoomOptions options, SourceCalls calls)
    : options_(checked(std::move(options))),
      calls_(std::move(calls)),
      io_(options_.ca, calls_.post),
      https_(io_, rest_url_of(options_.rest_url),
             {.connect = options_.connect_patience, .answer = options_.answer_patience}) {}

KiwoomSession::~KiwoomSession() {
  stop();
  if (limiter_timer_) calls_.cancel(*limiter_timer_);
}

std::vector<std::string> KiwoomSession::secrets() const {
  return {options_.app_key, options_.secret_key, last_token_};
}

bool KiwoomSession::has_token() const {
  if (!token_) return false;
  const std::int64_t now = calls_.wall_ns();
  const bool may_issue = calls_.mono_ns() >= next_issue_ns_;
  return now < token_->renew_ns || (now < token_->end_ns && !may_issue);
}

void KiwoomSession::with_token(TokenDone done) {
  if (has_token()) return done(token_->text, "");
  if (waiting_.empty() && calls_.mono_ns() < next_issue_ns_) return done("", token_error_);
  waiting_.push_back(std::move(done));
  pump();
}

void KiwoomSession::note_token_taken(TokenUse use) {
  if (calls_.mono_ns() - issued_ns_ < kReplace.first.count()) return;
  replacing_[static_cast<std::size_t>(use)] = {};
}

bool KiwoomSession::replace_token(TokenUse use, const std::string& token) {
  if (!token_ || token_->text != token) return true;  // somebody was here before
  Replacing& replacing = replacing_[static_cast<std::size_t>(use)];
  const std::int64_t now = calls_.mono_ns();
  if (now < replacing.next_ns) return false;
  replacing.next_ns = now + replacing.backoff.next().count();
  token_.reset();
  return true;
}

KiwoomSession::Call KiwoomSession::issue() {
  const json body = {{"grant_type", "client_credentials"},
                     {"appkey", options_.app_key},
                     {"secretkey", options_.secret_key}};
  return {.request = {.path = "/oauth2/token", .body = body.dump()},
          .done = [this](const KiwoomAnswer& answer) { on_token(answer); },
          .needs_token = false};
}

void KiwoomSession::on_token(const KiwoomAnswer& answer) {
  token_error_.clear();
  try {
    if (answer.verdict != Verdict::kOk) throw std::runtime_error(answer.error);
    token_ = token_of(answer.json, calls_.wall_ns());
    last_token_ = token_->text;
    issued_ns_ = calls_.mono_ns();
    issue_backoff_.reset();
  } catch (const std::exception& error) {
    token_error_ = std::string("no token: ") + error.what();
    next_issue_ns_ = calls_.mono_ns() + issue_backoff_.next().count();
  }
  const bool is_there = has_token();  // the one before, where a renewal failed
  for (const TokenDone& done : std::exchange(waiting_, {})) {
    is_there ? done(token_->text, "") : done("", token_error_);
  }
}

void KiwoomSession::call(std::string path, std::string api_id, std::string body, Done done) {
  queue_.push_back(
      {.request = {.path = std::move(path), .api_id = std::move(api_id), .body = std::move(body)},
       .done = std::move(done)});
  pump();
}

/// The next call, when it may go: a token that is waited for comes before all that need one.
void KiwoomSession::pump() {
  if (current_ || limiter_timer_ || (queue_.empty() && waiting_.empty())) return;
  if (waiting_.empty() && !has_token()) {
    return with_token([this](const std::string&, const std::string& error) {
      error.empty() ? pump() : fail_next(error);
    });
  }
  const nanoseconds wait = limiter_.wait(calls_.mono_ns());
  if (wait.count() > 0) {
    limiter_timer_ = calls_.after(wait, [this] {
      limiter_timer_.reset();
      pump();
    });
  } else if (!waiting_.empty()) {
    send(again_ ? *std::exchange(again_, std::nullopt) : issue());
  } else {
    Call next = std::move(queue_.front());
    queue_.pop_front();
    send(std::move(next));
  }
}

void KiwoomSession::send(Call call) {
  if (call.needs_token) call.request.token = token_->text;
  current_ = std::move(call);
  io_.post_io([this, request = request_of(current_->request)] {
    https_.post(request, [this](HttpsResponse response) {
      io_.post_plugin([this, answered = std::move(response)] { on_response(answered); });
    });
  });
}

void KiwoomSession::on_response(const HttpsResponse& response) {
  Call call = *std::exchange(current_, std::nullopt);
  limiter_.note_end(calls_.mono_ns());
  KiwoomAnswer answer{Verdict::kFailed, response.error, {}};
  if (response.error.empty()) {
    answer = call.needs_token ? judge(response.status, response.body, secrets())
                              : judge_issue(response.status, response.body, secrets());
  }
  if (!comes_again(call, response, answer)) {
    call.done(std::move(answer));
  } else if (call.needs_token) {
    queue_.push_front(std::move(call));
  } else {
    again_ = std::move(call);
  }
  pump();
}

bool KiwoomSession::comes_again(Call& call, const HttpsResponse& response,
                                const KiwoomAnswer& answer) {
  if (call.needs_token) {
    if (answer.verdict == Verdict::kOk) note_token_taken(TokenUse::kRest);
    if (answer.verdict == Verdict::kTokenRefused) {
      return replace_token(TokenUse::kRest, call.request.token);
    }
  }
  if (answer.verdict == Verdict::kTooMany) limiter_.pause(calls_.mono_ns());
  const bool is_worth_it = response.was_stale || answer.verdict == Verdict::kTooMany;
  return is_worth_it && ++call.retries <= kMostRetries;
}

void KiwoomSession::fail_next(const std::string& error) {
  const Call call = std::move(queue_.front());
  queue_.pop_front();
  call.done({Verdict::kFailed, error, {}});
  pump();
}

}  // namespace broadcast
