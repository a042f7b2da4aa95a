#include "plugins/price/failover.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace broadcast {

namespace {

bool is_believable(const AsOf& said, Failover::Now now) {
  return said.ns != 0 &&
         said.ns <= now.wall_ns + std::chrono::nanoseconds(Failover::kMaxAhead).count();
}

std::string joined(const std::vector<std::string>& words, std::string_view joint) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : std::string(joint)) + word;
  return text;
}

}  // namespace

Failover::Failover(std::vector<Source> sources, Options options) : options_(std::move(options)) {
  for (Source& source : sources) members_.push_back({.source = std::move(source)});
}

void Failover::want(const std::string& ticker) {
  const auto [item, is_new] = items_.try_emplace(ticker, members_.size());
  if (!is_new) return;
  if (const auto known = given_up_.extract(ticker)) item->second.last = known.mapped();
}

void Failover::forget(const std::string& ticker) {
  const auto item = items_.extract(ticker);
  if (item && item.mapped().last.truth) given_up_.emplace(ticker, item.mapped().last);
}

void Failover::want(const IndexName& index) {
  const auto* const known = std::ranges::find(kIndices, index.key, &IndexName::key);
  items_.try_emplace(std::string(index.key), members_.size()).first->second.index = known;
}

bool Failover::on_link(std::size_t at, bool is_up, Now now) {
  Member& member = members_[at];
  member.is_known = true;
  if (!is_up) return become(member, Condition::kDown);
  if (member.condition == Condition::kNew) {
    member.sign_ns = now.mono_ns;
    return become(member, Condition::kHealthy);
  }
  if (member.condition != Condition::kDown) return false;
  member.sign_ns = now.mono_ns;
  member.good_ns.reset();
  if (!expects_data(member, now)) member.good_ns = now.mono_ns;
  return become(member, Condition::kRecovering);
}

void Failover::on_data(std::size_t at, Now now) {
  on_link(at, /*is_up=*/true, now);  // whoever delivers is connected
  Member& member = members_[at];
  member.sign_ns = now.mono_ns;
  if (member.condition == Condition::kSilent) {
    become(member, Condition::kRecovering);
    member.good_ns.reset();
  }
  if (!member.good_ns) member.good_ns = now.mono_ns;
}

AsOf Failover::as_of(std::size_t at, const AsOf& said, Now now) const {
  if (members_[at].source.is_simulated) return {};
  if (said.day) return said;
  const TradingHours& hours = options_.hours;
  // A time of day may have been given a date on which nothing is traded.
  if (is_believable(said, now)) {
    return hours.trades_on(korean_day(said.ns)) ? said : AsOf{.day = hours.last_full_day(said.ns)};
  }
  if (hours.has_opened(now.wall_ns)) return {.ns = now.wall_ns};
  return {.day = hours.last_full_day(now.wall_ns)};
}

void Failover::on_newest(std::size_t at, const NewestRows& newest) {
  NewestRows& known = members_[at].newest;
  if (newest.prices) known.prices = newest.prices;
  if (newest.indices) known.indices = newest.indices;
}

Failover::Verdict Failover::on_quote(std::size_t at, std::string_view key, const AsOf& said,
                                     Now now) {
  const auto found = items_.find(key);
  if (found == items_.end()) return Verdict::kUnwanted;
  Item& item = found->second;
  Seen& seen = item.seen[at];
  if (is_believable(said, now)) {
    if (said.ns < seen.newest_ns) return Verdict::kOlder;
    seen.newest_ns = said.ns;
  }
  on_data(at, now);
  seen.life = members_[at].life;
  seen.truth.reset();
  const AsOf when = as_of(at, said, now);
  // A row of tomorrow is written today: it is no newer than what is live.
  if (when.day) seen.truth = {std::min(*when.day, korean_day(now.wall_ns)), false};
  if (when.ns != 0) seen.truth = {korean_day(when.ns), true};
  return verdict_on(at, item);
}

Failover::Verdict Failover::on_kept(std::size_t at, std::string_view key) {
  const auto found = items_.find(key);
  return found == items_.end() ? Verdict::kUnwanted : verdict_on(at, found->second);
}

Failover::Verdict Failover::verdict_on(std::size_t at, Item& item) {
  if (is_behind_what_stands(at, item)) return Verdict::kStands;
  if (server_of(item) != at) {
    const bool may_serve_later = members_[at].condition == Condition::kRecovering && has(at, item);
    return may_serve_later ? Verdict::kLater : Verdict::kWaits;
  }
  // Whoever stands behind has to deliver it anew before it serves it: it may not have it any more.
  for (std::size_t behind = at + 1; behind < item.seen.size(); ++behind) item.seen[behind].life = 0;
  const Published published{at, item.seen[at].truth};
  has_news_ |= std::exchange(item.last, published) != published;
  return Verdict::kServes;
}

