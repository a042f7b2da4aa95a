// market-gate: whether the market is one to trade in. What producers send, and where a database is
// configured, its newest usable row of `market_status` as often as that changes.

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <broadcast/config.hpp>
#include <broadcast/fields.hpp>

#include "plugins/database/column.hpp"
#include "plugins/database/database.hpp"
#include "plugins/database/holidays.hpp"
#include "plugins/io/fault_log.hpp"
#include "plugins/market_gate/gate.hpp"

namespace broadcast {

class MarketGate : public Broadcaster {
 public:
  /// After a failure, unless the interval is shorter. (The connection has a back-off of its own.)
  static constexpr std::chrono::seconds kRetry{1};
  /// So many rows are looked at for one that is usable.
  static constexpr int kLookBack = 10;

  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    const Config config(json);
    holidays_ = parse_holidays(config.get<std::vector<std::string>>("holidays"));
    const std::string url = config.text("database");
    if (url.empty()) return;
    interval_ = config.duration("interval");
    try {
      database_.emplace(DatabaseUrl::parse(url), [this](auto run) { return post(std::move(run)); });
    } catch (const std::invalid_argument& error) {
      throw Error(BC_E_INVALID, std::string("database: ") + error.what());
    }
  }

  void on_start() override {
    if (!database_) return;
    remember();
    left_out_ = define_metric(MetricKind::kCounter, "market_status_left_out",
                              "Rows of market_status, and fields of rows, that cannot be used");
    ask_database();
    every(interval_, [this] { ask_database(); });
  }

  void on_message(const Message& message) override {
    send(market_gate_update(parse_json(message.payload), iso_timestamp(wall_ns())));
    told_day_ = korean_day(wall_ns());
    is_told_ = true;
    keep();
  }

 private:
  /// As it stands in the table, under the names of the wire.
  struct Row {
    Column date;
    Json data;
    friend bool operator==(const Row& one, const Row& other) {
      return one.date.text == other.date.text && one.data == other.data;
    }
  };

