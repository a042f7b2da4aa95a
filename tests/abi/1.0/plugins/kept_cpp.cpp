// SDK 1.0.0's C++ layer, most of it. What happens to it is told on kept_cpp:log.

#include <broadcast/broadcaster.hpp>

static_assert(broadcast::kSdkVersion == "1.0.0");

class Kept : public broadcast::Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    if (json != "{}") throw broadcast::Error(BC_E_INVALID, "an empty config, please");
  }
  void on_start() override {
    starts_ = define_metric(broadcast::MetricKind::kCounter, "starts", "How often");
    starts_.record(1);
    report(broadcast::Health::kDegraded, "as it was built");
    log(broadcast::LogLevel::kInfo, "starting");
    if (subscribers("kept_cpp:log") != 1 || stopping() || clients()) throw 1;
    after(std::chrono::nanoseconds(0), [this] { tell("timer"); });
    if (!post([this] { tell("post"); })) throw 2;
  }
  void on_stop(std::chrono::nanoseconds deadline) override {
    if (deadline.count() > mono_ns()) tell("stop");
  }
  void on_demand(std::string_view topic, std::int64_t subscribers, bool replay) override {
    if (subscribers == 1 && replay) tell("demand " + std::string(topic));
  }
  void on_message(const broadcast::Message& message) override {
    if (!message.payload.starts_with('1')) throw broadcast::Refused("not a 1");
    tell("message " + std::string(message.source));
  }

 private:
  void tell(const std::string& what) {
    publish("kept_cpp:log", R"({"type":"kept","event":")" + what + "\"}", wall_ns());
  }
  broadcast::Metric starts_;
};

BROADCAST_PLUGIN(Kept, "kept_cpp", "1.0.0",
                 R"("requires":["bc.demand/1","bc.status/1","bc.metrics/1"],"demand":true,
"topics":[{"pattern":"kept_cpp:log","delivery":"all"}])")
