#pragma once
// Source `sim`: a seeded random walk on KRX tick sizes within the daily limit of 30 %, at any hour.
// Every ticker and index walks by itself: its steps depend on the seed, its own name and how often
// it was polled. [plugin]

#include <cstdint>
#include <map>

#include "plugins/price/polled_source.hpp"

namespace broadcast {

class SimSource final : public PolledSource {
 public:
  SimSource(std::uint64_t seed, std::chrono::nanoseconds interval, SourceCalls calls)
      : PolledSource(interval, std::move(calls)), seed_(seed) {}

  [[nodiscard]] std::string_view name() const override { return "sim"; }
  [[nodiscard]] bool is_simulated() const override { return true; }
  void start(Events events) override;

 private:
  struct Walk {
    std::uint64_t random = 0;  // state of splitmix64
    std::int64_t base = 0;     // won, or hundredths of a point
    std::int64_t value = 0;
    std::int64_t volume = 0;
  };
  void ask(const Wanted& wanted) override;
  /// Asked for again, it sets out from its base price.
  void forget(const std::string& ticker) override { walks_.erase(ticker); }
  [[nodiscard]] Walk& walk_of(const std::string& name, std::int64_t base);
  [[nodiscard]] Quote next_quote(const std::string& ticker);
  [[nodiscard]] IndexQuote next_index(const IndexName& index);

  const std::uint64_t seed_;
  std::map<std::string, Walk> walks_;
};

}  // namespace broadcast
