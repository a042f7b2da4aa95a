#include "host/hub/topic_claims.hpp"

#include <algorithm>

#include <broadcast/topic_matcher.hpp>

namespace broadcast {

std::string ClaimConflict::text() const {
  if (delivered.empty()) {
    return "topic \"" + pattern + "\" is already owned by " + owner + " (" + owner_library + ")";
  }
  return "topic \"" + pattern + "\" would change the delivery of \"" + delivered +
         "\", which already has numbers";
}

void TopicClaims::set(TopicOwner& owner, std::string_view library,
                      std::span<const TopicPattern> patterns) {
  std::erase_if(claims_, [&](const Claim& claim) { return claim.owner == &owner; });
  for (const TopicPattern& pattern : patterns) {
    claims_.push_back({pattern, &owner, std::string(library)});
  }
}

bool TopicClaims::try_renew(const TopicOwner& owner, std::string_view library,
                            std::span<const TopicPattern> patterns) {
  std::vector<TopicPattern> had;
  for (const Claim& claim : claims_) {
    if (claim.owner == &owner) had.push_back(claim.pattern);
  }
  if (had.empty() || !std::ranges::equal(had, patterns)) return false;
  for (Claim& claim : claims_) {
    if (claim.owner == &owner) claim.library = library;
  }
  return true;
}

std::optional<ClaimConflict> TopicClaims::conflict_of(
    const TopicOwner& owner, std::span<const TopicPattern> patterns) const {
  for (const TopicPattern& pattern : patterns) {
    if (pattern.text().starts_with(kStatusPrefix)) {
      return ClaimConflict{pattern.text(), "the host", "built in", ""};
    }
    for (const Claim& claim : claims_) {
      if (claim.owner == &owner || !pattern.overlaps(claim.pattern)) continue;
      return ClaimConflict{pattern.text(), std::string(claim.owner->owner_name()), claim.library,
                           ""};
    }
  }
  return std::nullopt;
}

const Claim* TopicClaims::claim_of(std::string_view topic) const {
  if (topic.starts_with(kStatusPrefix)) return nullptr;  // also if a claimed "st{x}" accepts it
  const Claim* best = nullptr;
  for (const Claim& claim : claims_) {
    if (!claim.pattern.accepts(topic)) continue;
    if (best == nullptr || claim.pattern.rank() > best->pattern.rank()) best = &claim;
  }
  return best;
}

bool TopicClaims::may_begin_with(std::string_view prefix) const {
  return std::ranges::any_of(
      claims_, [&](const Claim& claim) { return claim.pattern.may_begin_with(prefix); });
}

bool TopicClaims::has_others_with_placeholder(const TopicOwner& owner) const {
  return std::ranges::any_of(claims_, [&](const Claim& claim) {
    return claim.owner != &owner && claim.pattern.has_placeholder();
  });
}

}  // namespace broadcast
