#include "host/net/admission.hpp"

#include <algorithm>
#include <cstdint>

namespace broadcast {

boost::asio::ip::address network_of(const boost::asio::ip::address& address) {
  if (address.is_v4()) return address;
  const boost::asio::ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) return make_address_v4(boost::asio::ip::v4_mapped, v6);
  boost::asio::ip::address_v6::bytes_type bytes = v6.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return boost::asio::ip::address_v6(bytes);
}

Admission::Place::~Place() {
  if (admission_ != nullptr) admission_->leave(address_.get());
}

std::variant<Admission::Place, Admission::Refusal> Admission::try_enter(
    const std::optional<boost::asio::ip::address>& address) {
  bool is_counted = false;
  const auto refusal = state_.with_lock([&](State& state) -> std::optional<Refusal> {
    const Limits& limits = state.limits;
    if (limits.connections > 0 && state.open >= limits.connections) {
      return Refusal{"the server's connection limit is reached (limits.connections)",
                     Counter::kLimitConnections, Counter::kHandshakeFull};
    }
    if (state.by_descriptors > 0 && state.open >= state.by_descriptors) {
      return Refusal{"the server has as many connections as its descriptors allow",
                     Counter::kLimitDescriptorsReserve, Counter::kHandshakeDescriptors};
    }
    is_counted = address && limits.connections_per_address > 0;
    if (is_counted) {
      if (auto refused = try_count_address(state, network_of(*address))) return refused;
    }
    ++state.open;
    return std::nullopt;
  });
  if (refusal) return *refusal;
  return Place(*this, is_counted ? std::make_unique<boost::asio::ip::address>(network_of(*address))
                                 : nullptr);
}

std::optional<Admission::Refusal> Admission::try_count(Place& place,
                                                       const boost::asio::ip::address& address) {
  auto network = std::make_unique<boost::asio::ip::address>(network_of(address));
  return state_.with_lock([&](State& state) -> std::optional<Refusal> {
    if (state.limits.connections_per_address == 0) return std::nullopt;
    auto refused = try_count_address(state, *network);
    if (!refused) place.address_ = std::move(network);
    return refused;
  });
}

/// Under the lock.
std::optional<Admission::Refusal> Admission::try_count_address(
    State& state, const boost::asio::ip::address& network) {
  std::size_t& here = state.by_address[network];
  if (here >= state.limits.connections_per_address) {
    return Refusal{
        "the connection limit of your address is reached (limits.connections_per_address)",
        Counter::kLimitConnectionsPerAddress, Counter::kHandshakeFullAddress};
  }
  ++here;
  return std::nullopt;
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
