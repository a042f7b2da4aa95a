#pragma once
// The text both ways: parse_command() turns what a client sent into a Command or an error reply,
// the write functions build what the host answers. Pure functions; never throw on client input;
// [any].

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "host/base/counters.hpp"
#include "host/base/limits.hpp"
#include "host/hub/history.hpp"
#include "host/hub/topic_name.hpp"
#include "host/hub/topic_owner.hpp"
#include "host/seams/heartbeat.hpp"

namespace broadcast {

enum class ErrorCode : std::uint8_t {
  kBadJson,
  kBadMessage,
  kUnknownType,
  kInvalidTopic,
  kUnknownTopic,
  kTooManyTopics,
  kRateLimited,
};
[[nodiscard]] std::string_view to_string(ErrorCode code);

struct Command {
  enum class Kind : std::uint8_t { kSubscribe, kUnsubscribe, kPing, kPong, kList };
  Kind kind = Kind::kPong;
  bool many = false;                    ///< `topics` was sent, so one reply answers all
  std::vector<AskedTopic> topics;       ///< of a list also what is no topic: each is answered
  SinceByTopic since;                   ///< how far the client had come
  std::chrono::nanoseconds interval{};  ///< of `max_rate`; 0: every message
  std::optional<bool> snapshot;         ///< whether last values are wanted, if it was said
  std::string id;                       ///< JSON text of the client's id, empty without one
};

struct ErrorReply {
  ErrorCode code = ErrorCode::kBadMessage;
  std::string message;
  std::string topic;  ///< empty: none
  std::string id;     ///< JSON text, empty: none
  std::optional<std::chrono::milliseconds> retry_after;
  std::optional<Counter> limit;  ///< the one that is reached
};

/// `text` is UTF-8. The names of topics are parsed; whether anybody serves them is not asked here.
[[nodiscard]] std::variant<Command, ErrorReply> parse_command(std::string_view text,
                                                              const Limits& limits);

/// What is wrong with it.
[[nodiscard]] ErrorReply not_a_topic(const NotATopic& topic, const Limits& limits);

/// One subscription as `subscribed` and `subscriptions` show it.
struct SubscriptionText {
  std::string_view topic;
  std::string_view epoch;
  std::uint64_t seq = 0;
  Delivery delivery = Delivery::kLatest;
  bool recovered = false;
};
/// What became of one name in a request: its topic, or of a pattern the topics that exist.
struct SubscribedText {
  std::string_view name;
  bool is_pattern = false;
  std::vector<SubscriptionText> topics;
};

/// Without a `heartbeat` nobody pings.
[[nodiscard]] std::string write_connected(std::string_view client_id,
                                          const std::optional<Heartbeat>& heartbeat = std::nullopt);
[[nodiscard]] std::string write_subscribed(const SubscribedText& one, std::string_view id);
[[nodiscard]] std::string write_subscribed(const std::vector<SubscribedText>& many,
                                           const std::vector<ErrorReply>& rejected,
                                           std::string_view id);
[[nodiscard]] std::string write_unsubscribed(std::string_view topic, std::string_view id);
[[nodiscard]] std::string write_unsubscribed(const std::vector<AskedTopic>& topics,
                                             std::string_view id);
[[nodiscard]] std::string write_subscriptions(const std::vector<SubscriptionText>& all,
                                              const std::vector<std::string>& patterns,
                                              std::string_view id);
/// Why a client is told of a topic's epoch while it is subscribed.
enum class TopicReason : std::uint8_t {
  kNew,   ///< it was made under a pattern of the client's
  kEpoch  ///< it has another one than the client was told
};
[[nodiscard]] std::string write_topic(const SubscriptionText& topic, TopicReason reason);
[[nodiscard]] std::string write_pong(std::string_view id);
[[nodiscard]] std::string write_error(const ErrorReply& error);
[[nodiscard]] std::string write_server_shutdown(std::chrono::milliseconds retry_after);

}  // namespace broadcast
