// signal:vcp: volatility contraction patterns, as the scanner finds them; and where a database is
// configured, those that are open when the broadcaster starts.

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <broadcast/config.hpp>
#include <broadcast/signal_broadcaster.hpp>

#include "plugins/database/column.hpp"
#include "plugins/database/database.hpp"
#include "plugins/io/fault_log.hpp"
#include "plugins/vcp_signal/signal_rows.hpp"

namespace broadcast {

class VcpSignal final : public SignalBroadcaster {
 public:
  static constexpr std::string_view kTopic = "signal:vcp";
  /// After a failure. (The connection has a back-off of its own.)
  static constexpr std::chrono::seconds kRetry{1};
  static constexpr std::chrono::seconds kQueryRetry{10};

  explicit VcpSignal(const bc_host* host) : SignalBroadcaster(host, kTopic, "VCP") {}

 protected:
  void on_config(std::string_view json) override {
    const Config config(json);
    const std::string url = config.text("database");
    if (url.empty()) return;
    query_ = config.text("query");
    try {
      database_.emplace(DatabaseUrl::parse(url), [this](auto run) { return post(std::move(run)); });
    } catch (const std::invalid_argument& error) {
      throw Error(BC_E_INVALID, std::string("database: ") + error.what());
    }
  }

  void on_start() override {
    if (database_) ask_database();
  }

  void on_message(const Message& message) override {
    SignalBroadcaster::on_message(message);
    is_told_ = true;
    if (std::exchange(is_left_out_, false)) report(Health::kOk, "");
  }

 private:
  /// Until it has answered once.
  void ask_database() {
    static_cast<void>(database_->try_run(
        [this](soci::session& session) -> std::function<void()> {
          try {
            return [this, rows = read_signals(session, query_)] { on_rows(rows); };
          } catch (const std::exception& error) {
            if (!answers(session)) throw;
            return [this, why = std::string(error.what())] {
              ask_again("the query fails, the log says why", why, kQueryRetry);
            };
          }
        },
        [this](const std::string& why) { ask_again("the database is away", why, kRetry); }));
  }

  void ask_again(const std::string& detail, const std::string& why, std::chrono::seconds pause) {
    if (const auto line = faults_.line(why, mono_ns())) log(LogLevel::kWarn, "database: " + *line);
    if (std::exchange(fault_, detail) != detail) {
      report(Health::kDegraded, detail + "; signals are published as they come");
    }
    after(pause, [this] { ask_database(); });
  }

  void on_rows(const Json& rows) {
    if (is_told_) return report(Health::kOk, "");  // what a scanner has sent meanwhile is newer
    std::string left_out;                          // the first
    const Json signals = usable(rows, left_out);
    try {
      // Where there is no signal among them, they are refused as a scanner's are.
      publish_rows(signals.empty() ? rows : signals);
    } catch (const Busy&) {
      after(kRetry, [this, rows] { on_rows(rows); });
    } catch (const Error& error) {
      return on_left_out("the open signals", error.what());
    }
    if (left_out.empty()) return report(Health::kOk, "");
    on_left_out(std::to_string(rows.size() - signals.size()) + " of " +
                    std::to_string(rows.size()) + " open signals",
                left_out);
  }

  static Json usable(const Json& rows, std::string& left_out) {
    Json signals = Json::array();
    const Field all(rows, "signals");
    for (std::size_t i = 0; i < rows.size(); ++i) {
      try {
        check_instrument(all.at(i));
        signals.push_back(rows[i]);
      } catch (const Refused& error) {
        if (left_out.empty()) left_out = error.what();
      }
    }
    return signals;
  }

  void publish_rows(const Json& rows) {
    SignalBroadcaster::on_message(
        {kTopic, "database", rows.dump(-1, ' ', false, Json::error_handler_t::replace)});
  }

  void on_left_out(const std::string& which, const std::string& why) {
    log(LogLevel::kError, which + " left out: " + why);
    is_left_out_ = true;
    report(Health::kDegraded,
           which + " are left out, the log says why; signals are published as they come");
  }

  std::string query_;
  bool is_told_ = false;      // by a scanner
  bool is_left_out_ = false;  // what the database had
  FaultLog faults_;
  std::string fault_;  // as it was reported
  std::optional<Database> database_;
};

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::VcpSignal, "vcp_signal", "1.0.0",
                 R"("topics":[{"pattern":"signal:vcp","delivery":"all"}],
"config":{"type":"object","additionalProperties":false,"properties":{
"database":{"type":"string","default":"",
"description":"database from which signals are read once at start: sqlite:<file> or postgresql://…; empty: only what scanners send"},
"query":{"type":"string","minLength":1,"default":"SELECT s.ticker, COALESCE(t.name, s.ticker) AS name, t.market, s.score, s.grade, s.contraction_ratio, s.pivot_high, s.entry_price, s.stop_price, s.target_price, s.foreign_net_5d, s.inst_net_5d, CAST(s.signal_date AS text) AS signal_date FROM signals s LEFT JOIN stocks t ON t.ticker = s.ticker WHERE s.signal_type = 'VCP' AND s.status = 'OPEN' ORDER BY s.score IS NULL, s.score DESC LIMIT 200",
"description":"selects the open signals, one per row; every column becomes a field of that name"}}})")
