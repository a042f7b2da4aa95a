#pragma once
// One topic: its name and rules, and under its lock the numbers, the last value, the history and
// who listens. Owned by TopicTable and shared with the shards that subscribe to it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/base/clock.hpp"
#include "host/base/guarded.hpp"
#include "host/hub/account.hpp"
#include "host/hub/history.hpp"
#include "host/hub/inbox.hpp"
#include "host/hub/message.hpp"
#include "host/hub/topic_owner.hpp"

namespace broadcast {

struct Topic {
  struct PerShard {
    std::uint32_t subscribers = 0;
    Inbox::Place place;
  };
  struct State {
    std::uint64_t seq = 0;             // given last
    std::uint64_t delivered_seq = 0;   // below it only while a message waits for the store
    std::uint64_t kept_seq = 0;        // `latest`: of the value that the store was given last
    MessagePtr last;                   // the newest that was delivered, or restored
    std::unique_ptr<History> history;  // `all`, once something was delivered
    std::vector<PerShard> shards;
    std::uint32_t subscribers = 0;  // the sum of shards[i].subscribers
    std::uint32_t named = 0;        // of them, who ask for it by its name
    std::uint32_t deflating = 0;    // of them, who take deflated frames
    // Its owner publishes on it unasked: then a pattern is demand for it, too.
    bool offered = false;
    bool was_named = false;  // somebody asked for it by its name, now or before
    bool demanded = false;   // what the owner was told last
    bool lingering = false;  // stands in Audience's list of topics to be told 0
    MonoTime empty_since{};
    std::shared_ptr<Account> account;  // because of whom it is in demand; null: of nobody's

    [[nodiscard]] bool is_wanted() const { return named > 0 || (offered && subscribers > 0); }
  };

  struct Epochs {
    std::string kept;     // the same after a restart: of numbers that go on, while there are none
    std::string passing;  // of this life's numbers
  };

  // Constant after construction.
  const std::uint64_t id;  // never 0, never used twice
  const std::string name;
  const std::string head;  // {"topic":"<name>","seq":
  const Epochs epochs;

  // Set by TopicTable under its lock, when somebody claims or releases it; `delivery`
  // and `keeps_epoch` only before anything was published on it, and then under the topic's lock,
  // too.
  std::atomic<Delivery> delivery;
  std::atomic<TopicOwner*> owner;  // null: the host's own, or nobody's
  // May be forgotten when nobody listens and the table is nearly full.
  std::atomic<bool> evictable;
  // Something was published on it since it was made or given up. Set under both locks.
  std::atomic<bool> begun = false;
  // Patterns stand for it. Set under both locks.
  std::atomic<bool> listed = false;
  // Under the lock of TopicTable.
  bool fixed = false;                    // a manifest or the host names it
  std::uint64_t idle_number = 0;         // where it stands among the idle ones; 0: it does not
  std::uint64_t idle_seq = 0;            // its number when it was put there
  std::uint64_t given_up = 0;            // by which round, though somebody still had it
  std::atomic<bool> keeps_epoch = true;  // false: `latest`, and somebody serves it

  [[nodiscard]] const std::string& epoch() const {
    return keeps_epoch ? epochs.kept : epochs.passing;
  }

  Guarded<State> state{};
};

using TopicPtr = std::shared_ptr<Topic>;

/// Tells the topic's owner that it is in demand, if it is by now and was not. Under the topic's
/// lock; locks the owner's queue.
void post_new_demand(const Topic& topic, Topic::State& state);
/// It is in demand no more, and nobody is charged for it. Under the topic's lock; the owner is told
/// by the caller.
void end_demand(Topic::State& state);

}  // namespace broadcast
