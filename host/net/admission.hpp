#pragma once
// How many connections are open, in all and per address, and whether one more may come. Shared by
// all shards; [any].

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include <boost/asio/ip/address.hpp>

#include "host/base/counters.hpp"
#include "host/base/guarded.hpp"
#include "host/base/limits.hpp"

namespace broadcast {

/// Who is answerable for what comes from `address`: the address itself, of IPv6 its first 64 bits,
/// of which a single customer has all others. What is counted by address, is counted by this.
[[nodiscard]] boost::asio::ip::address network_of(const boost::asio::ip::address& address);

class Admission {
 public:
  /// One connection's share, given back on destruction. Small: every connection holds one.
  class Place {
   public:
    Place(Admission& admission, std::unique_ptr<boost::asio::ip::address> address)
        : admission_(&admission), address_(std::move(address)) {}
    ~Place();
    Place(Place&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)),
          address_(std::move(other.address_)) {}
    Place& operator=(Place&&) = delete;

   private:
    friend class Admission;
    Admission* admission_;
    std::unique_ptr<boost::asio::ip::address> address_;  // only where addresses are counted
  };

  /// `by_descriptors`: for so many connections there are some; 0: for any number.
  explicit Admission(const Limits& limits, std::size_t by_descriptors = 0) {
    set_limits(limits, by_descriptors);
  }
  /// For those who come from now on; who is there stays, and is not counted by address if he was
  /// not before.
  void set_limits(const Limits& limits, std::size_t by_descriptors) {
    state_.with_lock([&](State& state) {
      state.limits = limits;
      state.by_descriptors = by_descriptors;
    });
  }

  /// Which limit is reached.
  struct Refusal {
    std::string_view text;
    Counter limit = Counter::kLimitConnections;
    Counter reason = Counter::kHandshakeFull;
  };
  /// No `address`: a proxy has not said yet whose connection it is, and try_count() is to follow.
  [[nodiscard]] std::variant<Place, Refusal> try_enter(
      const std::optional<boost::asio::ip::address>& address);
  /// Counts `place`, which was entered without an address, by `address`; nothing: it may stay.
  [[nodiscard]] std::optional<Refusal> try_count(Place& place,
                                                 const boost::asio::ip::address& address);

 private:
  struct State {
    Limits limits;
    std::size_t by_descriptors = 0;
    std::size_t open = 0;
    std::map<boost::asio::ip::address, std::size_t> by_address;
  };
  [[nodiscard]] static std::optional<Refusal> try_count_address(
      State& state, const boost::asio::ip::address& network);
  void leave(const boost::asio::ip::address* address);

  Guarded<State> state_;
};

}  // namespace broadcast
