#include "host/hub/account.hpp"

namespace broadcast {

namespace {

/// Of work, what may be done at once: pages come back together.
constexpr double kSecondsAtOnce = 5;

}  // namespace

std::optional<Account::Refusal> Account::refusal() const {
  if (address_ && topics_ >= (*limits_)->topics_per_connection) return Refusal::kConnection;
  const std::size_t most = (*limits_)->topics_per_address;
  const Account& address = address_ ? *address_ : *this;
  if (most > 0 && address.topics_ >= most) return Refusal::kAddress;
  return std::nullopt;
}

std::optional<Account::Refusal> Account::try_take_topic(std::shared_ptr<Account>& account) {
  if (const auto refused = account->refusal()) return refused;
  take_topic(account);
  return std::nullopt;
}

void Account::take_topic(std::shared_ptr<Account>& account) {
  if (!account->address_) {
    account = std::shared_ptr<Account>(new Account(account->limits_, account));
  }
  // Others of this address may take one at this very moment: it is a few more then.
  ++account->topics_;
  ++account->address_->topics_;
}

void Account::give_back_topic() {
  --topics_;
  --of_address().topics_;
}

std::chrono::nanoseconds Account::debt(MonoTime now) {
  const auto rate = static_cast<double>((*limits_)->work_per_address);
  if (rate == 0) return std::chrono::nanoseconds(0);
  return of_address().work_.with_lock(
      [&](TokenBucket& work) { return work.debt(rate, rate * kSecondsAtOnce, now); });
}

void Account::charge_work(std::size_t topics, MonoTime now) {
  const auto rate = static_cast<double>((*limits_)->work_per_address);
  if (rate == 0) return;
  of_address().work_.with_lock([&](TokenBucket& work) {
    work.charge(static_cast<double>(topics), rate, rate * kSecondsAtOnce, now);
  });
}

std::shared_ptr<Account> Accounts::of(std::string_view address, MonoTime now) {
  return known_.with_lock([&](Known& known) {
    if (known.by_address.size() >= known.look_at) {
      std::erase_if(known.by_address, [now](const auto& entry) {
        // 1: only this map has it, and copies are made under this lock or of others'.
        return entry.second.use_count() == 1 && entry.second->debt(now).count() == 0;
      });
      known.look_at = 2 * known.by_address.size() + 64;
    }
    std::shared_ptr<Account>& account = known.by_address[std::string(address)];
    if (!account) account.reset(new Account(limits_, nullptr));
    return account;
  });
}

}  // namespace broadcast
