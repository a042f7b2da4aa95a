#include <broadcast/signal_broadcaster.hpp>

class JonggaSignal : public broadcast::SignalBroadcaster {
 public:
  using SignalBroadcaster::SignalBroadcaster;
  void check(const broadcast::Signal& signal) const override {
    require_number(signal, "total_score");  // refused: "signals[0].total_score: missing"
  }
};

BROADCAST_SIGNAL_PLUGIN(JonggaSignal, "jongga_signal", "1.0.0", "signal:jongga", "JONGGA_V2")