/// What it has is older than what was published last. Of live values of one source times decide,
/// and a daily row that it does not have any more was a mistake.
bool Failover::is_behind_what_stands(std::size_t at, const Item& item) const {
  const auto& truth = item.seen[at].truth;
  const auto& last = item.last.truth;
  if (!truth || !last || (item.last.by == at && truth->is_live == last->is_live)) return false;
  return *truth < *last;
}

bool Failover::on_time(Now now) {
  last_full_day_ = options_.hours.last_full_day(now.wall_ns);
  bool has_changed = false;
  for (std::size_t at = 0; at < members_.size(); ++at) {
    has_changed |= become(members_[at], next_condition(at, now));
  }
  return has_changed;
}

Failover::Condition Failover::next_condition(std::size_t at, Now now) {
  Member& member = members_[at];
  using enum Condition;
  const auto been = [&now](std::int64_t since_ns, std::chrono::nanoseconds duration) {
    return now.mono_ns - since_ns >= duration.count();
  };
  switch (member.condition) {
    case kNew:
      return member.is_wanted && been(member.sign_ns, kPatience) ? kDown : kNew;
    case kHealthy:
      return is_silent(member, now) ? kSilent : kHealthy;
    case kSilent:
      if (expects_data(member, now)) return kSilent;
      member.good_ns = now.mono_ns;
      return kRecovering;
    case kDown:
      // What it was is not asked for while it idles behind others: whether it answers, the next
      // question shows.
      return is_idle_behind(at) ? kNew : kDown;
    case kRecovering:
      if (is_silent(member, now)) return kSilent;
      if (!member.good_ns && !expects_data(member, now)) member.good_ns = now.mono_ns;
      return member.good_ns && been(*member.good_ns, options_.recover_after) ? kHealthy
                                                                             : kRecovering;
  }
  return member.condition;
}

bool Failover::become(Member& member, Condition condition) {
  if (member.condition == condition) return false;
  if (condition == Condition::kRecovering) {
    member.was_silent = member.condition == Condition::kSilent;
  }
  // What is delivered while it recovers is of the life that begins then.
  if (condition == Condition::kRecovering || member.condition == Condition::kNew) ++member.life;
  member.condition = condition;
  return true;
}

bool Failover::expects_data(const Member& member, Now now) const {
  return member.is_wanted && options_.hours.open_for(now.wall_ns).has_value();
}

bool Failover::is_silent(const Member& member, Now now) const {
  const auto open_for = options_.hours.open_for(now.wall_ns);
  if (!member.is_wanted || !open_for) return false;
  const std::chrono::nanoseconds quiet(now.mono_ns - member.sign_ns);
  return std::min(quiet, *open_for) >= options_.stale_after + member.source.period;
}

bool Failover::is_idle_behind(std::size_t at) const {
  return !members_[at].is_wanted &&
         std::any_of(members_.begin(), members_.begin() + static_cast<std::ptrdiff_t>(at),
                     [](const Member& one) { return one.condition == Condition::kHealthy; });
}

bool Failover::can_have(std::size_t at, const Item& item) const {
  return item.index == nullptr || members_[at].source.has_indices;
}

bool Failover::has(std::size_t at, const Item& item) const {
  return item.seen[at].life == members_[at].life;
}

/// members_.size() where there is none. Whoever has nothing newer than what stands gives way to the
/// next that has, but never to what is simulated.
std::size_t Failover::first_that_has(Condition condition, const Item& item) const {
  const std::size_t none = members_.size();
  std::size_t first = none;
  for (std::size_t at = 0; at < none; ++at) {
    if (members_[at].condition != condition || !has(at, item)) continue;
    if (first != none && members_[at].source.is_simulated) continue;
    if (!is_behind_what_stands(at, item)) return at;
    first = std::min(first, at);
  }
  return first;
}

std::size_t Failover::server_of(const Item& item) const {
  const bool is_any_healthy = first_healthy_for(item) < members_.size();
  return first_that_has(is_any_healthy ? Condition::kHealthy : Condition::kRecovering, item);
}

/// Also members_.size() where there is none.
std::size_t Failover::first_healthy_for(const Item& item) const {
  std::size_t at = 0;
  while (at < members_.size() &&
         !(members_[at].condition == Condition::kHealthy && can_have(at, item))) {
    ++at;
  }
  return at;
}

/// So that nothing is to be asked of `at`.
bool Failover::is_served_before(std::size_t at, const Item& item) const {
  const std::size_t server = first_that_has(Condition::kHealthy, item);
  if (server >= at) return false;
  return members_[at].source.is_simulated || !is_behind_what_stands(server, item);
}

