#pragma once
// Who is answerable for what clients make the host do: an account an address, and below it one for
// each connection that has made something. Counted are topics that came into demand because of it,
// until that demand is over, and what its patterns make the host look at. [any]

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "host/base/clock.hpp"
#include "host/base/guarded.hpp"
#include "host/base/limits.hpp"
#include "host/base/token_bucket.hpp"

namespace broadcast {

class Account {
 public:
  /// Which limit is reached.
  enum class Refusal : std::uint8_t { kConnection, kAddress };

  /// Whether try_take_topic() would refuse now.
  [[nodiscard]] std::optional<Refusal> refusal() const;
  /// One topic more is in demand because of a connection. `account` is that connection's own, and
  /// until it has made something, its address's: then it becomes one of its own. Nothing: taken,
  /// and give_back_topic() is to be called once, on what `account` is then.
  [[nodiscard]] static std::optional<Refusal> try_take_topic(std::shared_ptr<Account>& account);
  /// The same whatever the limits are: of a topic that its connection has already.
  static void take_topic(std::shared_ptr<Account>& account);
  void give_back_topic();
  [[nodiscard]] std::size_t topics_per_connection() const {
    return (*limits_)->topics_per_connection;
  }
  [[nodiscard]] std::size_t topics_per_address() const { return (*limits_)->topics_per_address; }

  /// How long until its address may make the host look at topics again; zero: it may.
  [[nodiscard]] std::chrono::nanoseconds debt(MonoTime now);
  void charge_work(std::size_t topics, MonoTime now);

 private:
  friend class Accounts;

  Account(std::shared_ptr<const LiveLimits> limits, std::shared_ptr<Account> address)
      : limits_(std::move(limits)), address_(std::move(address)) {}
  [[nodiscard]] Account& of_address() { return address_ ? *address_ : *this; }

  const std::shared_ptr<const LiveLimits> limits_;
  const std::shared_ptr<Account> address_;  // null: it is the address's own
  std::atomic<std::size_t> topics_{0};
  Guarded<TokenBucket> work_{0.0};  // of an address
};

/// All accounts. An address's is forgotten once nobody has it and its debt is paid off, so that
/// connecting again pays nothing.
class Accounts {
 public:
  explicit Accounts(const Limits& limits) : limits_(std::make_shared<LiveLimits>(limits)) {}
  /// [main] From now on. What is there stays.
  void set_limits(const Limits& limits) { limits_->set(limits); }
  [[nodiscard]] std::shared_ptr<Account> of(std::string_view address, MonoTime now);

 private:
  struct Known {
    std::unordered_map<std::string, std::shared_ptr<Account>> by_address;
    std::size_t look_at = 64;  // so many, and those that may be forgotten are
  };

  const std::shared_ptr<LiveLimits> limits_;
  Guarded<Known> known_;
};

}  // namespace broadcast
