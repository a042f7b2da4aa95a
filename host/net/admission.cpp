#include "host/net/admission.hpp"

namespace broadcast {

Admission::Place::~Place() {
  if (admission_ != nullptr) admission_->leave(address_.get());
}

std::variant<Admission::Place, Admission::Refusal> Admission::try_enter(
    const boost::asio::ip::address& address) {
  bool by_address = false;
  const auto refusal = state_.with_lock([&](State& state) -> std::optional<Refusal> {
    const Limits& limits = state.limits;
    if (limits.connections > 0 && state.open >= limits.connections) {
      return Refusal{"the server has as many connections as it may (limits.connections)",
                     Counter::kLimitConnections, Counter::kHandshakeFull};
    }
    if (limits.by_descriptors > 0 && state.open >= limits.by_descriptors) {
      return Refusal{"the server has as many connections as its descriptors allow",
                     Counter::kLimitDescriptorsReserve, Counter::kHandshakeDescriptors};
    }
    by_address = limits.connections_per_address > 0;
    if (by_address) {
      std::size_t& here = state.by_address[address];
      if (here >= limits.connections_per_address) {
        return Refusal{
            "your address has as many connections as it may (limits.connections_per_address)",
            Counter::kLimitConnectionsPerAddress, Counter::kHandshakeFullAddress};
      }
      ++here;
    }
    ++state.open;
    return std::nullopt;
  });
  if (refusal) return *refusal;
  return Place(*this, by_address ? std::make_unique<boost::asio::ip::address>(address) : nullptr);
}

void Admission::leave(const boost::asio::ip::address* address) {
  state_.with_lock([&](State& state) {
    --state.open;
    if (address == nullptr) return;
    const auto here = state.by_address.find(*address);
    if (--here->second == 0) state.by_address.erase(here);
  });
}

}  // namespace broadcast
