#pragma once
// A thread of a plugin's own that cannot outlive its broadcaster: it is joined before STOP has
// returned, so nothing of it calls the host afterwards, or runs in a library that is unmapped. It
// may call what is marked [any] in <broadcast/broadcaster.hpp>; what it finds is best brought home
// by post(), so that the broadcaster needs no locks. Needs nothing but the standard library.
//
//   void on_start() override {
//     reader_.emplace(*this, [this](const std::stop_token& stop) {
//       while (!stop.stop_requested()) {
//         const auto found = source_.read(std::chrono::seconds(1));
//         if (found) static_cast<void>(post([this, found] { take(*found); }));
//       }
//     });
//   }
//   std::optional<broadcast::Thread> reader_;

#include <algorithm>
#include <exception>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>

#include <broadcast/broadcaster.hpp>

namespace broadcast {

/// One thread, from its constructor to its destructor. Keep it in a member of the broadcaster that
/// is declared behind everything that it uses. Neither copied nor moved.
class Thread {
 public:
  /// [plugin] Begins `run` on a new thread. It has to return soon after its token is asked to stop,
  /// which happens before on_stop(), by request_stop() and by the destructor. An exception that
  /// leaves it is thrown again on the plugin's thread, as if a callback had thrown it. `owner`
  /// outlives this. Throws Error: in the owner's constructor, whose members are not all there yet;
  /// once on_stop() is next; on another thread; an empty `run`. Throws std::system_error: there is
  /// no thread to be had.
  Thread(Broadcaster& owner, std::function<void(const std::stop_token&)> run) : owner_(owner) {
    if (std::this_thread::get_id() != owner_.thread_) {
      throw Error(BC_E_WRONG_THREAD, "a Thread begins on the plugin's own thread");
    }
    if (!run) throw Error(BC_E_INVALID, "a Thread needs something to run");
    if (!owner_.takes_threads_) {
      throw Error(BC_E_INVALID, "a Thread begins between the constructor and on_stop()");
    }
    owner_.threads_.push_back(&thread_);
    try {
      thread_ = std::jthread([&owner, run = std::move(run)](const std::stop_token& stop) {
        run_fenced(owner, run, stop);
      });
    } catch (...) {
      leave();
      throw;
    }
  }
  /// [plugin] Asks it to stop and waits until `run` has returned.
  ~Thread() { leave(); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  /// [any] Asks `run` to return, and does not wait for it.
  void request_stop() { thread_.request_stop(); }

 private:
  static void run_fenced(Broadcaster& owner, const std::function<void(const std::stop_token&)>& run,
                         const std::stop_token& stop) noexcept {
    std::exception_ptr thrown;
    try {
      run(stop);
    } catch (...) {
      thrown = std::current_exception();
    }
    if (!thrown) return;
    // This thread keeps nothing of it, so that only the plugin's thread destroys what was thrown.
    const bool is_home =
        owner.post([thrown = std::move(thrown)] { std::rethrow_exception(thrown); });
    if (!is_home) owner.log(LogLevel::kError, "an exception has ended a thread");
  }
  void leave() { std::erase(owner_.threads_, &thread_); }

  Broadcaster& owner_;
  std::jthread thread_;  // joined by its destructor
};

}  // namespace broadcast
