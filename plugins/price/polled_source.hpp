#pragma once
// A source that has to be asked: for what is new at once, for everything every interval, and not at
// all while nothing is wanted. [plugin]

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "plugins/price/source.hpp"

namespace broadcast {

class PolledSource : public PriceSource {
 public:
  PolledSource(std::chrono::nanoseconds interval, SourceCalls calls)
      : interval_(interval), calls_(std::move(calls)) {}

  [[nodiscard]] std::chrono::nanoseconds period() const final { return interval_; }
  void start(Events events) override { events_ = std::move(events); }
  void want(const Wanted& wanted) final;

 protected:
  /// Asks for these; the answer may come at once or later.
  virtual void ask(const Wanted& wanted) = 0;
  /// Nobody wants it any more.
  virtual void forget(const std::string& /*ticker*/) {}
  /// Everything is asked for again after `delay`, if that is earlier than it would be anyway.
  void ask_again_within(std::chrono::nanoseconds delay);

  [[nodiscard]] const Events& events() const { return events_; }
  [[nodiscard]] const Wanted& wanted() const { return wanted_; }
  [[nodiscard]] const SourceCalls& calls() const { return calls_; }

 private:
  void arm(std::chrono::nanoseconds delay);

  const std::chrono::nanoseconds interval_;
  const SourceCalls calls_;
  Events events_;
  Wanted wanted_;
  std::optional<std::uint64_t> timer_;  // while something is wanted
};

}  // namespace broadcast
