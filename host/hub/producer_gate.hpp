#pragma once
// Every message that a producer sends passes this gate on its way to the topic's owner: the gate
// finds the owner, checks the payload, hands it over and counts what becomes of it. A door (HTTP,
// Pub/Sub, Streams) brings the message and says in its own words what the gate answers. Owned by
// app/server; [any].

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "host/base/counters.hpp"
#include "host/base/limits.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/hub/topic_table.hpp"

namespace broadcast {

/// Why a producer's message goes to nobody.
enum class Refusal : std::uint8_t {
  kTooLarge,    ///< beyond limits.publish
  kNotJson,     ///< or nested too deep
  kNeither,     ///< JSON, but neither an object nor a list
  kNoOwner,     ///< no broadcaster and no relay serves its topic
  kRefused,     ///< its owner found it wrong
  kUnavailable  ///< its owner cannot take it now
};
inline constexpr std::size_t kRefusals = 6;
/// For logs and metrics: "not_json".
[[nodiscard]] std::string_view to_string(Refusal refusal);
/// The same as a sentence, for people who read a log.
[[nodiscard]] std::string_view words_of(Refusal refusal);

/// What the gate did not hand to an owner, and why: neither kRefused nor kUnavailable, which only
/// an owner says.
struct TurnedAway {
  Refusal refusal;
  std::string place = {};  ///< with kNotJson: where it stops being JSON; empty: it is JSON, nested
                           ///< deeper than kMaxNesting
};
/// For people who read a log; says the place, if there is one.
[[nodiscard]] std::string words_of(const TurnedAway& turned_away);

/// Which payloads a door takes.
struct PayloadRules {
  enum class Json : std::uint8_t { kAny, kObjectsAndLists };
  Json json = Json::kObjectsAndLists;
  std::size_t most_bytes = Limits{}.publish_bytes;  ///< the door sets it to limits.publish
};

class ProducerGate {
 public:
  /// What every message that comes in by one door has in common.
  struct Door {
    std::string_view source;  ///< as of ProducerMessage
    PayloadRules takes;
  };
  using Done = std::function<void(Verdict)>;

  /// `topics` outlive the gate; `counters` outlive every verdict.
  ProducerGate(const TopicTable& topics, Counters& counters)
      : topics_(topics), counters_(counters) {}
  ProducerGate(const ProducerGate&) = delete;
  ProducerGate& operator=(const ProducerGate&) = delete;

  /// The whole way of one message: owner, payload, post(). A byte order mark in front is left out.
  /// No `payload`: it was too large to be read. Nothing is returned: the owner has it, and `done`
  /// is called as post() says. Otherwise it was turned away and counted, and `done` is not called.
  [[nodiscard]] std::optional<TurnedAway> try_post(const Door& door, std::string_view topic,
                                                   std::optional<std::string_view> payload,
                                                   Done done);

  // The steps of it, for a door that has something of its own to do between them.

  /// Who serves `topic` now, or null; counts nothing.
  [[nodiscard]] TopicOwner* owner_of(std::string_view topic) const;
  /// Why `payload` goes to nobody; nothing: it may go. Counts nothing. No payload: it was too large
  /// to be read. REQUIRES: it is without_bom(). Pure.
  [[nodiscard]] static std::optional<TurnedAway> check(std::optional<std::string_view> payload,
                                                       const PayloadRules& rules);
  /// REQUIRES: check() has found nothing. `owner` is what owner_of() has just returned. Returns at
  /// once; `done` is called exactly once with the verdict, which is counted by then: on any thread,
  /// maybe before this returns.
  void post(TopicOwner& owner, ProducerMessage message, Done done);
  /// Counts a message that its door has turned away by itself, or after check().
  void count_refused() { counters_.add(Counter::kProducerRefused); }

 private:
  const TopicTable& topics_;
  Counters& counters_;
};

}  // namespace broadcast
