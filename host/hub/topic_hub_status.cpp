// TopicHub: what is known of each broadcaster's condition, and status:{broadcaster}.

#include <algorithm>
#include <array>
#include <utility>

#include <broadcast/units.hpp>

#include "host/base/utf8.hpp"
#include "host/hub/json_text.hpp"
#include "host/hub/topic_hub.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kMaxDetailBytes = 1024;

std::string status_text(std::string_view broadcaster, BroadcasterState state,
                        std::string_view detail, std::string_view since) {
  std::string text = R"({"type":"status","broadcaster":)";
  append_quoted(text, broadcaster);
  text += R"(,"state":")";
  text += to_string(state);
  text += R"(","detail":)";
  append_quoted(text, detail);
  text += R"(,"since":)";
  append_quoted(text, since);
  text += '}';
  return text;
}

}  // namespace

std::string_view to_string(BroadcasterState state) {
  static constexpr std::array<std::string_view, 5> kNames = {"ok", "degraded", "stale", "down",
                                                             "disabled"};
  return kNames[static_cast<std::size_t>(state)];
}

void TopicHub::report_status(std::string_view broadcaster, BroadcasterState state,
                             std::string_view detail) {
  detail = cut_utf8(detail, kMaxDetailBytes);
  const std::string key(broadcaster);
  // Published under the lock, so that two reports cannot overtake each other: statuses -> topic ->
  // inbox.
  statuses_.with_lock([&](auto& statuses) {
    const auto [entry, is_new] = statuses.try_emplace(key);
    Status& status = entry->second;
    if (!is_new && status.state == state && status.detail == detail) return;
    if (is_new || status.state != state) status.since = iso_timestamp(wall_now_ns());
    status.state = state;
    status.detail = detail;
    const std::string name = std::string(kStatusPrefix) + key;
    const TopicPtr topic = table_.with_lock([&](Table& table) {
      const auto found = table.topics.find(name);
      if (found != table.topics.end()) return found->second;
      return insert(table, name, Delivery::kLatest, nullptr, false);
    });
    Published result;
    publish_to(topic, status_text(broadcaster, state, status.detail, status.since), {}, result);
  });
}

std::vector<TopicHub::StatusView> TopicHub::statuses() const {
  std::vector<StatusView> views;
  statuses_.with_lock([&](const auto& statuses) {
    for (const auto& [name, status] : statuses) {
      views.push_back({name, status.state, status.detail, status.since});
    }
  });
  std::ranges::sort(views, {}, &StatusView::broadcaster);
  return views;
}

}  // namespace broadcast
