#include "host/hub/status_board.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include <broadcast/topic_matcher.hpp>
#include <broadcast/units.hpp>

#include "host/base/clock.hpp"
#include "host/base/utf8.hpp"
#include "host/hub/json_text.hpp"

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

void StatusBoard::report(std::string_view broadcaster, BroadcasterState state,
                         std::string_view detail) {
  detail = cut_utf8(detail, kMaxDetailBytes);
  const std::string key(broadcaster);
  // Published under the lock, so that two reports cannot overtake each other: statuses -> table,
  // then topic -> inbox.
  statuses_.with_lock([&](auto& statuses) {
    const auto [entry, is_new] = statuses.try_emplace(key);
    Status& status = entry->second;
    if (!is_new && status.state == state && status.detail == detail) return;
    if (is_new || status.state != state) status.since = iso_timestamp(wall_now_ns());
    status.state = state;
    status.detail = detail;
    publisher_.publish_own(topics_.find_or_create_own(std::string(kStatusPrefix) + key),
                           status_text(broadcaster, state, status.detail, status.since));
  });
}

std::vector<StatusBoard::View> StatusBoard::list() const {
  std::vector<View> views;
  statuses_.with_lock([&](const auto& statuses) {
    for (const auto& [name, status] : statuses) {
      views.push_back({name, status.state, status.detail, status.since});
    }
  });
  std::ranges::sort(views, {}, &View::broadcaster);
  return views;
}

}  // namespace broadcast