  /// What stands in the topic is not this generation's: whose it is, and what it is newer than.
  void keep() const {
    if (!database_) return;
    Json kept = {{"told", day_text(*told_day_)}, {"stands", is_told_}};
    if (is_told_ && last_row_) {
      kept["row"] = {{"date", last_row_->date.text}, {"data", last_row_->data}};
    }
    static_cast<void>(keep_state(kept.dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
  void remember() {
    const std::string text = kept_state();
    if (text.empty()) return;
    try {
      const Json kept = Json::parse(text);
      const auto day = parse_day(kept.at("told").get<std::string>());
      if (!day || *day > korean_day(wall_ns())) return;  // some clock was wrong
      told_day_ = day;
      is_told_ = kept.at("stands");
      if (!kept.contains("row")) return;
      Row row;
      row.date.text = kept["row"].at("date").get<std::string>();
      row.date.indicator = soci::i_ok;
      row.data = kept["row"].at("data");
      last_row_ = std::move(row);
    } catch (const Json::exception& error) {
      log(LogLevel::kError,
          std::string("cannot read what a producer sent before: ") + error.what());
    }
  }

  void send(const std::string& update) {
    // A `latest` topic: publish never answers BUSY.
    static_cast<void>(publish(kGateTopic, update));
  }

  /// A question still under way is as good as this one; if it hangs, it fails after ten seconds.
  void ask_database() {
    static_cast<void>(database_->try_run(
        [this](soci::session& session) -> std::function<void()> {
          try {
            int undated = 0;
            session << "SELECT count(*) FROM market_status WHERE date IS NULL", soci::into(undated);
            return [this, undated, rows = newest_rows(session)] { on_rows(rows, undated); };
          } catch (const std::exception& error) {
            if (!answers(session)) throw;
            return [this, why = std::string(error.what())] {
              on_failure("market_status cannot be read, the log says why", why);
            };
          }
        },
        [this](const std::string& why) { on_failure("the database is away", why); }));
  }

  void on_failure(const std::string& detail, const std::string& why) {
    log_fault(why);
    degrade(detail);
    // Whoever subscribes meanwhile has no gate: not only after a whole interval.
    if (retry_) return;
    retry_ = after(std::min<std::chrono::nanoseconds>(interval_, kRetry), [this] {
      retry_.reset();
      ask_database();
    });
  }

  /// Newest first, and how many rows have no date.
  void on_rows(const std::vector<Row>& rows, int undated) {
    log_fault("");
    std::vector<std::string> left_out;
    if (undated > 0) left_out.push_back(std::to_string(undated) + " rows have no date");
    for (const Row& row : rows) {
      const bool is_newest = &row == &rows.front();
      try {
        const auto day = row.date.day();
        if (!day || *day > latest_row_day(wall_ns())) {
          throw Refused("date: expected a day that is not in the future, got \"" + row.date.text +
                        '"');
        }
        const std::string update = gate_of_row(row.data, *day, iso_timestamp(wall_ns()), left_out);
        tell_left_out(left_out);
        return on_usable(row, *day, update, is_newest);
      } catch (const Refused& error) {
        const std::string which = is_newest ? "newest row" : "row of " + row.date.text;
        left_out.push_back(which + " left out: " + error.what());
      }
    }
    tell_left_out(left_out);
    if (left_out.empty()) return tell_health(Health::kOk, "database");
    degrade("market_status has no usable row");
  }

  void on_usable(const Row& row, KoreanDay day, const std::string& update, bool is_newest) {
    if (day < trading_day_before(korean_day(wall_ns()), holidays_)) {
      degrade("the newest row of market_status is of " + day_text(day));
    } else {
      tell_health(Health::kOk, "database");
    }
    if (row == last_row_) return;
    // What a producer has sent while there was no database is newer than its first row, and than
    // any row of an earlier day; and so is what was published of a row that is broken now.
    const bool is_old = (!last_row_ && is_told_) || (told_day_ && day < *told_day_);
    const bool is_older = !is_newest && last_row_ && day < *last_row_->date.day();
    if (is_older) return;
    last_row_ = row;
    if (is_old) return;
    send(update);
    if (std::exchange(is_told_, false)) keep();
  }

  /// Once, until it is another.
  void tell_left_out(const std::vector<std::string>& left_out) {
    if (left_out == told_left_out_) return;
    told_left_out_ = left_out;
    if (left_out.empty()) return;
    left_out_.record(static_cast<double>(left_out.size()));
    const std::size_t more = left_out.size() - 1;
    log(LogLevel::kError, "market_status: " + left_out.front() +
                              (more == 0 ? "" : "; and " + std::to_string(more) + " more"));
  }

  void log_fault(const std::string& why) {
    if (const auto line = faults_.line(why, mono_ns())) {
      log(why.empty() ? LogLevel::kInfo : LogLevel::kWarn, "database: " + *line);
    }
  }

  void degrade(const std::string& detail) {
    tell_health(Health::kDegraded, detail + "; producers are still served");
  }
  void tell_health(Health health, const std::string& detail) {
    if (std::exchange(told_health_, detail) != detail) report(health, detail);
  }

  /// [database]
  [[nodiscard]] static std::vector<Row> newest_rows(soci::session& session);

  std::chrono::nanoseconds interval_{};
  std::set<KoreanDay> holidays_;
  std::optional<TimerId> retry_;  // one at a time, however often it fails
  FaultLog faults_;
  Metric left_out_;
  std::vector<std::string> told_left_out_;
  std::string told_health_;            // the detail
  std::optional<KoreanDay> told_day_;  // when a producer has sent something last
  bool is_told_ = false;               // no row was published since
  std::optional<Row> last_row_;
  std::optional<Database> database_;
};

namespace {

/// NULL is null; what is no number stays as it is, and is refused by its name.
Json number_of(const Column& column) {
  if (column.is_empty()) return nullptr;
  const auto number = column.number();
  return number ? Json(*number) : Json(column.text);
}

Json sectors_of(const Column& column) {
  if (column.is_empty()) return nullptr;
  try {
    return parse_json(column.text);
  } catch (const Refused&) {
    return column.text;  // which is refused as no list
  }
}

}  // namespace

std::vector<MarketGate::Row> MarketGate::newest_rows(soci::session& session) {
  Column date;
  Column status;
  Column level;
  Column kospi;
  Column kospi_change;
  Column kosdaq;
  Column kosdaq_change;
  Column sectors;
  const auto into = [](Column& column) { return soci::into(column.text, column.indicator); };
  soci::statement statement =
      (session.prepare << "SELECT CAST(d.date AS text), gate, gate_score, kospi, kospi_change_pct, "
                          "kosdaq, kosdaq_change_pct, sector_scores FROM market_status d WHERE "
                          "d.date IS NOT NULL ORDER BY d.date DESC LIMIT " +
                              std::to_string(kLookBack),
       into(date), into(status), into(level), into(kospi), into(kospi_change), into(kosdaq),
       into(kosdaq_change), into(sectors));
  statement.execute();
  std::vector<Row> rows;
  while (statement.fetch()) {
    rows.push_back({date,
                    {{"status", status.is_empty() ? Json(nullptr) : Json(status.text)},
                     {"level", number_of(level)},
                     {"kospi", number_of(kospi)},
                     {"kospi_change_pct", number_of(kospi_change)},
                     {"kosdaq", number_of(kosdaq)},
                     {"kosdaq_change_pct", number_of(kosdaq_change)},
                     {"sectors", sectors_of(sectors)}}});
  }
  return rows;
}

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::MarketGate, "market_gate", "1.0.0",
                 R"("topics":[{"pattern":"market-gate","delivery":"latest"}],
"config":{"type":"object","additionalProperties":false,"properties":{
"database":{"type":"string","default":"",
"description":"database of market_status: sqlite:<file> or postgresql://…; empty: only what producers send"},
"interval":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"30s",
"description":"time between two reads of market_status"},
"holidays":{"type":"array","items":{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},"default":[],
"description":"days on which the Korea Exchange does not trade, besides Saturdays and Sundays: 2026-01-01"}}})")
