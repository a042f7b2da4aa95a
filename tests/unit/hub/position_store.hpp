#pragma once
// A store that takes everything, keeps nothing, and remembers with which positions of streams it
// came.

#include <string>
#include <vector>

#include "host/hub/state_store.hpp"

namespace broadcast::test {

class PositionStore final : public StateStore {
 public:
  std::vector<StoredTopic> load() override { return {}; }
  SipKey epoch_key() override { return {}; }
  void start(CommitListener&) override {}
  bool stop(MonoTime) override { return true; }
  std::uint64_t try_append(PendingMessage message) override {
    positions.push_back(message.position.id);
    return positions.size();
  }
  void when_committed(std::uint64_t, std::function<void(CommitOutcome)> done) override {
    done(CommitOutcome::kCommitted);
  }
  void post_latest(std::vector<PendingMessage>) override {}
  void post_forgotten(std::string_view) override {}
  std::uint64_t try_keep_position(StreamPosition) override { return 1; }
  std::optional<std::string> position_of(std::string_view) override { return std::nullopt; }

  std::vector<std::string> positions;
};

}  // namespace broadcast::test
