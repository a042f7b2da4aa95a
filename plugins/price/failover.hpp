#pragma once
// Which source serves what. Sources stand in the order of the YAML; a ticker or index is served by
// the first healthy one that has delivered it, or where nobody is healthy by the first one that is
// recovering and has, and by nobody else meanwhile: never two sources interleaved. Across sources
// trading days decide: what was published gives way to nothing of an earlier day, nor a live value
// to a daily row of the same day; who has nothing newer than that lets the next one serve. Within a
// source daily rows may be withdrawn. Pure: it is told what happens and when, and says what
// follows. Owned by the broadcaster; [plugin].

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/price/source.hpp"
#include "plugins/price/trading_hours.hpp"

namespace broadcast {

class Failover {
 public:
  struct Options {
    /// In trading hours, a source of which something is wanted and nothing comes is unhealthy.
    std::chrono::nanoseconds stale_after = std::chrono::seconds(30);
    /// So long without a fault, and in trading hours from the first data on, before it serves
    /// again.
    std::chrono::nanoseconds recover_after = std::chrono::seconds(10);
    TradingHours hours;
  };
  struct Source {
    std::string name;
    bool has_indices = true;
    std::chrono::nanoseconds period{};  ///< it is asked so often; 0: it speaks by itself
    bool is_simulated = false;          ///< its values never were true
  };
  struct Now {
    std::int64_t mono_ns = 0;
    std::int64_t wall_ns = 0;
  };
  enum class Verdict : std::uint8_t {
    kServes,    ///< publish it
    kLater,     ///< its source is recovering: keep the last one, and ask again by on_kept()
    kWaits,     ///< a better source has it
    kOlder,     ///< than the last one of the same source
    kStands,    ///< what was published is newer, and stays
    kUnwanted,  ///< any more
  };
  /// A source serves daily rows, and the newest that it has is older than the last full trading
  /// day.
  struct Behind {
    std::size_t at = 0;
    bool is_index = false;
    KoreanDay newest;
    friend bool operator==(const Behind&, const Behind&) = default;
  };
  /// What subscribers are told.
  struct Standing {
    Health health = Health::kOk;
    std::vector<std::size_t> serving;   ///< sources, best first
    bool is_last_standing = false;      ///< something's last live value, whose source is not well
    std::vector<Behind> behind;         ///< of those that serve
    std::vector<std::size_t> missing;   ///< unhealthy ones that would serve something otherwise
    std::optional<std::size_t> asking;  ///< where nobody serves: who is hoped for
    friend bool operator==(const Standing&, const Standing&) = default;
    [[nodiscard]] bool has_prices() const { return !serving.empty() || is_last_standing; }
  };

  /// How long a source that has just been asked for the first time may say nothing at all.
  static constexpr std::chrono::seconds kPatience{10};
  /// A source's clock may be ahead of ours by this; a time beyond it is taken for unknown, or it
  /// would make everything that follows older.
  static constexpr std::chrono::minutes kMaxAhead{5};

  Failover(std::vector<Source> sources, Options options);

  void want(const std::string& ticker);
  void want(const IndexName& index);
  /// What was published of it stays in its topic, and is remembered.
  void forget(const std::string& ticker);

  /// True: its condition has changed.
  bool on_link(std::size_t at, bool is_up, Now now);
  /// A sign of life: a good quote, or a poll that was answered.
  void on_data(std::size_t at, Now now);
  /// How new its daily rows are. What was not looked at is as it was.
  void on_newest(std::size_t at, const NewestRows& newest);
  /// When a quote was true, as subscribers are told. Where its source does not say, or cannot be
  /// right, that is when it came, or while the exchange has not opened today, its last trading day;
  /// nothing for what is simulated.
  [[nodiscard]] AsOf as_of(std::size_t at, const AsOf& said, Now now) const;
  /// `key` is a ticker, or an index's key. REQUIRES: the quote itself is good.
  [[nodiscard]] Verdict on_quote(std::size_t at, std::string_view key, const AsOf& said, Now now);
  /// After conditions have changed: what is to become of a quote that was kLater. kWaits: it is
  /// not needed any more.
  [[nodiscard]] Verdict on_kept(std::size_t at, std::string_view key);
  /// What it remembers of what was published, for the next generation: what decides across sources.
  [[nodiscard]] std::string memory();
  /// It is not what memory() answered last, or what it was given.
  [[nodiscard]] bool has_news() const { return has_news_; }
  /// What an earlier generation remembered. A day to come is left out: some clock was wrong. Throws
  /// std::runtime_error: it is none. REQUIRES: before anything is delivered.
  void remember(std::string_view memory, Now now);

