// Failover: what the next generation has to know, or a daily row would replace a newer live value
// that still stands in its topic.

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <tuple>

#include <nlohmann/json.hpp>

#include "plugins/price/failover.hpp"

namespace broadcast {

/// Thousands of tickers share a source and a day: [{"source","day","live","of":["005930"]}].
std::string Failover::memory() {
  has_news_ = false;
  std::map<std::tuple<std::size_t, Truth>, nlohmann::json> groups;
  const auto add = [&](const std::string& key, const Published& last) {
    if (last.truth) groups[{last.by, *last.truth}].push_back(key);
  };
  for (const auto& [key, item] : items_) add(key, item.last);
  for (const auto& [key, last] : given_up_) add(key, last);
  nlohmann::json memory = nlohmann::json::array();
  for (auto& [group, keys] : groups) {
    const auto& [by, truth] = group;
    memory.push_back({{"source", by < members_.size() ? members_[by].source.name : ""},
                      {"day", day_text(truth.day)},
                      {"live", truth.is_live},
                      {"of", std::move(keys)}});
  }
  return memory.dump();
}

void Failover::remember(std::string_view memory, Now now) {
  try {
    for (const auto& group : nlohmann::json::parse(memory)) {
      const std::string day_said = group.at("day");
      const auto day = parse_day(day_said);
      if (!day) throw std::runtime_error("\"" + day_said + "\" is no day");
      if (*day > korean_day(now.wall_ns)) continue;
      const auto source = std::ranges::find(
          members_, group.at("source").get_ref<const std::string&>(),
          [](const Member& member) -> const std::string& { return member.source.name; });
      const Published last{static_cast<std::size_t>(std::distance(members_.begin(), source)),
                           Truth{.day = *day, .is_live = group.at("live")}};
      for (const std::string key : group.at("of")) {
        const auto item = items_.find(key);
        if (item == items_.end()) {
          given_up_.insert_or_assign(key, last);
        } else {
          item->second.last = last;
        }
      }
    }
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(error.what());
  }
}

}  // namespace broadcast
