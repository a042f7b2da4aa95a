// Built with the SDK as an author would: throws on request, always behind the SDK's own fence.

#include <stdexcept>
#include <string>
#include <string_view>

#include <broadcast/broadcaster.hpp>

namespace {

class Fenced final : public broadcast::Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 private:
  void on_message(const broadcast::Message& message) override {
    if (message.payload == R"({"do":"throw"})") throw std::runtime_error("no such table");
    if (message.payload == R"({"do":"throw_int"})") throw 42;
    if (message.payload == R"({"do":"restart"})") throw broadcast::RestartRequired("new settings");
    if (message.payload == R"({"do":"refuse"})") throw broadcast::Refused("ticker is missing");
    publish("fenced:log", R"({"type":"fenced","event":"MESSAGE"})");
  }
};

}  // namespace

BROADCAST_PLUGIN(
    Fenced, "fenced", "1.0.0",
    R"("topics":[{"pattern":"fenced:log","delivery":"all"}],"config":{"type":"object"})")
