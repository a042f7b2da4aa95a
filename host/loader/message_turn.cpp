#include "host/loader/message_turn.hpp"

#include <algorithm>
#include <utility>

#include "host/base/assert.hpp"
#include "host/hub/state_store.hpp"

namespace broadcast {

void MessageTurn::begin(const ProducerMessage& message, std::function<void(Verdict)> done) {
  owner_.check();
  BROADCAST_ASSERT(!turn_, "a message's turn began before the one before it had ended");
  producer_.with_lock([&](auto& producer) { producer = std::move(done); });
  turn_ = {.position = message.position,
           .to_leave_out = message.published_before,
           .commits = {},
           .last_topic = {},
           .last = {}};
}

bool MessageTurn::is_under_way() const {
  owner_.check();
  return turn_.has_value();
}

bool MessageTurn::try_leave_out() {
  if (turn_->left_out == turn_->to_leave_out) return false;
  ++turn_->left_out;
  return true;
}

StreamPosition MessageTurn::next_position() const {
  return position_after(turn_->position, turn_->left_out + turn_->commits.size() + 1);
}

void MessageTurn::on_published(std::string_view topic, Published published) {
  turn_->commits.push_back(published.commit);
  published.commit = std::max(published.commit, turn_->last.commit);  // the verdict waits for all
  turn_->last = published;
  turn_->last_topic = topic;
}

void MessageTurn::on_revoked() { turn_->was_revoked = true; }

void MessageTurn::end(bc_status status, const std::string& text) {
  owner_.check();
  BROADCAST_ASSERT(turn_, "a message's turn ended before it had begun");
  Verdict verdict = verdict_of(status, text);
  if (turn_->was_revoked) {
    verdict.outcome = Verdict::Outcome::kUnavailable;
    verdict.text = name_ + " is being replaced; try again";
  }
  verdict.published = turn_->commits.size();
  verdict.topic = std::move(turn_->last_topic);
  verdict.last = turn_->last;
  std::vector<std::uint64_t> commits = std::move(turn_->commits);
  turn_.reset();
  auto done = take_producer();
  if (!done) return;  // it was given up
  const std::uint64_t commit = verdict.last.commit;
  sequencer_.when_committed(
      commit, [&sequencer = sequencer_, commits = std::move(commits), done = std::move(done),
               verdict = std::move(verdict)](CommitOutcome committed) mutable {
        if (committed != CommitOutcome::kCommitted) {
          verdict = not_kept(committed, sequencer.count_committed(commits));
        }
        done(std::move(verdict));
      });
}

void MessageTurn::give_up() {
  const auto done = take_producer();
  if (!done) return;
  done({.outcome = Verdict::Outcome::kUnavailable,
        .text = name_ + " did not finish with this message and was replaced; try again",
        .last = {}});
}

std::function<void(Verdict)> MessageTurn::take_producer() {
  return producer_.with_lock([](auto& producer) { return std::exchange(producer, nullptr); });
}

Verdict MessageTurn::verdict_of(bc_status status, const std::string& text) const {
  const auto because = [&text](const std::string& what) {
    return text.empty() ? what : what + ": " + text;
  };
  Verdict verdict;
  switch (status) {
    case BC_OK:
      verdict.outcome = Verdict::Outcome::kAccepted;
      break;
    case BC_E_BUSY:
    case BC_E_REVOKED:
    case BC_E_NOMEM:
      verdict.text = because(name_ + " is busy");
      break;
    case BC_E_EXCEPTION:
      verdict.text = because(name_ + " failed on this message and is restarting");
      verdict.has_failed_on_it = true;
      break;
    case BC_E_RESTART:
      verdict.text = because(name_ + " is restarting at its own request");
      verdict.has_failed_on_it = true;
      break;
    default:
      verdict.outcome = Verdict::Outcome::kRefused;
      verdict.text =
          text.empty() ? name_ + " refused it (status " + std::to_string(status) + ")" : text;
  }
  return verdict;
}

}  // namespace broadcast
