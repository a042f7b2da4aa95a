#pragma once
// Redis Streams into the hub: XREAD from the entry handled last, one entry after the other to the
// owner of its topic. What an entry causes is committed together with its position, so that it is
// handled once whatever is killed when; what its owner cannot take now is tried again, and nothing
// overtakes it. Without a store it begins with what is added from now on. On status:stream stands
// what was lost. [ingest]

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>

#include "host/base/counters.hpp"
#include "host/base/seldom.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/ingest/producer_check.hpp"
#include "host/ingest/redis_connection.hpp"
#include "host/ingest/stream_position.hpp"

namespace broadcast {

class RedisStream final : public RedisConnection::User {
 public:
  static constexpr std::string_view kStatusName = "stream";

  enum class Start : std::uint8_t {
    kKept,  ///< behind `handled`, or at the stream's first entry
    kNow    ///< nothing is kept: what is added from now on
  };
  struct Options {
    std::string key;
    std::size_t payload_bytes = 256 * 1024;
    Start start = Start::kNow;
    std::string handled;  ///< as the store has it; empty: never handled
  };

  /// `parts` and the hub outlive the stream.
  RedisStream(const RedisConnection::Parts& parts, Options options, TopicHub& hub);
  RedisStream(const RedisStream&) = delete;
  RedisStream& operator=(const RedisStream&) = delete;

  void start();
  void stop();
  /// About once a second: what subscribers of status:stream see.
  void on_tick(MonoTime now);
  [[nodiscard]] const RedisConnection& connection() const { return connection_; }

 private:
  struct Entry {
    StreamId id;
    std::string topic;
    std::string payload;
    std::optional<Refusal> wrong;
    std::string why;  ///< with `wrong`
  };
  enum class Asked : std::uint8_t { kNothing, kInfo, kEntries };
  /// What verdicts find when they come: null once it stopped.
  struct Verdicts {
    RedisStream* stream;
  };

  void begin_from(std::string_view handled);
  void on_ready() override;
  void on_reply(const redisReply& reply) override;
  void on_down() override;
  void ask();
  void on_info(const redisReply& reply);
  void on_entries(const redisReply& reply);
  void report(const StreamGap& gap);
  void tell(std::string what);
  [[nodiscard]] std::optional<Entry> entry_of(const redisReply& reply) const;
  void handle_next();
  void on_verdict(const Verdict& verdict);
  void try_again(const Verdict& verdict);
  void wait(std::chrono::milliseconds duration);
  void refuse(Refusal refusal, std::string_view why);
  void done();

  boost::asio::io_context& io_;
  Counters& counters_;
  const Options options_;
  TopicHub& hub_;
  RedisConnection connection_;
  boost::asio::steady_timer again_;
  Seldom seldom_;
  Asked asked_ = Asked::kNothing;
  MonoTime read_at_{};  // when entries were asked for last

  bool has_begun_ = false;  // it is known from where to read
  StreamHandled handled_;
  StreamId partly_;                  // this entry has caused,
  std::size_t partly_messages_ = 0;  // so many messages already
  std::deque<Entry> entries_;        // read and not done; the first is with its owner
  bool reads_one_ = false;           // the next read, as more did not fit a reply
  bool is_waiting_ = false;          // for a verdict, or for the next try
  std::size_t tries_ = 0;            // of the first entry
  std::size_t failures_ = 0;         // of its owner, on it

  std::optional<MonoTime> waiting_since_;  // of the first entry
  std::string lost_text_;
  MonoTime lost_shown_until_{};
  bool was_behind_ = false;
  std::shared_ptr<Verdicts> verdicts_;
};

}  // namespace broadcast
