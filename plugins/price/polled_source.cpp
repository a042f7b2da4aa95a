#include "plugins/price/polled_source.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace broadcast {

void PolledSource::want(const Wanted& wanted) {
  Wanted fresh;
  std::ranges::set_difference(wanted.tickers, wanted_.tickers, std::back_inserter(fresh.tickers));
  for (const IndexName& index : wanted.indices) {
    const bool is_known =
        std::ranges::find(wanted_.indices, index.key, &IndexName::key) != wanted_.indices.end();
    if (!is_known) fresh.indices.push_back(index);
  }
  std::vector<std::string> given_up;
  std::ranges::set_difference(wanted_.tickers, wanted.tickers, std::back_inserter(given_up));
  for (const std::string& ticker : given_up) forget(ticker);
  wanted_ = wanted;
  if (wanted_.empty()) {
    if (timer_) calls_.cancel(*std::exchange(timer_, std::nullopt));
    return;
  }
  if (!timer_) arm(interval_);
  if (!fresh.empty()) ask(fresh);
}

void PolledSource::ask_again_within(std::chrono::nanoseconds delay) {
  if (delay >= interval_ || !timer_) return;
  calls_.cancel(*timer_);
  arm(delay);
}

void PolledSource::arm(std::chrono::nanoseconds delay) {
  timer_ = calls_.after(delay, [this] {
    arm(interval_);
    ask(wanted_);
  });
}

}  // namespace broadcast