  /// Once a second is enough. True: the condition of a source has changed.
  bool on_time(Now now);

  /// What no better healthy source has delivered: what is to be asked of `at`. Notes that it is.
  [[nodiscard]] Wanted take_wanted(std::size_t at, Now now);
  [[nodiscard]] Standing standing() const;
  /// A source that is asked has not said yet for the first time whether it answers.
  [[nodiscard]] bool is_beginning() const;
  /// For subscribers: no addresses, no files, no numbers that move.
  [[nodiscard]] std::string detail(const Standing& standing) const;

 private:
  enum class Condition : std::uint8_t { kNew, kHealthy, kSilent, kDown, kRecovering };
  struct Member {
    Source source;
    Condition condition = Condition::kNew;
    bool was_silent = false;  // kRecovering: from what
    bool is_wanted = false;
    bool is_known = false;                // it has said something
    std::uint64_t life = 0;               // how often it has begun, or begun to recover
    std::int64_t sign_ns = 0;             // last data, connection, or first want
    std::optional<std::int64_t> good_ns;  // kRecovering: without a fault since
    NewestRows newest;
  };
  /// What decides across sources: of two values of a day, the live one is newer.
  struct Truth {
    KoreanDay day;
    bool is_live = false;
    friend auto operator<=>(const Truth&, const Truth&) = default;
  };
  struct Seen {
    std::uint64_t life = 0;  // of the source, when it delivered the item last
    std::int64_t newest_ns = 0;
    std::optional<Truth> truth;  // of what it delivered last; none: simulated
  };
  struct Published {
    std::size_t by = 0;  // members_.size(): a source that there is no more
    std::optional<Truth> truth;
    friend bool operator==(const Published&, const Published&) = default;
  };
  struct Item {
    explicit Item(std::size_t sources) : seen(sources) {}
    std::vector<Seen> seen;  // by source
    Published last;
    const IndexName* index = nullptr;
  };

  [[nodiscard]] bool has(std::size_t at, const Item& item) const;
  [[nodiscard]] bool can_have(std::size_t at, const Item& item) const;
  [[nodiscard]] std::size_t first_that_has(Condition condition, const Item& item) const;
  [[nodiscard]] std::size_t server_of(const Item& item) const;
  [[nodiscard]] std::size_t first_healthy_for(const Item& item) const;
  [[nodiscard]] bool is_served_before(std::size_t at, const Item& item) const;
  [[nodiscard]] bool is_behind_what_stands(std::size_t at, const Item& item) const;
  [[nodiscard]] std::vector<Behind> behind_of(std::size_t at) const;
  [[nodiscard]] Verdict verdict_on(std::size_t at, Item& item);
  [[nodiscard]] const char* fault_of(std::size_t at, const Standing& standing) const;
  [[nodiscard]] bool is_idle_behind(std::size_t at) const;
  [[nodiscard]] bool expects_data(const Member& member, Now now) const;
  [[nodiscard]] bool is_silent(const Member& member, Now now) const;
  [[nodiscard]] Condition next_condition(std::size_t at, Now now);
  bool become(Member& member, Condition condition);

  const Options options_;
  std::vector<Member> members_;
  std::map<std::string, Item, std::less<>> items_;  // by ticker or index key
  /// Of tickers that were given up. Sources deliver what is listed: some thousands, however many
  /// clients ask for.
  std::map<std::string, Published> given_up_;
  KoreanDay last_full_day_;  // at the last look
  bool has_news_ = false;
};

}  // namespace broadcast
