#include "host/net/admission.hpp"

namespace broadcast {

Admission::Place::~Place() {
  if (admission_ != nullptr) admission_->leave(address_.get());
}

std::optional<Admission::Place> Admission::try_enter(const boost::asio::ip::address& address,
                                                     std::string& refusal) {
  const bool by_address = limits_.connections_per_address > 0;
  const bool entered = state_.with_lock([&](State& state) {
    if (limits_.connections > 0 && state.open >= limits_.connections) {
      refusal = "the server has as many connections as it may (limits.connections)";
      return false;
    }
    if (by_address) {
      std::size_t& here = state.by_address[address];
      if (here >= limits_.connections_per_address) {
        refusal = "your address has as many connections as it may (limits.connections_per_address)";
        return false;
      }
      ++here;
    }
    ++state.open;
    return true;
  });
  if (!entered) return std::nullopt;
  return std::make_optional<Place>(
      *this, by_address ? std::make_unique<boost::asio::ip::address>(address) : nullptr);
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
