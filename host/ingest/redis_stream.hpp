#pragma once
// Redis Streams into the hub: XREAD from the entry handled last, one entry after the other to the
// owner of its topic. What an entry causes is committed together with its position, so that it is
// handled once whatever is killed when; what its owner cannot take now is tried again, and nothing
// overtakes it. What is for nobody is parked until somebody serves it, and then comes first; what
// is wrong is kept as refused. Without a store it begins with what is added from now on. On
// status:stream stands what waits and what was lost. [ingest]

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>

#include <broadcast/backoff.hpp>

#include "host/base/counters.hpp"
#include "host/base/crash_marker.hpp"
#include "host/base/log_throttle.hpp"
#include "host/hub/producer_gate.hpp"
#include "host/hub/sequencer.hpp"
#include "host/hub/status_board.hpp"
#include "host/ingest/redis_connection.hpp"
#include "host/ingest/stream_aside.hpp"
#include "host/ingest/stream_entry.hpp"
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
    std::string handled;         ///< as the store has it; empty: never handled
    std::string parked_handled;  ///< the same of `<key>:parked`
    /// An entry waits so long for an owner that is absent.
    std::chrono::nanoseconds park_after = std::chrono::seconds(30);
    std::size_t most_aside = 10'000;  ///< entries that are parked, and that are kept as refused
    CrashMarker* marker = nullptr;    ///< knows in which the host has ended; null: nobody does
  };

  /// References outlive the stream.
  RedisStream(const RedisConnection::Parts& parts, Options options, ProducerGate& gate,
              Sequencer& sequencer, StatusBoard& statuses);
  RedisStream(const RedisStream&) = delete;
  RedisStream& operator=(const RedisStream&) = delete;

  void start();
  void stop();
  /// About once a second: what subscribers of status:stream see.
  void on_tick(MonoTime now);
  [[nodiscard]] const RedisConnection& connection() const { return connection_; }

 private:
  static constexpr Backoff::Times kRetry = {.first = std::chrono::milliseconds(50),
                                            .longest = std::chrono::seconds(5)};
  /// What became of an entry so far.
  struct Attempt {
    Backoff backoff{kRetry};
    std::size_t failures = 0;       ///< of its owner, on it
    std::optional<MonoTime> since;  ///< it waits
  };
  /// A parked entry that was fetched for its owner.
  struct Fetched {
    ParkedIndex::Place place;
    StreamEntry entry;
    std::size_t published = 0;  ///< messages that it has caused already
    Attempt attempt;
    bool is_done = false;  ///< it only has to be removed
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
  void handle_next();
  void post(TopicOwner& owner);
  [[nodiscard]] bool is_refused_for_crashes();
  void on_verdict(const Verdict& verdict);
  void try_again(const Verdict& verdict);
  void refuse(Refusal refusal, std::string_view why);
  void done();
  void post_next();
  void wait(std::chrono::nanoseconds duration);

  // The entry in hand: a parked one that was fetched, or the first that was read.
  [[nodiscard]] StreamEntry& in_hand() { return fetched_ ? fetched_->entry : entries_.front(); }
  [[nodiscard]] Attempt& attempt() { return fetched_ ? fetched_->attempt : attempt_; }
  struct Place {  // which tells it from all others, also in the next life
    std::string stream;
    std::string id;
  };
  [[nodiscard]] Place place_in_hand() const;
  static void forget(CrashMarker* marker, const Place& place);
  [[nodiscard]] std::size_t published() const;
  void note_published(std::size_t messages);

  // Parked and refused entries: redis_stream_aside.cpp.
  void open_aside();
  void look_for_owners(MonoTime now);
  [[nodiscard]] bool can_set_aside();
  void on_aside(const std::string& error);
  void fetch(const ParkedIndex::Place& place);
  void handle_fetched();
  void remove_fetched();
  void put_off(std::chrono::milliseconds until);
  void on_no_owner();
  [[nodiscard]] bool is_absent(const Verdict& verdict);
  void park(std::string_view why);
  void give_to_refused();
  [[nodiscard]] std::string text_of_waiting(MonoTime now);

  boost::asio::io_context& io_;
  Counters& counters_;
  const Options options_;
  ProducerGate& gate_;
  Sequencer& sequencer_;
  StatusBoard& statuses_;
  RedisConnection connection_;
  boost::asio::steady_timer again_;
  LogThrottle log_throttle_;
  Asked asked_ = Asked::kNothing;
  MonoTime read_at_{};  // when entries were asked for last

  bool has_begun_ = false;  // it is known from where to read
  StreamHandled handled_;
  StreamId partly_;                  // this entry has caused,
  std::size_t partly_messages_ = 0;  // so many messages already
  std::deque<StreamEntry> entries_;  // read and not done
  Attempt attempt_;                  // of the first
  bool reads_one_ = false;           // the next read, as more did not fit a reply
  bool is_waiting_ = false;          // for a verdict, or for the next try
  bool is_same_server_ = false;      // the stream was looked at on this connection before

  StreamAside aside_;
  std::map<StreamId, std::size_t> partly_parked_;  // have caused so many messages already
  std::optional<Fetched> fetched_;
  MonoTime open_at_{};             // not before, as Redis refused
  Backoff aside_backoff_{kRetry};  // while Redis refuses
  std::string aside_error_;        // of the last one
  MonoTime started_{};
  std::set<std::string, std::less<>> served_;  // topics whose owners took entries in this life
  bool is_owner_absent_ = false;               // of the first entry, which waits for it

  std::string lost_text_;
  MonoTime lost_shown_until_{};
  bool was_behind_ = false;
  std::shared_ptr<Verdicts> verdicts_;
};

}  // namespace broadcast
