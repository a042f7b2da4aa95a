#pragma once
// The sources in the order of the YAML: the first healthy one serves; what it does not have is
// asked of the next. A source that fails, or does not answer in time, is unhealthy until it answers
// again; it is asked meanwhile, but not waited for. Owned by the broadcaster; [plugin].

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/price/source.hpp"

namespace broadcast {

class Sources {
 public:
  /// How long a healthy source is waited for.
  static constexpr std::chrono::seconds kPatience{3};

  struct Calls {
    std::function<std::int64_t()> mono_ns;
    std::function<std::uint64_t(std::chrono::nanoseconds, std::function<void()>)> after;
    std::function<void(std::uint64_t)> cancel;
    std::function<void(const PriceSource&, const Quotes&)> on_quotes;
    /// The health of `source` has changed; `error` is empty where it is healthy.
    std::function<void(const PriceSource& source, const std::string& error)> on_health;
    /// The first healthy one now, and the one that should serve.
    std::function<void(const PriceSource* serving, const PriceSource& preferred)> on_serving;
  };

  Sources(std::vector<std::unique_ptr<PriceSource>> sources, Calls calls);

  /// Asks for all of it; while a round is under way, as soon as that is over.
  void poll(const Wanted& wanted);
  void forget(const std::string& ticker);

 private:
  struct Member {
    std::unique_ptr<PriceSource> source;
    bool is_healthy = true;  // until it is known better, it is waited for
    std::int64_t asked_ns = 0;
  };
  void ask_from(std::size_t at);
  void ask(std::size_t at);
  void probe(std::size_t at);
  void judge(std::size_t at, const std::string& error);
  void deliver(const Member& member, const Quotes& quotes);
  void go_on(std::size_t after);
  void finish();

  std::vector<Member> members_;
  const Calls calls_;
  bool is_asking_ = false;
  std::uint64_t turn_ = 0;  // which answer is waited for
  std::optional<std::uint64_t> deadline_;
  Wanted rest_;
  std::set<std::string> next_tickers_;
  std::vector<IndexName> next_indices_;
  std::optional<const PriceSource*> serving_;  // as told last
};

}  // namespace broadcast
