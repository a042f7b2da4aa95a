// The broadcaster of the dialogues and the load: what a producer sends for a topic is published on
// it as it is. Two topics are orders: mirror:report {"state":..,"detail":..} says how it is, and
// mirror:send_all goes to every client.

#include <array>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>

namespace broadcast {

namespace {

Health health_of(std::string_view state) {
  static constexpr std::array<std::string_view, 4> kNames = {"ok", "degraded", "stale", "down"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == state) return static_cast<Health>(i);
  }
  throw Refused("state: expected ok, degraded, stale or down");
}

}  // namespace

class Mirror : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_message(const Message& message) override {
    if (message.topic == "mirror:report") return report_as(message.payload);
    if (message.topic == "mirror:send_all") return send_all(message.payload);
    if (publish(message.topic, message.payload) == PublishResult::kBusy) throw Busy("host is full");
  }

 private:
  void report_as(std::string_view payload) const {
    const auto order = nlohmann::json::parse(payload);
    report(health_of(order.at("state").get_ref<const std::string&>()),
           order.at("detail").get_ref<const std::string&>());
  }

  void send_all(std::string_view payload) const {
    const auto* clients = extension<bc_ext_clients>(BC_EXT_CLIENTS);  // the manifest requires it
    if (clients->send_all(host(), borrow(payload)) != BC_OK) throw Busy("the host is full");
  }
};

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::Mirror, "mirror", "1.0.0",
                 R"("requires":["bc.clients/1","bc.status/1"],"topics":[
{"pattern":"price:{ticker}","match":"(?=.*[0-9])[0-9A-Z]{6}","delivery":"latest"},
{"pattern":"market:kospi","delivery":"latest"},{"pattern":"market:kosdaq","delivery":"latest"},
{"pattern":"market-gate","delivery":"latest"},
{"pattern":"signal:vcp","delivery":"all"},{"pattern":"signal:daytrading","delivery":"all"},
{"pattern":"mirror:report","delivery":"latest"},{"pattern":"mirror:send_all","delivery":"latest"}],
"config":{"type":"object","additionalProperties":false})")
