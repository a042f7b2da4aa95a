// signal:vcp: volatility contraction patterns, as the scanner finds them; and where a database is
// configured, those that are open when the broadcaster starts.

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <broadcast/signal_broadcaster.hpp>

#include "plugins/database/database.hpp"
#include "plugins/database/fault_log.hpp"
#include "plugins/vcp_signal/signal_rows.hpp"

namespace broadcast {

class VcpSignal final : public SignalBroadcaster {
 public:
  static constexpr std::string_view kTopic = "signal:vcp";
  /// After a failure. (The connection has a back-off of its own.)
  static constexpr std::chrono::seconds kRetry{1};

  explicit VcpSignal(const bc_host* host) : SignalBroadcaster(host, kTopic, "VCP") {}

 protected:
  void on_config(std::string_view json) override {
    const Json config = Json::parse(json);
    const auto& url = config.at("database").get_ref<const std::string&>();
    if (url.empty()) return;
    query_ = config.at("query").get<std::string>();
    try {
      database_.emplace(DatabaseUrl::parse(url), [this](auto run) { return post(std::move(run)); });
    } catch (const std::invalid_argument& error) {
      throw Error(BC_E_INVALID, std::string("database: ") + error.what());
    }
  }

  void on_start() override {
    if (database_) look();
  }

  void on_message(const Message& message) override {
    SignalBroadcaster::on_message(message);
    is_told_ = true;
  }

 private:
  /// Until it has answered once.
  void look() {
    static_cast<void>(database_->try_run(
        [this](soci::session& session) {
          return [this, rows = read_signals(session, query_)] { on_rows(rows); };
        },
        [this](const std::string& why) {
          if (const auto line = faults_.line(why, mono_ns())) {
            log(LogLevel::kWarn, "database: " + *line);
          }
          if (!std::exchange(is_away_, true)) {
            report(Health::kDegraded, "the database is away; signals are published as they come");
          }
          after(kRetry, [this] { look(); });
        }));
  }

  void on_rows(const Json& rows) {
    report(Health::kOk, "");
    if (is_told_) return;  // what a scanner has sent meanwhile is newer
    try {
      SignalBroadcaster::on_message(
          {kTopic, "database", rows.dump(-1, ' ', false, Json::error_handler_t::replace)});
    } catch (const Busy&) {
      after(kRetry, [this, rows] { on_rows(rows); });
    } catch (const Error& error) {
      log(LogLevel::kError, std::string("open signals left out: ") + error.what());
    }
  }

  std::string query_;
  bool is_told_ = false;  // by a scanner
  FaultLog faults_;
  bool is_away_ = false;
  std::optional<Database> database_;
};

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::VcpSignal, "vcp_signal", "1.0.0",
                 R"("topics":[{"pattern":"signal:vcp","delivery":"all"}],
"config":{"type":"object","additionalProperties":false,"properties":{
"database":{"type":"string","default":"",
"description":"where signals are read once at start: sqlite:<file> or postgresql://…; empty: only what scanners send"},
"query":{"type":"string","minLength":1,"default":"SELECT s.ticker, COALESCE(t.name, s.ticker) AS name, t.market, s.score, s.grade, s.contraction_ratio, s.pivot_high, s.entry_price, s.stop_price, s.target_price, s.foreign_net_5d, s.inst_net_5d, s.signal_date FROM signals s LEFT JOIN stocks t ON t.ticker = s.ticker WHERE s.signal_type = 'VCP' AND s.status = 'OPEN' ORDER BY s.score DESC LIMIT 200",
"description":"the signals that are open, a row each; every column becomes a field of its name"}}})")
