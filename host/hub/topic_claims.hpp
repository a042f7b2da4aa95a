#pragma once
// Every broadcaster claims the topics that it publishes on, by patterns. A topic must never have
// two owners, so a claim is refused when another owner's overlaps it. Where several patterns of one
// owner accept a topic, the one with the highest rank decides its delivery. Plain data under the
// lock of TopicTable.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/hub/topic_owner.hpp"
#include "host/hub/topic_pattern.hpp"

namespace broadcast {

/// What stands against a claim.
struct ClaimConflict {
  std::string pattern;
  std::string owner;  ///< of the pattern that is in the way
  std::string owner_library;
  std::string delivered;  ///< not empty: no owner is in the way, but this topic, whose numbers
                          ///< clients have, would change its delivery
  /// "topic "price:{ticker}" is already owned by price (libprice.so)", without what to do.
  [[nodiscard]] std::string text() const;
};

struct Claim {
  TopicPattern pattern;
  TopicOwner* owner;
  std::string library;
};

class TopicClaims {
 public:
  /// Replaces what `owner` has claimed. REQUIRES: conflict_of() is nothing.
  void set(TopicOwner& owner, std::string_view library, std::span<const TopicPattern> patterns);
  /// Notes the library, if `owner` has claimed exactly `patterns`. False: it has not.
  [[nodiscard]] bool try_renew(const TopicOwner& owner, std::string_view library,
                               std::span<const TopicPattern> patterns);
  /// Another owner's claim, or the host's own topics, that one of `patterns` overlaps.
  [[nodiscard]] std::optional<ClaimConflict> conflict_of(
      const TopicOwner& owner, std::span<const TopicPattern> patterns) const;
  /// Whose `topic` is; null: nobody's, or the host's own. Valid until the next set().
  [[nodiscard]] const Claim* claim_of(std::string_view topic) const;
  /// Could a claimed topic begin with `prefix`?
  [[nodiscard]] bool may_begin_with(std::string_view prefix) const;
  /// Has anybody but `owner` claimed a pattern with a placeholder?
  [[nodiscard]] bool has_others_with_placeholder(const TopicOwner& owner) const;
  [[nodiscard]] bool empty() const { return claims_.empty(); }

 private:
  std::vector<Claim> claims_;
};

}  // namespace broadcast
