#pragma once
// What one client asked for: turns its commands into subscriptions and answers. Knows nothing of
// sockets; everything goes out through the Outbox, so replies and publications keep one order.
// [shard]

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "host/base/counters.hpp"
#include "host/base/limits.hpp"
#include "host/base/token_bucket.hpp"
#include "host/hub/account.hpp"
#include "host/hub/client.hpp"
#include "host/hub/outbox.hpp"
#include "host/hub/protocol.hpp"
#include "host/hub/topic_index.hpp"

namespace broadcast {

class Session final : public Client {
 public:
  /// `first_topics`: from the query string. All references outlive the session.
  /// `account`: who is answerable for what it makes; null: nobody.
  Session(TopicIndex& index, const Limits& limits, Counters& counters, Outbox& outbox,
          std::string client_id, std::vector<std::string> first_topics,
          const std::optional<Heartbeat>& heartbeat = std::nullopt,
          std::shared_ptr<Account> account = nullptr);

  void on_open(MonoTime now) override;
  void on_text(std::string_view text, MonoTime now) override;
  void on_binary(std::string_view bytes, MonoTime now) override;
  void on_shutdown(std::chrono::milliseconds retry_after) override;
  void on_host_pause(std::chrono::nanoseconds pause, MonoTime now) override;
  [[nodiscard]] std::vector<std::string> subscriptions() const override;
  [[nodiscard]] std::size_t held_bytes() const override { return subscriptions_.held_bytes(); }
  void on_closed(MonoTime now) override;

 private:
  /// What is needed until on_open(), and then given back.
  struct Opening {
    std::string client_id;
    std::vector<std::string> topics;
    std::optional<Heartbeat> heartbeat;
  };

  void handle(const Command& command, MonoTime now);
  void subscribe_one(const Command& command, MonoTime now);
  void subscribe_many(const Command& command, MonoTime now);
  using Views = std::vector<TopicIndex::View>;
  void answer_one(const AskedTopic& topic, const Views& views, std::string_view id, MonoTime now);
  void send_once(const std::vector<Views>& answers, MonoTime now);
  void unsubscribe(const Command& command, MonoTime now);
  void list(const std::string& id, MonoTime now);
  /// Of one request.
  struct Room {
    std::size_t names_bytes;    // that its answer may still have
    std::size_t looked_at = 0;  // topics, which are paid for
  };
  [[nodiscard]] std::variant<Views, ErrorReply> try_subscribe(const AskedTopic& topic,
                                                              const Command& command, Room& room,
                                                              MonoTime now);
  [[nodiscard]] std::size_t names_room() const { return outbox_.limit_bytes() / 2; }

  [[nodiscard]] bool is_free(const Command* command) const;
  void reply(std::string_view text);
  void fail(const ErrorReply& error, MonoTime now);
  /// Pays for a large message, and for the command that it may be, before anybody looks at it.
  /// False: it was answered with rate_limited.
  [[nodiscard]] bool takes_bytes(std::size_t bytes, MonoTime now);
  /// Answers that a subscription is not possible, which costs tokens after the first 128.
  void refuse(const ErrorReply& error, MonoTime now);
  /// That for one of many: the answer comes in any case.
  void charge_refusal(const ErrorReply& error, MonoTime now);
  [[nodiscard]] bool is_free_refusal(const ErrorReply& error);
  /// Takes tokens that others have to wait for then.
  void charge(std::size_t tokens, MonoTime now);
  /// For `topics` that were looked at, when it was `before` in the same request.
  void charge_work(std::size_t topics, std::size_t& before, MonoTime now);
  /// What was done for it, or for its address, is not paid off: no pattern until then.
  [[nodiscard]] std::optional<ErrorReply> too_much_work(const Pattern& pattern, MonoTime now);
  /// False: the command with this id was answered with rate_limited.
  [[nodiscard]] bool has_token(const std::string& id, MonoTime now);

  /// Only those have it who were answered with an error.
  struct Errors {
    std::vector<MonoTime> offences;  // within the last ten seconds, oldest first
    std::size_t refusals = 0;        // tokens of those that cost nothing
  };
  [[nodiscard]] Errors& errors();

  TopicIndex& index_;
  const Limits& limits_;
  Counters& counters_;
  Outbox& outbox_;
  Subscriptions subscriptions_;
  std::unique_ptr<Opening> opening_;
  std::unique_ptr<Errors> errors_;
  TokenBucket tokens_;  // of commands_per_second
};

}  // namespace broadcast
