// No topic: a `ping` to every client each interval, one of the WebSocket protocol to those that are
// silent, and 4408 for those that stay so.

#include <algorithm>

#include <broadcast/broadcaster.hpp>
#include <broadcast/config.hpp>

namespace broadcast {

class Heartbeat : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    const Config config(json);
    interval_ = config.duration("interval");
    timeout_ = config.duration("timeout");
    if (timeout_ <= interval_) {
      throw Error(BC_E_INVALID, "timeout must be longer than interval: a client answers pings");
    }
  }

  void on_start() override {
    keep_heartbeat(interval_, timeout_);
    every(interval_, [this] { beat(); });
    // Looked for more often than pinged, so that nobody overstays by a whole interval.
    every(std::min<std::chrono::nanoseconds>(std::chrono::seconds(1), timeout_ / 10),
          [this] { close_silent(); });
  }

 private:
  void close_silent() {
    static constexpr std::uint16_t kHeartbeatTimeout = 4408;
    // A request still waiting (BUSY) is as good as this one.
    static_cast<void>(clients().try_close_idle(timeout_, kHeartbeatTimeout, "heartbeat timeout"));
  }

  void beat() {
    const std::string ping = R"({"type":"ping","timestamp":")" + iso_timestamp(wall_ns()) + "\"}";
    if (!clients().try_send_all(ping)) log(LogLevel::kWarn, "the host is busy: a ping was skipped");
  }

  std::chrono::nanoseconds interval_{};
  std::chrono::nanoseconds timeout_{};
};

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::Heartbeat, "heartbeat", "1.0.0",
                 R"("requires":["bc.clients/1"],"topics":[],
"config":{"type":"object","additionalProperties":false,"properties":{
"interval":{"type":"string","format":"duration","minimum":"100ms","maximum":"1h","default":"30s",
"description":"time between two pings"},
"timeout":{"type":"string","format":"duration","minimum":"200ms","maximum":"24h","default":"90s",
"description":"a client that sends no frame for this long is closed with 4408; must be longer than interval"}}})")
