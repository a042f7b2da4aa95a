#pragma once
// Says which thread an object lives on, and catches the call from another one.

#include <thread>

#include "host/base/assert.hpp"

namespace broadcast {

class OwnerThread {
 public:
  /// Owned by the thread that constructs it until adopt() names another.
  OwnerThread() : id_(std::this_thread::get_id()) {}
  /// The calling thread becomes the owner. REQUIRES: nobody else uses the object meanwhile.
  void adopt() { id_ = std::this_thread::get_id(); }
  [[nodiscard]] bool is_current() const { return std::this_thread::get_id() == id_; }
  void check() const {
    BROADCAST_ASSERT(is_current(), "an object was used from a thread that does not own it");
  }

 private:
  std::thread::id id_;
};

}  // namespace broadcast
