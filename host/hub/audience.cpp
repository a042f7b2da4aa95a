#include "host/hub/audience.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace broadcast {

Audience::Audience(const HubOptions& options, const std::atomic<std::int64_t>& wall_ns,
                   Counters& counters, TopicTable& topics, Fanout& fanout)
    : options_(options), wall_ns_(wall_ns), counters_(counters), topics_(topics), fanout_(fanout) {}

Audience::JoinResult Audience::join(std::string_view name, std::size_t shard, FrameForm form,
                                    const Since* since, const Asker& asker) {
  JoinResult result;
  const TopicPtr topic = topics_.find_or_create(name, result.error, asker);
  if (!topic) return result;
  bool is_ahead = false;
  topic->state.with_lock([&](Topic::State& state) {
    if (const auto refused = try_want(state, asker.account)) {
      result.error = *refused;
      return;
    }
    result.joined = add_subscriber(topic, state, shard, form, since, is_ahead);
  });
  if (is_ahead) tell_ahead(*topic, *since);
  return result;
}

Joined Audience::join_under(const TopicPtr& topic, std::size_t shard, FrameForm form,
                            const Since* since) {
  bool is_ahead = false;
  Joined joined = topic->state.with_lock([&](Topic::State& state) {
    return add_subscriber(topic, state, shard, form, since, is_ahead);
  });
  if (is_ahead) tell_ahead(*topic, *since);
  return joined;
}

/// `is_ahead`: what recover() says.
Joined Audience::add_subscriber(const TopicPtr& topic, Topic::State& state, std::size_t shard,
                                FrameForm form, const Since* since, bool& is_ahead) const {
  ++state.shards[shard].subscribers;
  ++state.subscribers;
  if (form == FrameForm::kDeflated) ++state.deflating;
  Joined joined{.topic = topic,
                .epoch = topic->epoch(),
                .delivery = topic->delivery,
                .seq = state.delivered_seq,
                .last = state.last,
                .missed = {}};
  if (since != nullptr) is_ahead = recover(*topic, state, *since, joined);
  post_new_demand(*topic, state);
  return joined;
}

/// One more asks for it by its name, and is charged if it comes into demand by that. What its owner
/// publishes unasked is there in any case.
std::optional<SubscribeError> Audience::try_want(Topic::State& state,
                                                 std::shared_ptr<Account>* account) {
  const bool is_made = state.named == 0 && !state.offered;  // also where it lingers
  if (is_made && account != nullptr && state.account != *account) {
    const std::shared_ptr<Account> before = std::exchange(state.account, nullptr);
    if (before) before->give_back_topic();
    if (const auto refused = Account::try_take_topic(*account)) {
      state.account = before;
      if (before) Account::take_topic(state.account);
      return error_of(*refused);
    }
    state.account = *account;
  }
  ++state.named;
  state.was_named = true;
  return std::nullopt;
}

void Audience::answer_for(const TopicPtr& topic, std::shared_ptr<Account>& account) {
  topic->state.with_lock([&](Topic::State& state) {
    if (!state.demanded || state.offered || state.account) return;
    Account::take_topic(account);
    state.account = account;
  });
}

/// One asks for it by its name no more, and may have answered for it.
void Audience::forget_name(const Topic& topic, Topic::State& state, const Account* account) {
  --state.named;
  if (state.named == 0 || !state.account || state.account.get() != account) return;
  std::exchange(state.account, nullptr)->give_back_topic();
  fanout_.push_always(Fanout::subscribed(state), Message::hand_over(topic.id, topic.name), state);
}

std::optional<SubscribeError> Audience::try_name(const TopicPtr& topic,
                                                 std::shared_ptr<Account>& account) {
  return topic->state.with_lock([&](Topic::State& state) {
    const auto refused = try_want(state, account ? &account : nullptr);
    if (!refused) post_new_demand(*topic, state);
    return refused;
  });
}

/// Up to `joined.seq`: what was delivered above it comes by another way.
bool Audience::recover(const Topic& topic, const Topic::State& state, const Since& since,
                       Joined& joined) const {
  if (topic.delivery != Delivery::kAll || since.epoch != topic.epoch()) return false;
  if (since.seq > state.delivered_seq) return true;
  if (since.seq < joined.seq) {
    if (!state.history) return false;
    state.history->drop_older_than(wall_ns_.load(std::memory_order_relaxed) -
                                   options_.history.age.count());
    auto missed = state.history->after(since.seq, state.delivered_seq);
    if (!missed) return false;
    joined.missed = *std::move(missed);
    joined.missed.resize(static_cast<std::size_t>(joined.seq - since.seq));
  }
  joined.recovered = true;
  joined.last.reset();
  return false;
}

/// The state may be older than its clients, or one of them makes numbers up: nothing follows from
/// it but the answer.
void Audience::tell_ahead(const Topic& topic, const Since& since) const {
  counters_.add(Counter::kSinceAhead);
  const auto line = ahead_.with_lock(
      [&](LogThrottle& throttle) { return throttle.line(topic.name, mono_now()); });
  if (!line) return;
  spdlog::warn(
      "{}: a client says that it has received number {}, which the host has not given yet; if many "
      "say so, the state file is older than what they received: stop the host and run broadcastctl "
      "state new-epochs{}",
      line->name, since.seq, line->more());
}

