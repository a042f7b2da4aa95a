#pragma once
// A life on a thread of this process: another thread loads the library, then create, CONFIG, START,
// timers and what its inbox holds run on the plugin's own, and once that has ended, its keeper's
// unloads the library. What the plugin does wrong there, it does to the whole host.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <broadcast/abi.h>

#include "host/base/crash_marker.hpp"
#include "host/base/guarded.hpp"
#include "host/base/owner_thread.hpp"
#include "host/loader/host_services.hpp"
#include "host/loader/life.hpp"
#include "host/loader/plugin_library.hpp"

namespace broadcast {

class ThreadLife final : public Life {
 public:
  ThreadLife(std::uint64_t number, PluginSpec spec, Start start, Parts parts);

  void launch() override;
  void proceed() override;
  void pause() override;
  void suspend() override;
  void resume() override;
  void request_stop(MonoTime deadline) override;
  void quarantine() override;
  [[nodiscard]] bool join_and_unload() override;

  [[nodiscard]] State state() const override { return state_.load(); }
  [[nodiscard]] bool has_started() const override { return has_started_.load(); }
  [[nodiscard]] std::optional<Failure> failure() const override;

 private:
  /// What a call into the plugin came to.
  struct Outcome {
    bc_status status = BC_OK;
    std::string text;
  };

  /// Others may use them: the plugin's thread has made them, and said so by its state.
  [[nodiscard]] bool has_services() const;

  void keep();
  void run();
  template <class Work>
  auto apart(Work work) const;
  [[nodiscard]] std::string tried() const;
  [[nodiscard]] bool try_load();
  void unload();
  template <class Work>
  auto with_linker(Callback callback, Work work);
  [[noreturn]] void end_process(Callback callback, const std::string& why);
  void prepare();
  void await_go();
  void start();
  void replay_demand();
  void serve();
  void rest();
  bool serve_timer();
  bool serve_item();
  void serve_message(PluginInbox::Message& message);
  void serve_demand(const PluginInbox::Demand& demand, std::uint16_t flags);
  void serve_post(const PluginInbox::Post& post);
  void end();
  void deliver_posts();
  void destroy();

  void about_to(Callback callback) const;
  template <class F>
  Outcome call(Callback callback, F&& function);
  Outcome handle(Callback callback, const bc_event& event);
  void judge(Callback callback, const Outcome& outcome);
  void judge_start(Callback callback, const Outcome& outcome);
  void count_error(Callback callback, const Outcome& outcome);
  void fail(std::string words, std::string detail);
  void note_failure(std::string words, std::string detail);
  void enter(State state);
  [[nodiscard]] bool is_over() const { return has_failed_ || inbox()->is_stopping(); }

  // Constant after construction.
  const Start start_;
  const Parts parts_;
  // Shared.
  std::atomic<State> state_{State::kTrying};
  std::atomic<bool> has_started_{false};
  std::atomic<bool> may_start_{false};
  std::atomic<bool> is_to_pause_{false};
  Guarded<std::optional<Failure>> failure_;
  // The supervisor's.
  OwnerThread owner_;
  std::thread keeper_;
  // The plugin's thread, while it waits the one that loads, and its keeper after it.
  CallbackPlace place_;
  // The plugin's thread; its keeper after it, then the supervisor.
  std::unique_ptr<PluginLibrary> library_;
  std::optional<HostServices> services_;
  void* self_ = nullptr;
  bool is_created_ = false;
  bool has_destroy_failed_ = false;
  bool has_failed_ = false;
  std::optional<MonoTime> started_;
  std::uint64_t errors_ = 0;
};

}  // namespace broadcast
