// signal:daytrading: day-trading signals, each with the checklist that it passed or failed.

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

  /// The REST API caches signals: it must never answer with older ones than the socket.
  void on_published() override { drop_cache("daytrading:signals:*"); }

 private:
  static void check_item(const Field& item) {
    require_string(item, "name");
    const Field status = item.at("status");
    if (status.value() != "passed" && status.value() != "partial" && status.value() != "failed") {
      status.refuse("passed, partial or failed");
    }
    require_number(item, "points");
  }
};

}  // namespace broadcast

BROADCAST_SIGNAL_PLUGIN(broadcast::DaytradingSignal, "daytrading_signal", "1.0.0",
                        "signal:daytrading", "DAYTRADING")
