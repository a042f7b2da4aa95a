// signal:vcp: volatility contraction patterns, as the scanner finds them.

#include <broadcast/signal_broadcaster.hpp>

namespace broadcast {

class VcpSignal : public SignalBroadcaster {
 public:
  using SignalBroadcaster::SignalBroadcaster;
};

}  // namespace broadcast

BROADCAST_SIGNAL_PLUGIN(broadcast::VcpSignal, "vcp_signal", "1.0.0", "signal:vcp", "VCP")
