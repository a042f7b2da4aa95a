#pragma once
// The condition of every broadcaster, as operators see it and as subscribers of
// status:{broadcaster} are told when it changes. Owned by TopicHub; [any].

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/base/guarded.hpp"
#include "host/hub/publisher.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

/// A broadcaster's condition as its subscribers see it on status:{broadcaster}.
enum class BroadcasterState : std::uint8_t { kOk, kDegraded, kStale, kDown, kDisabled };
[[nodiscard]] std::string_view to_string(BroadcasterState state);

class StatusBoard {
 public:
  /// Both outlive the board.
  StatusBoard(TopicTable& topics, Publisher& publisher) : topics_(topics), publisher_(publisher) {}
  StatusBoard(const StatusBoard&) = delete;
  StatusBoard& operator=(const StatusBoard&) = delete;

  /// Publishes on status:{broadcaster} if state or detail differ from the last report. Never
  /// blocks. REQUIRES: UTF-8.
  void report(std::string_view broadcaster, BroadcasterState state, std::string_view detail);

  /// What was reported last.
  struct View {
    std::string broadcaster;
    BroadcasterState state = BroadcasterState::kOk;
    std::string detail;
    std::string since;
  };
  /// By broadcaster.
  [[nodiscard]] std::vector<View> list() const;

 private:
  struct Status {
    BroadcasterState state = BroadcasterState::kOk;
    std::string detail;
    std::string since;
  };

  TopicTable& topics_;
  Publisher& publisher_;
  Guarded<std::unordered_map<std::string, Status>> statuses_;
};

}  // namespace broadcast