Wanted Failover::take_wanted(std::size_t at, Now now) {
  Wanted wanted;
  for (const auto& [key, item] : items_) {
    if (!can_have(at, item) || is_served_before(at, item)) continue;
    if (item.index != nullptr) {
      wanted.indices.push_back(*item.index);
    } else {
      wanted.tickers.push_back(key);
    }
  }
  std::ranges::sort(wanted.indices, {}, &IndexName::code);
  Member& member = members_[at];
  const bool was_wanted = std::exchange(member.is_wanted, !wanted.empty());
  if (!was_wanted && member.is_wanted) member.sign_ns = now.mono_ns;
  return wanted;
}

Failover::Standing Failover::standing() const {
  Standing standing;
  if (items_.empty()) return standing;
  const std::size_t none = members_.size();
  std::vector<bool> is_of_use(none);  // it might serve something
  std::vector<bool> is_missed(none);  // it might serve something that no better healthy one does
  std::vector<bool> serves(none);
  for (const auto& [key, item] : items_) {
    if (const std::size_t server = server_of(item); server < none) {
      // Where its own source is well, what stands is simply its last trade.
      const std::size_t by = is_behind_what_stands(server, item) ? item.last.by : server;
      if (by == server || (by < none && members_[by].condition == Condition::kHealthy)) {
        serves[by] = true;
      } else {
        standing.is_last_standing = true;
      }
    }
    const std::size_t healthy = first_that_has(Condition::kHealthy, item);
    const std::size_t bound = healthy < none ? healthy : first_healthy_for(item);
    for (std::size_t at = 0; at < none; ++at) {
      if (!can_have(at, item)) continue;
      is_of_use[at] = true;
      if (at < bound) is_missed[at] = true;
    }
  }
  const bool is_any_serving =
      standing.is_last_standing || std::ranges::find(serves, true) != serves.end();
  bool is_any_silent = false;
  for (std::size_t at = 0; at < none; ++at) {
    if (!is_of_use[at]) continue;
    const Condition condition = members_[at].condition;
    const bool is_up = condition == Condition::kHealthy || condition == Condition::kNew;
    if (serves[at]) {
      standing.serving.push_back(at);
      std::ranges::move(behind_of(at), std::back_inserter(standing.behind));
    }
    if (!is_up && (is_missed[at] || !is_any_serving)) standing.missing.push_back(at);
    if (is_up && !is_any_serving && !standing.asking) standing.asking = at;
    is_any_silent |= condition == Condition::kSilent || condition == Condition::kRecovering;
  }
  if (is_any_serving || standing.asking) {
    const bool is_well = standing.missing.empty() && standing.behind.empty();
    standing.health = is_well ? Health::kOk : Health::kDegraded;
  } else {
    standing.health = is_any_silent ? Health::kStale : Health::kDown;
  }
  return standing;
}

/// Prices and indices are rows of different tables.
std::vector<Failover::Behind> Failover::behind_of(std::size_t at) const {
  bool serves_rows[2] = {};
  for (const auto& [key, item] : items_) {
    const auto& truth = item.seen[at].truth;
    if (!truth || truth->is_live || server_of(item) != at) continue;
    if (!is_behind_what_stands(at, item)) serves_rows[item.index != nullptr] = true;
  }
  std::vector<Behind> behind;
  for (const bool is_index : {false, true}) {
    const auto& day = is_index ? members_[at].newest.indices : members_[at].newest.prices;
    if (serves_rows[is_index] && day && *day < last_full_day_) {
      behind.push_back({at, is_index, *day});
    }
  }
  return behind;
}

bool Failover::is_beginning() const {
  return std::ranges::any_of(members_, [](const Member& member) {
    return member.is_wanted && !member.is_known && member.condition == Condition::kNew;
  });
}

std::string Failover::detail(const Standing& standing) const {
  std::vector<std::string> parts;
  for (const std::size_t at : standing.missing) {
    parts.push_back(members_[at].source.name + fault_of(at, standing));
  }
  std::vector<std::string> names;
  for (const std::size_t at : standing.serving) names.push_back(members_[at].source.name);
  if (standing.is_last_standing) names.emplace_back("the last live prices");
  if (!names.empty()) {
    parts.push_back("serving " + joined(names, " and "));
  } else if (items_.empty()) {
    parts.emplace_back("nothing is asked for");
  } else {
    parts.push_back(standing.asking ? "asking " + members_[*standing.asking].source.name
                                    : "no prices");
  }
  return joined(parts, ", ");
}

const char* Failover::fault_of(std::size_t at, const Standing& standing) const {
  const Member& member = members_[at];
  if (std::ranges::find(standing.serving, at) != standing.serving.end()) return " is recovering";
  const bool is_silent = member.condition == Condition::kSilent ||
                         (member.condition == Condition::kRecovering && member.was_silent);
  return is_silent ? " is silent" : " does not answer";
}

}  // namespace broadcast
