#include "host/hub/sequencer.hpp"

namespace broadcast {

std::size_t Sequencer::count_committed(std::span<const std::uint64_t> commits) {
  std::size_t count = 0;
  for (const std::uint64_t commit : commits) {
    bool is_kept = false;
    when_committed(commit, [&](CommitOutcome outcome) {  // settled: answers at once
      is_kept = outcome == CommitOutcome::kCommitted;
    });
    if (!is_kept) break;
    ++count;
  }
  return count;
}

Verdict not_kept(CommitOutcome outcome, std::size_t committed) {
  const bool is_in_doubt = outcome == CommitOutcome::kInDoubt;
  return {.outcome = Verdict::Outcome::kUnavailable,
          .text = is_in_doubt ? "the disk failed while the message was written to the state file; "
                                "it was not published, but after a crash of the host it may be"
                              : "the message could not be written to the state file; try again "
                                "later",
          .published = committed,
          .last = {},
          .is_in_doubt = is_in_doubt};
}

}  // namespace broadcast
