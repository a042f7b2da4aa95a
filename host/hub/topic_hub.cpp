#include "host/hub/topic_hub.hpp"

namespace broadcast {

TopicHub::TopicHub(const Options& options, Counters& counters)
    : options_(options),
      limits_(options.limits),
      fanout_(counters),
      topics_(options_, limits_, counters, fanout_),
      sequencer_(options_, limits_, wall_ns_, topics_, fanout_),
      publisher_(limits_, options_.strict, counters, topics_, sequencer_),
      audience_(options_, wall_ns_, counters, topics_, fanout_),
      statuses_(topics_, publisher_) {}

void TopicHub::open_store(StateStore& store) {
  topics_.open_store(store);
  sequencer_.open_store(store);
}

void TopicHub::set_limits(const Options& options) {
  limits_.set(options.limits);
  topics_.set_options(options);
}

void TopicHub::on_tick(MonoTime now, std::int64_t wall_ns) {
  wall_ns_.store(wall_ns, std::memory_order_relaxed);
  audience_.on_tick(now);
  topics_.on_tick();
  sequencer_.on_tick();
}

}  // namespace broadcast
