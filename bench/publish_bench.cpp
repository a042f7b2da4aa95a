// publish_bench: what publishing one message costs before a shard sees it, in nanoseconds and in
// allocations, by the number of subscribers; and what of that is making the message.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "host/base/counters.hpp"
#include "host/hub/inbox.hpp"
#include "host/hub/message.hpp"
#include "host/hub/topic_hub.hpp"
#include "tests/unit/hub/allocations.hpp"

namespace broadcast {
namespace {

constexpr std::int64_t kBetweenDrains = 256;

class Feed final : public TopicOwner {
 public:
  [[nodiscard]] std::string_view owner_name() const override { return "feed"; }
  void post_message(ProducerMessage, std::function<void(Verdict)> done) override { done({}); }
  void post_demand(std::string_view, std::int64_t) override {}
};

/// As bench_feed's: 300 bytes with topic and number.
std::string payload() {
  const std::string begin = R"({"type":"bench","t":123456789012345,"bseq":1234567,"pad":")";
  const std::size_t in_front = std::string_view(R"("topic":"bench","seq":1234567,)").size();
  return begin + std::string(300 - in_front - begin.size() - 2, 'x') + "\"}";
}

void count_allocations(benchmark::State& state, std::size_t made) {
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(made), benchmark::Counter::kAvgIterations);
}

void publish(benchmark::State& state, Delivery delivery) {
  Counters counters;
  TopicHub hub({}, counters);
  Inbox inbox([] {});
  const std::size_t shard = hub.add_shard(inbox);
  Feed feed;
  if (hub.topics().try_claim(feed, "libfeed.so", {{"bench", "", delivery}})) std::abort();
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    if (!hub.audience().join("bench", shard).joined) std::abort();
  }
  const std::string text = payload();
  std::vector<MessagePtr> drained;
  std::size_t made = 0;
  while (state.KeepRunningBatch(kBetweenDrains)) {
    const std::size_t before = allocations();
    for (std::int64_t i = 0; i < kBetweenDrains; ++i) {
      benchmark::DoNotOptimize(hub.publisher().publish(feed, "bench", text));
    }
    made += allocations() - before;
    state.PauseTiming();
    inbox.take(drained);
    drained.clear();
    state.ResumeTiming();
  }
  count_allocations(state, made);
}

void encode(benchmark::State& state) {
  const std::string text = payload();
  const std::size_t before = allocations();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Message::publication(1, Delivery::kLatest, 1'234'567, R"({"topic":"bench","seq":)", text));
  }
  count_allocations(state, allocations() - before);
}

BENCHMARK_CAPTURE(publish, latest, Delivery::kLatest)->Arg(0)->Arg(1)->Arg(1000);
BENCHMARK_CAPTURE(publish, all, Delivery::kAll)->Arg(0)->Arg(1)->Arg(1000);
BENCHMARK(encode);

}  // namespace
}  // namespace broadcast

BENCHMARK_MAIN();
