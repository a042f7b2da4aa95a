#pragma once
// One life of a broadcaster, from dlopen to dlclose, on a thread of its own: create, CONFIG, START,
// then timers and what its inbox holds, until it is stopped or fails; then STOP and destroy. Made
// and kept by PluginRunner, which runs it on the plugin's thread and looks after the library once
// that thread has ended.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/loader/host_services.hpp"
#include "host/loader/plugin_library.hpp"

namespace broadcast {

class Generation {
 public:
  /// Why it ended before it was told to.
  struct Failure {
    std::string words;   ///< for verdicts, after the name: "is restarting after an exception"
    std::string detail;  ///< for log and status: "exception in TIMER: no such table"
    std::chrono::nanoseconds ran{};  ///< since START returned; zero if it did not
  };
  /// All of it outlives the generation, which is kept as long as its library is mapped.
  struct Parts {
    const PluginFile& file;
    const std::string& config;
    const CopyPlace& copies;
    HostServices::Parts services;
    std::function<void(bool has_reported)> on_started;  ///< START returned BC_OK
    std::function<void(const Failure&)> on_failure;     ///< once, before STOP and destroy
  };

  explicit Generation(Parts parts) : parts_(std::move(parts)) {}
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  /// [plugin] The whole life.
  void run();
  [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }
  /// After the plugin's thread ended: true if nothing of the library is mapped any more.
  [[nodiscard]] bool release() { return !library_ || library_->release(); }

 private:
  /// What a call into the plugin came to.
  struct Outcome {
    bc_status status = BC_OK;
    std::string text;
  };

  void begin();
  void replay_demand();
  void serve();
  bool serve_timer();
  bool serve_item();
  void serve_message(PluginInbox::Message& message);
  void serve_demand(const PluginInbox::Demand& demand, std::uint16_t flags);
  void serve_post(const PluginInbox::Post& post);
  void end();
  void deliver_posts();
  void destroy();

  template <class F>
  Outcome call(F&& function);
  Outcome handle(const bc_event& event);
  void judge(std::string_view what, const Outcome& outcome);
  void judge_start(std::string_view what, const Outcome& outcome);
  void count_error(std::string_view what, const Outcome& outcome);
  void fail(std::string words, std::string detail);
  [[nodiscard]] bool is_over() const { return failure_ || parts_.services.inbox.is_stopping(); }
  [[nodiscard]] Verdict verdict_of(const Outcome& outcome) const;

  const Parts parts_;
  std::unique_ptr<PluginLibrary> library_;
  std::optional<HostServices> services_;
  void* self_ = nullptr;
  bool is_created_ = false;
  std::optional<MonoTime> started_;
  std::optional<Failure> failure_;
  std::uint64_t errors_ = 0;
};

}  // namespace broadcast
