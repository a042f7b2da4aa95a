#pragma once
// The two streams beside a stream: `<stream>:parked`, whose entries wait for a broadcaster that is
// absent, and `<stream>:refused`, whose entries nobody took. One command at a time, on the
// connection of their owner, which hands on the replies. Both are bounded; what that drops is
// counted and told. Each entry is set aside once: what the life before may have set aside without
// noting it is read when they are opened. [ingest]

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "host/base/counters.hpp"
#include "host/ingest/parked_index.hpp"
#include "host/ingest/redis_connection.hpp"
#include "host/ingest/stream_entry.hpp"

namespace broadcast {

class StreamAside {
 public:
  struct Options {
    std::string key;  ///< of the stream that they are beside
    std::size_t payload_bytes = 256 * 1024;
    std::size_t most = 10'000;  ///< entries in each of them
  };
  /// What was parked, as it was read back.
  struct Parked {
    StreamEntry entry;          ///< with the id that it had in the stream
    std::size_t published = 0;  ///< so many messages it had caused before
  };
  /// Empty: done. Otherwise what Redis refused: "refuses XADD of s:parked: NOPERM ..".
  using Done = std::function<void(const std::string& error)>;
  using Fetched = std::function<void(const std::string& error, std::optional<Parked>)>;

  /// `connection` and `counters` outlive it; `tell` gets what was dropped, in words.
  StreamAside(Options options, RedisConnection& connection, Counters& counters,
              std::function<void(std::string)> tell);
  StreamAside(const StreamAside&) = delete;
  StreamAside& operator=(const StreamAside&) = delete;

  [[nodiscard]] static std::string parked_key_of(const std::string& key) { return key + ":parked"; }
  [[nodiscard]] static std::string refused_key_of(const std::string& key) {
    return key + ":refused";
  }
  [[nodiscard]] const std::string& parked_key() const { return parked_key_; }
  [[nodiscard]] const std::string& refused_key() const { return refused_key_; }
  [[nodiscard]] bool is_open() const { return is_open_; }
  /// A reply is awaited: nothing else may be sent, and the next reply is for on_reply().
  [[nodiscard]] bool is_busy() const { return then_ != nullptr; }
  void on_reply(const redisReply& reply);
  /// The connection is gone: what was asked for is not answered, and it has to be opened again.
  void on_down();

  /// Each REQUIRES a connection that is ready, and that it is not busy; all but open() that it is
  /// open. Reads what is there; `handled`: up to where it is known what became of the entries.
  void open(const StreamId& handled, const Done& done);
  void park(const StreamEntry& entry, std::size_t published, Done done);
  void refuse(const StreamEntry& entry, Done done);
  /// Nothing without an error: it is not there any more.
  void fetch(const ParkedIndex::Place& place, Fetched done);
  void remove(const ParkedIndex::Place& place, Done done);

  /// This entry of the stream stands in one of them already.
  [[nodiscard]] bool has(const StreamId& id) const { return known_.contains(id); }
  /// Of an entry behind `handled` it is known only from here that it was set aside. Until the
  /// stream has passed it, nothing may be removed: who reads the stream again would take it for a
  /// new one.
  [[nodiscard]] bool is_in_doubt(const StreamId& handled) const {
    return !known_.empty() && *known_.rbegin() > handled;
  }
  /// The stream was made anew, so equal ids are other entries; or it does not have them any more.
  void forget_known() { known_.clear(); }
  [[nodiscard]] ParkedIndex& parked() { return parked_; }

 private:
  using Then = std::function<void(const redisReply&)>;
  using Words = std::initializer_list<std::string_view>;

  void ask(Words words, Then then);
  void read_parked(const StreamId& from, const StreamId& handled, const Done& done);
  void read_refused(const StreamId& to, const StreamId& handled, const Done& done);
  void add_parked(const StreamEntry& entry, std::size_t published, const Done& done);
  void dropped(Counter counter, std::uint64_t count, const std::string& key);

  // Constant after construction.
  const Options options_;
  const std::string parked_key_;
  const std::string refused_key_;
  const std::string page_;  // entries that fit a reply
  RedisConnection& connection_;
  Counters& counters_;
  const std::function<void(std::string)> tell_;
  // [ingest]
  Then then_;
  bool is_open_ = false;
  ParkedIndex parked_;
  std::set<StreamId> known_;              // behind what was handled when they were opened
  std::optional<StreamId> refused_last_;  // of the stream, when they were opened
};

}  // namespace broadcast
