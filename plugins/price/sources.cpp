#include "plugins/price/sources.hpp"

#include <algorithm>
#include <utility>

namespace broadcast {

namespace {
const std::string kNoAnswer = "no answer for " + std::to_string(Sources::kPatience.count()) + " s";
}  // namespace

Sources::Sources(std::vector<std::unique_ptr<PriceSource>> sources, Calls calls)
    : calls_(std::move(calls)) {
  for (auto& source : sources) members_.push_back({.source = std::move(source)});
}

void Sources::poll(const Wanted& wanted) {
  next_tickers_.insert(wanted.tickers.begin(), wanted.tickers.end());
  if (!wanted.indices.empty()) next_indices_ = wanted.indices;
  if (is_asking_) return;
  is_asking_ = true;
  rest_ = {.tickers = {next_tickers_.begin(), next_tickers_.end()},
           .indices = std::exchange(next_indices_, {})};
  next_tickers_.clear();
  ask_from(0);
}

void Sources::forget(const std::string& ticker) {
  // Who is still to be asked for it would remember it for good.
  std::erase(rest_.tickers, ticker);
  next_tickers_.erase(ticker);
  for (const Member& member : members_) member.source->forget(ticker);
}

void Sources::ask_from(std::size_t at) {
  for (; at < members_.size(); ++at) {
    if (rest_.tickers.empty() && rest_.indices.empty()) break;
    if (members_[at].is_healthy) return ask(at);
    probe(at);
  }
  finish();
}

void Sources::ask(std::size_t at) {
  Member& member = members_[at];
  member.asked_ns = calls_.mono_ns();
  const std::uint64_t turn = ++turn_;
  const auto is_current = [this, turn] { return turn == turn_; };
  const bool is_taken =
      member.source->try_poll(rest_, [this, at, is_current](const PriceSource::Answer& answer) {
        judge(at, answer.error);
        if (!is_current()) return;  // it was given up
        if (answer.error.empty()) deliver(members_[at], answer.quotes);
        go_on(at);
      });
  if (!is_taken) {
    judge(at, "still busy with the question before");
    return go_on(at);
  }
  if (!is_current()) return;  // answered at once
  deadline_ = calls_.after(kPatience, [this, at] {
    deadline_.reset();
    judge(at, kNoAnswer);
    go_on(at);
  });
}

void Sources::probe(std::size_t at) {
  const std::int64_t now = calls_.mono_ns();
  if (members_[at].source->try_poll(
          rest_, [this, at](const PriceSource::Answer& answer) { judge(at, answer.error); })) {
    members_[at].asked_ns = now;
  }
}

/// Healthy is who answers well and in time.
void Sources::judge(std::size_t at, const std::string& error) {
  Member& member = members_[at];
  const std::chrono::nanoseconds took(calls_.mono_ns() - member.asked_ns);
  const bool is_late = took >= kPatience;
  const bool is_healthy = error.empty() && !is_late;
  if (std::exchange(member.is_healthy, is_healthy) == is_healthy) return;
  calls_.on_health(*member.source, error.empty() && is_late ? kNoAnswer : error);
}

void Sources::deliver(const Member& member, const Quotes& quotes) {
  calls_.on_quotes(*member.source, quotes);
  std::set<std::string_view> got;
  for (const auto& [ticker, quote] : quotes.tickers) got.insert(ticker);
  std::erase_if(rest_.tickers, [&](const std::string& ticker) { return got.contains(ticker); });
  for (const auto& [index, quote] : quotes.indices) {
    std::erase_if(rest_.indices,
                  [&key = index.key](const IndexName& one) { return one.key == key; });
  }
}

void Sources::go_on(std::size_t after) {
  ++turn_;
  if (deadline_) calls_.cancel(*std::exchange(deadline_, std::nullopt));
  ask_from(after + 1);
}

void Sources::finish() {
  is_asking_ = false;
  const auto first = std::ranges::find_if(members_, &Member::is_healthy);
  const PriceSource* serving = first == members_.end() ? nullptr : first->source.get();
  if (std::exchange(serving_, serving) != serving) {
    calls_.on_serving(serving, *members_.front().source);
  }
  if (!next_tickers_.empty() || !next_indices_.empty()) poll({});
}

}  // namespace broadcast
