// signal:daytrading: day-trading signals, each with the checklist that it passed or failed.

#include <string>
#include <vector>

#include <broadcast/config.hpp>
#include <broadcast/signal_broadcaster.hpp>

namespace broadcast {

class DaytradingSignal : public SignalBroadcaster {
 public:
  using SignalBroadcaster::SignalBroadcaster;

 protected:
  void check(const Signal& signal) const override {
    require_array(signal, "checks");
    const Field checks = signal.at("checks");
    for (std::size_t i = 0; i < checks.value().size(); ++i) check_item(checks.at(i));
  }

  void on_config(std::string_view json) override {
    patterns_ = Config(json).get<std::vector<std::string>>("drop_cache");
  }

  /// The REST API caches signals: it is not to go on answering with older ones than the socket.
  void on_published() override {
    for (const std::string& pattern : patterns_) drop_cache(pattern);
  }

 private:
  static void check_item(const Field& item) {
    require_string(item, "name");
    const Field status = item.at("status");
    if (status.value() != "passed" && status.value() != "partial" && status.value() != "failed") {
      status.refuse("passed, partial or failed");
    }
    require_number(item, "points");
  }

  std::vector<std::string> patterns_;
};

}  // namespace broadcast

BROADCAST_SIGNAL_PLUGIN_WITH(broadcast::DaytradingSignal, "daytrading_signal", "1.2.0",
                             "signal:daytrading", "DAYTRADING",
                             R"({"type":"object","additionalProperties":false,"properties":{
"drop_cache":{"type":"array","default":["ralph_stock:daytrading:signals:*"],
"items":{"type":"string","minLength":1,"maxLength":256,"pattern":"^[^*?\\[\\\\]"},
"description":"keys of redis.cache to drop after each update: patterns as SCAN has them, prefix included, with text before the first wildcard; []: none"}}})")