void Audience::leave(const TopicPtr& topic, std::size_t shard, MonoTime now, const Leaver& leaver) {
  const bool lingers = topic->state.with_lock([&](Topic::State& state) {
    const bool was_wanted = state.is_wanted();
    --state.shards[shard].subscribers;
    --state.subscribers;
    if (leaver.form == FrameForm::kDeflated) --state.deflating;
    if (leaver.by_name) forget_name(*topic, state, leaver.account);
    return begins_to_linger(state, was_wanted, now);
  });
  if (lingers) linger(topic, now);
}

void Audience::unname(const TopicPtr& topic, const Account* account, MonoTime now) {
  const bool lingers = topic->state.with_lock([&](Topic::State& state) {
    const bool was_wanted = state.is_wanted();
    forget_name(*topic, state, account);
    return begins_to_linger(state, was_wanted, now);
  });
  if (lingers) linger(topic, now);
}

/// True: it is to be put among those that linger.
bool Audience::begins_to_linger(Topic::State& state, bool was_wanted, MonoTime now) {
  if (!was_wanted || state.is_wanted()) return false;
  state.empty_since = now;
  return !std::exchange(state.lingering, true);
}

void Audience::linger(const TopicPtr& topic, MonoTime now) {
  const MonoTime until = now + options_.demand_linger;
  lingering_.with_lock([&](auto& lingering) { lingering.push_back({topic, until}); });
}

Joined Audience::peek(const TopicPtr& topic) {
  Joined joined{.topic = topic};
  topic->state.with_lock([&](const Topic::State& state) {
    joined.seq = state.delivered_seq;
    joined.last = state.last;
  });
  return joined;
}

Joined Audience::peek(const TopicPtr& topic, std::uint64_t seq, const Since* since) const {
  Joined joined{.topic = topic, .seq = seq};
  bool is_ahead = false;
  topic->state.with_lock([&](const Topic::State& state) {
    if (since != nullptr) is_ahead = recover(*topic, state, *since, joined);
    if (joined.recovered || !state.last) return;
    if (state.last->seq() <= seq) {
      joined.last = state.last;
    } else if (state.history) {
      joined.last = state.history->newest_up_to(seq);
    }
  });
  if (is_ahead) tell_ahead(*topic, *since);
  return joined;
}

Audience::Branch Audience::topics_under(std::string_view prefix, std::size_t most_bytes) const {
  constexpr std::size_t kAroundName = 128;
  Branch branch;
  topics_.for_each_listed(prefix, [&](const TopicPtr& topic) {
    ++branch.looked_at;
    branch.names_bytes += topic->name.size() + kAroundName;
    branch.is_too_large = branch.names_bytes > most_bytes;
    branch.topics.push_back(topic);
    return !branch.is_too_large;
  });
  if (branch.is_too_large) branch.topics.clear();
  return branch;
}

TopicPtr Audience::announced(const Message& announcement) const {
  TopicPtr topic = topics_.find(announcement.payload());
  return topic && topic->id == announcement.topic_id() ? topic : nullptr;
}

std::int64_t Audience::subscribers(std::string_view topic) const {
  const TopicPtr found = topics_.find(topic);
  if (!found) return 0;
  return found->state.with_lock(
      [](const Topic::State& state) { return static_cast<std::int64_t>(state.subscribers); });
}

std::vector<std::pair<std::string, std::int64_t>> Audience::demand_of(
    const TopicOwner& owner) const {
  std::vector<std::pair<std::string, std::int64_t>> demand;
  topics_.for_each("", [&](const TopicPtr& topic) {
    if (topic->owner != &owner) return true;
    topic->state.with_lock([&](const Topic::State& state) {
      if (!state.demanded) return;
      // A lingering topic counts as one: who comes back to it is not told to the owner again.
      demand.emplace_back(topic->name, std::max<std::int64_t>(state.subscribers, 1));
    });
    return true;
  });
  return demand;
}

/// Those whose time is over, a lot of them at the most.
std::vector<Audience::Lingering> Audience::take_lingering(MonoTime now) {
  constexpr std::size_t kMostAtOnce = 256;
  std::vector<Lingering> over;
  lingering_.with_lock([&](auto& lingering) {
    while (!lingering.empty() && lingering.front().until <= now && over.size() < kMostAtOnce) {
      over.push_back(std::move(lingering.front()));
      lingering.pop_front();
    }
  });
  return over;
}

void Audience::on_tick(MonoTime now) {
  for (auto over = take_lingering(now); !over.empty(); over = take_lingering(now)) {
    std::vector<Lingering> again;
    std::vector<TopicPtr> ended;
    for (Lingering& each : over) {
      const Topic& topic = *each.topic;
      each.topic->state.with_lock([&](Topic::State& state) {
        each.until = state.empty_since + options_.demand_linger;
        if (!state.is_wanted() && now < each.until) {  // somebody was back meanwhile
          again.push_back(std::move(each));
          return;
        }
        state.lingering = false;
        if (state.is_wanted()) return;
        end_demand(state);
        if (TopicOwner* const owner = topic.owner) owner->post_demand(topic.name, 0);
        ended.push_back(std::move(each.topic));
      });
    }
    lingering_.with_lock([&](auto& lingering) {
      for (Lingering& each : again) lingering.push_back(std::move(each));
    });
    topics_.put_idle(ended);
  }
}

}  // namespace broadcast
