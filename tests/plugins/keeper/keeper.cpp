// Keeps what it is sent from one generation to the next: {"fill":"a","bytes":7} is "aaaaaaa". Says
// at its start what was kept.

#include <algorithm>
#include <cstddef>
#include <string>

#include <broadcast/broadcaster.hpp>
#include <broadcast/fields.hpp>

namespace broadcast {

class Keeper : public Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_start() override {
    const std::string kept = kept_state();
    const bool is_whole = std::ranges::all_of(kept, [&](char c) { return c == kept.front(); });
    log(LogLevel::kInfo, "finds " + std::to_string(kept.size()) + " bytes of " +
                             (is_whole ? kept.substr(0, 1) : "several"));
  }
  void on_message(const Message& message) override {
    const Json sent = parse_json(message.payload);
    const Field order(sent, "order");
    const char fill = string_of(order.at("fill")).front();
    keep_state(std::string(static_cast<std::size_t>(number_of(order.at("bytes"))), fill));
  }
};

}  // namespace broadcast

BROADCAST_PLUGIN(broadcast::Keeper, "keeper", "1.0.0",
                 R"("requires":["bc.state/1"],"topics":[
{"pattern":"keeper:state","delivery":"latest"}])")
