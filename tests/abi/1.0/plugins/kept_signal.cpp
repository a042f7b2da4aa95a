// A signal type of SDK 1.0.0.

#include <broadcast/signal_broadcaster.hpp>

class KeptSignal : public broadcast::SignalBroadcaster {
 public:
  using SignalBroadcaster::SignalBroadcaster;
  void check(const broadcast::Signal& signal) const override { require_number(signal, "score"); }
};

BROADCAST_SIGNAL_PLUGIN(KeptSignal, "kept_signal", "1.0.0", "signal:kept", "KEPT")
