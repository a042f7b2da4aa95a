#include "plugins/price/kiwoom/kiwoom_rest_source.hpp"

#include <utility>

#include <nlohmann/json.hpp>

namespace broadcast {

KiwoomRestSource::KiwoomRestSource(std::chrono::nanoseconds interval,
                                   std::shared_ptr<KiwoomSession> session)
    : interval_(interval), session_(std::move(session)) {}

KiwoomRestSource::~KiwoomRestSource() {
  session_->stop();
  if (timer_) session_->calls().cancel(*timer_);
}

void KiwoomRestSource::start(Events events) {
  events_ = std::move(events);
  begin_round();
}

void KiwoomRestSource::want(const Wanted& wanted) {
  std::set<std::string> now(wanted.tickers.begin(), wanted.tickers.end());
  for (const std::string& ticker : now) {
    if (!wanted_.contains(ticker)) fresh_.insert(ticker);
  }
  wanted_ = std::move(now);
  const auto is_over = [this](const std::string& ticker) { return !wanted_.contains(ticker); };
  std::erase_if(fresh_, is_over);
  std::erase_if(round_, is_over);
  ask_next();
}

/// A round that takes longer than the interval is finished first.
void KiwoomRestSource::begin_round() {
  timer_ = session_->calls().after(interval_, [this] { begin_round(); });
  if (round_.empty() && fresh_.empty()) round_ = wanted_;
  ask_next();
}

void KiwoomRestSource::ask_next() {
  if (is_asking_ || !timer_) return;
  std::vector<std::string> codes = take_batch();
  if (codes.empty()) return;
  std::string list;
  for (const std::string& code : codes) list += (list.empty() ? "" : "|") + code;
  is_asking_ = true;
  session_->call("/api/dostk/stkinfo", "ka10095", nlohmann::json{{"stk_cd", list}}.dump(),
                 [this, codes = std::move(codes)](const KiwoomAnswer& answer) {
                   is_asking_ = false;
                   on_answer(codes, answer);
                   ask_next();
                 });
}

std::vector<std::string> KiwoomRestSource::take_batch() {
  std::vector<std::string> batch;
  for (std::set<std::string>* from : {&fresh_, &round_}) {
    while (!from->empty() && batch.size() < kBatch) {
      batch.push_back(std::move(from->extract(from->begin()).value()));
      round_.erase(batch.back());
    }
  }
  return batch;
}

void KiwoomRestSource::on_answer(const std::vector<std::string>& codes,
                                 const KiwoomAnswer& answer) {
  std::string error = answer.error;
  if (answer.verdict == KiwoomAnswer::Verdict::kOk) {
    if (const auto rows = quotes_of(answer.json, codes, session_->calls().wall_ns())) {
      events_.on_link("");
      rows->refused.tell(events_.on_refused);
      events_.on_quotes({.tickers = rows->quotes, .indices = {}});  // none: a sign of life
      return;
    }
    error = "an answer without the list atn_stk_infr";
  }
  // The next round asks for all of them again.
  fresh_.clear();
  round_.clear();
  events_.on_link(error);
}

}  // namespace broadcast
