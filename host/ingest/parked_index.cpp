#include "host/ingest/parked_index.hpp"

#include <algorithm>
#include <utility>

namespace broadcast {

void ParkedIndex::add(std::string_view topic, const StreamId& id) {
  auto found = topics_.find(topic);
  if (found == topics_.end()) found = topics_.emplace(topic, Topic{}).first;
  found->second.ids.push_back(id);
  ++size_;
}

void ParkedIndex::erase(const Place& place) {
  const auto found = topics_.find(place.topic);
  if (found == topics_.end()) return;
  size_ -= std::erase(found->second.ids, place.id);
  if (!found->second.ids.empty()) return;
  if (found->second.is_served) --served_;
  topics_.erase(found);
}

void ParkedIndex::clear() {
  topics_.clear();
  size_ = 0;
  served_ = 0;
}

std::string_view ParkedIndex::first_topic() const {
  return topics_.empty() ? std::string_view() : topics_.begin()->first;
}

void ParkedIndex::refresh(const std::function<bool(std::string_view)>& is_served, MonoTime now) {
  served_ = 0;
  for (auto& [name, topic] : topics_) {
    topic.is_served = now >= topic.put_off_until && is_served(name);
    if (topic.is_served) ++served_;
  }
}

void ParkedIndex::put_off(std::string_view topic, MonoTime until) {
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return;
  if (std::exchange(found->second.is_served, false)) --served_;
  found->second.put_off_until = until;
}

std::optional<ParkedIndex::Place> ParkedIndex::next() const {
  if (served_ == 0) return std::nullopt;
  std::optional<Place> first;
  for (const auto& [name, topic] : topics_) {
    if (topic.is_served && (!first || topic.ids.front() < first->id)) {
      first = {name, topic.ids.front()};
    }
  }
  return first;
}

std::optional<ParkedIndex::Place> ParkedIndex::victim() const {
  const auto most = std::ranges::max_element(
      topics_, {}, [](const auto& entry) { return entry.second.ids.size(); });
  if (most == topics_.end()) return std::nullopt;
  return Place{most->first, most->second.ids.front()};
}

}  // namespace broadcast
