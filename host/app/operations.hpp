#pragma once
// What operators change while the host runs: a reload of the whole YAML, or one broadcaster that is
// enabled, disabled, restarted or replaced, or whose kept state is forgotten. Everything is read
// and checked before anything is touched, on a thread of its own, so that nobody waits for a disk;
// then broadcasters change one after the other. Owned by Server; [main].

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "host/app/broadcaster_plan.hpp"
#include "host/app/config.hpp"
#include "host/loader/broadcasters.hpp"
#include "host/seams/operator_control.hpp"

namespace broadcast {

class Operations final : public OperatorControl {
 public:
  /// Makes the settings of the configuration hold, and gives the relay its topics; says why not, if
  /// somebody else has one.
  using Apply = std::function<std::string(const std::vector<TopicPattern>& relay)>;
  /// `config` is what runs, and is kept so. `is_reachable`: others than this machine reach the
  /// admin listener. All outlive the operations; `io` runs on [main].
  Operations(boost::asio::io_context& io, Config& config, Broadcasters& broadcasters,
             bool is_reachable, Apply apply, Counters& counters);

  /// What the host was started with.
  void note_started(const BroadcasterPlan::Ready& ready);
  /// It is switched on, but waits until an operator enables it, or it is another.
  void leave_out(const BroadcasterPlan::Ready& ready, const std::string& why);
  void note_relay(const std::vector<TopicPattern>& relay) { relay_on_ = relay; }
  /// The host stops: nothing more is begun, and what is asked for is refused.
  void stop();
  /// The reader is still at something that was asked for: what it uses must stay.
  [[nodiscard]] bool is_reading() const { return is_reading_; }

  void reload(Done done) override;
  /// For SIGHUP: after the operation under way, if there is one; the log says what came of it, and
  /// then `done` is called, unless another one was asked for meanwhile.
  void reload_when_free(std::function<void()> done);
  void act(std::string_view broadcaster, Action action, Done done) override;

 private:
  struct Step {
    std::string name;
    std::optional<BroadcasterPlan::Ready> to;  // nothing: off
    std::string did;
  };

  /// What the reader found.
  struct Found {
    std::optional<Config> config;  // of a reload
    BroadcasterPlan plan;
    std::vector<std::string> errors;
  };
  /// Why it does not run, though it is switched on.
  struct LeftOut {
    BroadcasterPlan::Ready ready;
    std::string why;
  };

  [[nodiscard]] bool try_begin(Done& done);
  /// `read` runs on the reader, `then` with what it found on [main], unless the host stops
  /// meanwhile.
  template <class Read, class Then>
  void read_in_background(Read read, Then then);
  void on_reload_read(Found found);
  /// What would take a topic from somebody who runs and is to go on, in words.
  [[nodiscard]] std::vector<std::string> taken_topics(const BroadcasterPlan& plan,
                                                      const Config* next) const;
  void take(Config next, BroadcasterPlan plan);
  [[nodiscard]] bool stays_left_out(const BroadcasterPlan::Ready& ready) const;
  void forget_state(const std::string& name);
  void plan_one(const std::string& name);
  void on_one_planned(const std::string& name, Found found);
  void next_step();
  void on_step(Step step, PluginRunner::Changed changed);
  void finish();
  void tell_log() const;

  boost::asio::io_context& io_;
  Config& config_;
  Broadcasters& broadcasters_;
  const bool is_reachable_;
  const Apply apply_;
  Counters& counters_;
  std::map<std::string, BroadcasterPlan::Ready> on_;  // what is meant to run
  std::map<std::string, LeftOut> left_out_;           // what is not, because it crashes
  std::vector<TopicPattern> relay_on_;                // what is relayed
  bool is_stopped_ = false;
  // Of the operation under way.
  bool is_busy_ = false;
  bool is_reading_ = false;
  std::deque<Step> steps_;
  std::optional<std::vector<TopicPattern>> relay_;  // of a reload
  Operation result_;
  Done done_;
  std::function<void()> reload_waits_;  // null: none does
  boost::asio::thread_pool reader_{1};  // the last: it uses the others
};

}  // namespace broadcast
