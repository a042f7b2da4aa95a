// market-gate: whether the market is one to trade in. What producers send, and where a database is
// configured, its newest row of `market_status` as often as that changes.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <broadcast/fields.hpp>

#include "plugins/database/database.hpp"
#include "plugins/database/fault_log.hpp"
#include "plugins/market_gate/gate.hpp"

namespace broadcast {

class MarketGate : public Broadcaster {
 public:
  /// After a failure, unless the interval is shorter. (The connection has a back-off of its own.)
  static constexpr std::chrono::seconds kRetry{1};

  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    const Json config = Json::parse(json);
    const auto& url = config.at("database").get_ref<const std::string&>();
    if (url.empty()) return;
    interval_ = *parse_duration(config.at("interval").get_ref<const std::string&>());
    try {
      database_.emplace(DatabaseUrl::parse(url), [this](auto run) { return post(std::move(run)); });
    } catch (const std::invalid_argument& error) {
      throw Error(BC_E_INVALID, std::string("database: ") + error.what());
    }
  }

  void on_start() override {
    if (!database_) return;
    look();
    every(interval_, [this] { look(); });
  }

  void on_message(const Message& message) override {
    is_told_ = true;
    send(market_gate_update(parse_json(message.payload), iso_timestamp(wall_ns())));
  }

 private:
  void send(const std::string& update) {
    // A `latest` topic: publish never answers BUSY.
    static_cast<void>(publish(kGateTopic, update));
  }

  /// A question still under way is as good as this one; if it hangs, it fails after ten seconds.
  void look() {
    static_cast<void>(database_->try_run(
        [this](soci::session& session) {
          return [this, row = newest_row(session)] { on_row(row); };
        },
        [this](const std::string& why) {
          on_health(why);
          // Whoever subscribes meanwhile has no gate: not only after a whole interval.
          if (retry_) return;
          retry_ = after(std::min<std::chrono::nanoseconds>(interval_, kRetry), [this] {
            retry_.reset();
            look();
          });
        }));
  }

  void on_row(const std::optional<Json>& row) {
    on_health("");
    if (!row || row == last_row_) return;
    // What a producer has sent while there was no database is newer.
    const bool is_old = !last_row_ && is_told_;
    last_row_ = row;
    if (is_old) return;
    try {
      send(market_gate_update(*row, iso_timestamp(wall_ns())));
    } catch (const Refused& error) {
      log(LogLevel::kError, std::string("market_status: newest row left out: ") + error.what());
    }
  }

  void on_health(const std::string& error) {
    if (const auto line = faults_.line(error, mono_ns())) {
      log(error.empty() ? LogLevel::kInfo : LogLevel::kWarn, "database: " + *line);
    }
    if (std::exchange(is_healthy_, error.empty()) == error.empty()) return;
    if (error.empty()) return report(Health::kOk, "database");
    report(Health::kDegraded, "the database is away; producers are still served");
  }

  /// The data of an update; empty without any row. [database]
  [[nodiscard]] static std::optional<Json> newest_row(soci::session& session);

  std::chrono::nanoseconds interval_{};
  std::optional<TimerId> retry_;  // one at a time, however often it fails
  std::optional<bool> is_healthy_;
  FaultLog faults_;
  bool is_told_ = false;  // by a producer
  std::optional<Json> last_row_;
  std::optional<Database> database_;
};

std::optional<Json> MarketGate::newest_row(soci::session& session) {
  struct Column {
    double value = 0;
    soci::indicator indicator{};
    [[nodiscard]] Json json() const {
      return indicator == soci::i_ok && std::isfinite(value) ? Json(value) : Json(nullptr);
    }
  };
  std::string status;
  std::string sectors;
  soci::indicator has_status{};
  soci::indicator has_sectors{};
  Column level;
  Column kospi;
  Column kospi_change;
  Column kosdaq;
  Column kosdaq_change;
  session << "SELECT gate, gate_score, kospi, kospi_change_pct, kosdaq, kosdaq_change_pct, "
             "sector_scores FROM market_status ORDER BY date DESC LIMIT 1",
      soci::into(status, has_status), soci::into(level.value, level.indicator),
      soci::into(kospi.value, kospi.indicator),
      soci::into(kospi_change.value, kospi_change.indicator),
      soci::into(kosdaq.value, kosdaq.indicator),
      soci::into(kosdaq_change.value, kosdaq_change.indicator), soci::into(sectors, has_sectors);
  if (!session.got_data()) return std::nullopt;
  Json data{{"status", has_status == soci::i_ok ? Json(status) : Json(nullptr)},
            {"level", level.json()},
            {"kospi", kospi.json()},
            {"kospi_change_pct", kospi_change.json()},
            {"kosdaq", kosdaq.json()},
            {"kosdaq_change_pct", kosdaq_change.json()}};
  if (has_sectors == soci::i_ok) {
    try {
      data["sectors"] = parse_json(sectors);
    } catch (const Refused&) {
      data["sectors"] = sectors;  // which is refused as no list, and once
    }
  }
  return data;
}

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::MarketGate, "market_gate", "1.0.0",
                 R"("topics":[{"pattern":"market-gate","delivery":"latest"}],
"config":{"type":"object","additionalProperties":false,"properties":{
"database":{"type":"string","default":"",
"description":"where market_status is: sqlite:<file> or postgresql://…; empty: only what producers send"},
"interval":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"30s",
"description":"between two looks at market_status"}}})")
