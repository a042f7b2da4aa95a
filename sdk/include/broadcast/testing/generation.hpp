#pragma once
// One generation of a broadcaster under a FakeHost: the bc_host table that it sees, its timers, its
// posts, and a note of everything that it may not do. What it did goes to the Record. Used by
// FakeHost, on the test's thread, which is the plugin's; the functions of the table may be called
// from any thread. Longer than most files, because the table and what it does belong together.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include <broadcast/abi.h>
#include <broadcast/broadcaster.hpp>
#include <broadcast/testing/record.hpp>
#include <broadcast/testing/rules.hpp>

namespace broadcast::fake {

class Generation {
 public:
  /// `entry` and `record` outlive this. Nothing of the broadcaster runs yet. Throws
  /// std::runtime_error: another ABI, a manifest that a host would refuse, or a config against its
  /// schema.
  Generation(const bc_entry& entry, Record& record, std::string_view config)
      : entry_(entry),
        record_(record),
        manifest_(manifest_of(entry)),
        topics_(manifest_),
        config_(checked_config(manifest_, config)) {
    fill_table();
  }
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  [[nodiscard]] const nlohmann::json& manifest() const { return manifest_; }
  [[nodiscard]] bool is_created() const { return is_created_; }
  [[nodiscard]] bool is_started() const { return is_started_; }

  /// create and CONFIG. Returns what failed, as text; empty: nothing. stop() is to be called in
  /// either case.
  [[nodiscard]] std::string create() {
    const Answer created =
        call("create", [this] { return entry_.create(&table_, "test", &self_); });
    is_created_ = created.status == BC_OK;
    if (!is_created_) {
      const auto dropped = record_.locked([this] { return std::exchange(posts_, {}).size(); });
      return described("create", created) +
             (dropped == 0 ? "" : "; posts that nobody takes: " + std::to_string(dropped));
    }
    bc_event event = event_of(BC_EV_CONFIG);
    event.data = borrow(config_);
    const Answer configured = handle(event);
    return configured.status == BC_OK ? "" : described("CONFIG", configured);
  }
  /// START, then DEMAND for every topic that has subscribers. Once. Returns what START returned.
  bc_status start() {
    if (!is_created_) throw std::logic_error("the broadcaster was stopped");
    if (phase_ != Phase::kCreated) throw std::logic_error("the broadcaster was started before");
    phase_ = Phase::kOpen;
    const bc_status status = deliver(event_of(BC_EV_START));
    is_started_ = status == BC_OK;
    if (!is_started_) return status;
    record_.locked([this] {
      if (held_state_) record_.state = *std::exchange(held_state_, std::nullopt);
    });
    const auto subscribers = record_.locked([this] { return record_.subscribers; });
    for (const auto& [topic, count] : subscribers) {
      if (count > 0) demand(topic, count, BC_EVF_REPLAY);
    }
    run_posts();
    return status;
  }
  /// What it publishes, reports and keeps is answered REVOKED, until restore(). Nothing happens
  /// where it is not started, or stopped.
  void revoke() { change(Phase::kOpen, Phase::kRevoked); }
  void restore() { change(Phase::kRevoked, Phase::kOpen); }
  /// What was posted, STOP with a deadline in five seconds if START went well, destroy. A second
  /// call does nothing.
  void stop() {
    if (!is_created_) return;
    is_stopping_ = true;
    record_.locked([this] { takes_posts_ = false; });
    run_posts();
    if (is_started_) {
      bc_event event = event_of(BC_EV_STOP);
      event.num = record_.now_ns + 5'000'000'000;
      deliver(event);
    }
    phase_ = Phase::kStopped;
    is_created_ = false;
    call("destroy", [this]() -> bc_status { return entry_.destroy(self_), BC_OK; });
    has_ended_ = true;
  }

  /// An event without members of its own, of now.
  [[nodiscard]] bc_event event_of(std::uint16_t kind) const {
    bc_event event{};
    event.size = sizeof event;
    event.kind = kind;
    event.mono_ns = record_.now_ns;
    return event;
  }
  /// Delivers `event`. Throws std::logic_error: after stop().
  Answer handle(const bc_event& event) {
    if (!is_created_) throw std::logic_error("the broadcaster was stopped");
    return call("handle", [&] { return entry_.handle(self_, &event); });
  }
  /// DEMAND, if it is started and its manifest asks for it.
  void demand(const std::string& topic, std::int64_t count, std::uint16_t flags) {
    if (!is_started_ || !manifest_.value("demand", false)) return;
    bc_event event = event_of(BC_EV_DEMAND);
    event.flags = flags;
    event.num = count;
    event.topic = borrow(topic);
    deliver(event);
    run_posts();
  }
  /// Fires the first timer that is due by `end`, at its time; false: there is none.
  bool fire_next(std::int64_t end) {
    const auto next = std::min_element(
        timers_.begin(), timers_.end(),
        [](const auto& a, const auto& b) { return a.second.due_ns < b.second.due_ns; });
    if (next == timers_.end() || next->second.due_ns > end) return false;
    record_.now_ns = std::max(record_.now_ns.load(), next->second.due_ns);
    bc_event event = event_of(BC_EV_TIMER);
    event.id = next->first;
    event.mono_ns = next->second.due_ns;
    if (const std::int64_t period = next->second.period_ns; period > 0) {
      // A period never stacks: what was missed is not made up for.
      next->second.due_ns += period * ((record_.now_ns - next->second.due_ns) / period + 1);
    } else {
      timers_.erase(next);
    }
    deliver(event);
    return true;
  }
  /// Delivers all that is posted, and what that posts in its turn.
  void run_posts() {
    for (auto next = take_post(); next; next = take_post()) {
      bc_event event = event_of(BC_EV_POST);
      event.id = next->first;
      event.ptr = next->second;
      deliver(event);
    }
  }
  /// Waits, in real time, for a thread of the broadcaster to post. False: nothing was posted until
  /// `until`.
  bool wait_for_post(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(record_.mutex);
    return posted_.wait_until(lock, until, [this] { return !posts_.empty(); });
  }

 private:
  enum class Phase { kCreated, kOpen, kRevoked, kStopped };
  struct Timer {
    std::int64_t due_ns;
    std::int64_t period_ns;
  };
  struct Metric {
    std::string name;
    std::int32_t kind;
  };

  void change(Phase from, Phase to) { phase_.compare_exchange_strong(from, to); }

  static nlohmann::json manifest_of(const bc_entry& entry) {
    if (entry.magic != BC_MAGIC || entry.abi_major != BC_ABI_MAJOR) {
      throw std::runtime_error("the entry is not of plugin ABI 1");
    }
    return nlohmann::json::parse(entry.manifest);
  }
  static std::string described(const std::string& what, const Answer& answer) {
    return what + " failed (" + std::to_string(answer.status) + "): " + answer.text;
  }

  /// Calls into the broadcaster. An exception is misuse: the host would catch it, but not out of a
  /// library with a C++ runtime of its own.
  template <class F>
  Answer call(const std::string& what, F&& function) {
    last_fail_.clear();
    Answer answer;
    try {
      answer.status = function();
    } catch (const std::exception& error) {
      answer.status = thrown(what, error.what());
    } catch (...) {
      answer.status = thrown(what, "unknown exception");
    }
    if (answer.status != BC_OK) answer.text = last_fail_;
    return answer;
  }
  bc_status thrown(const std::string& what, const std::string& text) {
    last_fail_ = text;
    return record_.misused(BC_E_EXCEPTION, what + " threw across the border: " + text);
  }
  /// An event whose failure is nobody's answer.
  bc_status deliver(const bc_event& event) {
    const Answer answer = handle(event);
    if (answer.status != BC_OK) record_.locked([&] { record_.errors.push_back(answer); });
    return answer.status;
  }
  std::optional<std::pair<std::uint64_t, void*>> take_post() {
    return record_.locked([this]() -> std::optional<std::pair<std::uint64_t, void*>> {
      if (posts_.empty()) return std::nullopt;
      const auto next = posts_.front();
      posts_.pop_front();
      return next;
    });
  }

  // What the broadcaster calls.

  /// Whom `what` was called on; a call after destroy comes from a thread that was not joined.
  static Generation& of(const bc_host* host, const char* what) {
    auto& self = *static_cast<Generation*>(host->impl);
    if (self.has_ended_) {
      self.record_.misused(BC_OK, std::string(what) + " after destroy: a thread was not joined");
    }
    return self;
  }
  [[nodiscard]] bool is_foreign() const { return std::this_thread::get_id() != thread_; }
  [[nodiscard]] bool is_revoked() const {
    return phase_ == Phase::kRevoked || phase_ == Phase::kStopped;
  }

  void fill_table() {
    table_.size = sizeof table_;
    table_.abi_major = BC_ABI_MAJOR;
    table_.name = "fake-host";
    table_.version = "1.0.0";
    table_.impl = this;
    table_.get_extension = [](const bc_host* h, const char* id) {
      const Generation& self = of(h, "get_extension");
      return id == nullptr ? nullptr : self.extension(id);
    };
    table_.log = [](const bc_host* h, std::int32_t level, bc_str text) {
      Record& record = of(h, "log").record_;
      record.locked([&] { record.logs.push_back({level, std::string(view(text))}); });
    };
    table_.fail = [](const bc_host* h, bc_str why) { of(h, "fail").fail(view(why)); };
    table_.publish = [](const bc_host* h, const bc_publish* call) {
      return of(h, "publish").publish(call);
    };
    table_.timer = [](const bc_host* h, std::uint64_t id, std::int64_t delay, std::int64_t period) {
      return of(h, "timer").arm(id, delay, period);
    };
    table_.post = [](const bc_host* h, std::uint64_t id, void* ptr) {
      return of(h, "post").post(id, ptr);
    };
    table_.mono_ns = [](const bc_host* h) { return of(h, "mono_ns").record_.now_ns.load(); };
    table_.wall_ns = [](const bc_host* h) {
      const Record& record = of(h, "wall_ns").record_;
      return record.options.wall_start_ns + record.now_ns;
    };
    table_.stopping = [](const bc_host* h) -> std::int32_t {
      return of(h, "stopping").is_stopping_ ? 1 : 0;
    };
  }

  [[nodiscard]] const void* extension(std::string_view wanted) const {
    static const bc_ext_demand kDemand = {[](const bc_host* h, bc_str topic) -> std::int64_t {
      Record& record = of(h, "subscribers").record_;
      return record.locked([&]() -> std::int64_t {
        const auto found = record.subscribers.find(std::string(view(topic)));
        return found == record.subscribers.end() ? 0 : found->second;
      });
    }};
    static const bc_ext_status kStatus = {
        [](const bc_host* h, std::int32_t state, bc_str detail) -> bc_status {
          return of(h, "report").report(state, std::string(view(detail)));
        }};
    static const bc_ext_metrics kMetrics = {
        [](const bc_host* h, std::uint32_t id, std::int32_t kind, bc_str name, bc_str)
            -> bc_status { return of(h, "define").define(id, kind, std::string(view(name))); },
        [](const bc_host* h, std::uint32_t id, double value) { of(h, "record").add(id, value); }};
    static const bc_ext_clients kClients = {
        [](const bc_host* h) { return of(h, "count").record_.options.clients; },
        [](const bc_host* h, bc_str json) -> bc_status {
          return of(h, "send_all").send_all(std::string(view(json)));
        },
        [](const bc_host* h, std::int64_t idle, std::uint16_t code, bc_str reason) -> bc_status {
          return of(h, "close_idle")
              .close_idle({std::chrono::nanoseconds(idle), code, std::string(view(reason))});
        }};
    static const bc_ext_heartbeat kHeartbeat = {
        [](const bc_host* h, std::int64_t interval, std::int64_t timeout) -> bc_status {
          return of(h, "keep").keep_heartbeat(
              {std::chrono::nanoseconds(interval), std::chrono::nanoseconds(timeout)});
        }};
    static const bc_ext_cache kCache = {[](const bc_host* h, bc_str pattern) -> bc_status {
      return of(h, "drop").drop(std::string(view(pattern)));
    }};
    static const bc_ext_state kState = {
        [](const bc_host* h, bc_str state) -> bc_status { return of(h, "set").keep(view(state)); },
        [](const bc_host* h, char* to, std::size_t capacity) -> std::int64_t {
          return of(h, "get").recall(to, capacity);
        }};
    static const std::map<std::string_view, const void*> kAll = {
        {BC_EXT_DEMAND, &kDemand},   {BC_EXT_STATUS, &kStatus},       {BC_EXT_METRICS, &kMetrics},
        {BC_EXT_CLIENTS, &kClients}, {BC_EXT_HEARTBEAT, &kHeartbeat}, {BC_EXT_CACHE, &kCache},
        {BC_EXT_STATE, &kState}};
    const auto found = kAll.find(wanted);
    const bool is_denied = record_.options.denied.contains(std::string(wanted));
    return found == kAll.end() || is_denied ? nullptr : found->second;
  }

  void fail(std::string_view why) {
    if (is_foreign()) {
      record_.misused(BC_OK, "fail called from a foreign thread");
    } else {
      last_fail_ = why;
    }
  }
  bc_status publish(const bc_publish* from) {
    bc_publish call{};
    if (!read_sized(from, call) || call.flags != 0) return BC_E_UNSUPPORTED;
    const std::string topic(view(call.topic));
    const std::string payload(view(call.payload));
    switch (phase_.load()) {
      case Phase::kCreated:
        return record_.misused(BC_E_INVALID, "publish before START on " + topic);
      case Phase::kStopped:
        return record_.misused(BC_E_REVOKED, "publish after STOP on " + topic);
      case Phase::kRevoked:
        return BC_E_REVOKED;
      case Phase::kOpen:
        break;
    }
    const auto delivery = record_.locked([&] { return topics_.delivery_of(topic); });
    if (!delivery) {
      return record_.misused(BC_E_DENIED,
                             "publish on a topic that the manifest does not own: " + topic);
    }
    if (std::string problem = payload_problem(topic, payload); !problem.empty()) {
      return record_.misused(BC_E_INVALID, std::move(problem));
    }
    return record_.locked([&]() -> bc_status {
      if (*delivery == "all" && record_.publish_status != BC_OK) return record_.publish_status;
      record_.published.push_back({topic, payload, std::chrono::nanoseconds(record_.now_ns)});
      return BC_OK;
    });
  }
  bc_status arm(std::uint64_t id, std::int64_t delay_ns, std::int64_t period_ns) {
    if (is_foreign()) {
      return record_.misused(BC_E_WRONG_THREAD, "timer armed from a foreign thread");
    }
    if (delay_ns >= 0 && period_ns < 0) return BC_E_INVALID;
    timers_.erase(id);
    if (delay_ns >= 0 && timers_.size() >= kMaxArmedTimers) return BC_E_BUSY;
    if (delay_ns >= 0) timers_[id] = {record_.now_ns + delay_ns, period_ns};
    return BC_OK;
  }
  bc_status post(std::uint64_t id, void* ptr) {
    return record_.locked([&]() -> bc_status {
      if (!takes_posts_) return BC_E_REVOKED;
      if (posts_.size() >= kMaxWaitingPosts) return BC_E_BUSY;
      posts_.emplace_back(id, ptr);
      posted_.notify_one();
      return BC_OK;
    });
  }
  bc_status report(std::int32_t state, std::string detail) {
    if (is_revoked()) return BC_E_REVOKED;
    if (state < BC_STATUS_OK || state > BC_STATUS_DOWN) {
      return record_.misused(BC_E_INVALID, "report of an unknown state: " + std::to_string(state));
    }
    record_.locked([&] { record_.reports.push_back({state, std::move(detail)}); });
    return BC_OK;
  }
  bc_status define(std::uint32_t id, std::int32_t kind, const std::string& name) {
    const auto misused = [&](bc_status answer, const std::string& why) {
      return record_.misused(answer, "metric " + name + " defined " + why);
    };
    if (is_foreign()) return misused(BC_E_WRONG_THREAD, "from a foreign thread");
    if (is_started_) return misused(BC_E_INVALID, "after START");
    if (!is_metric(name, kind)) return misused(BC_E_INVALID, "with a bad name or kind");
    return record_.locked([&]() -> bc_status {
      const auto is_same = [&](const auto& one) { return one.second.name == name; };
      if (std::any_of(metrics_.begin(), metrics_.end(), is_same) || metrics_.contains(id)) {
        record_.misuse.push_back("metric " + name + " defined twice, or its id is taken");
        return BC_E_INVALID;
      }
      if (metrics_.size() >= kMaxDefinedMetrics) return BC_E_BUSY;
      metrics_[id] = {name, kind};
      return BC_OK;
    });
  }
  void add(std::uint32_t id, double value) {
    record_.locked([&] {
      const auto metric = metrics_.find(id);
      if (metric == metrics_.end()) return record_.misuse.push_back("a metric was not defined");
      const auto& [name, kind] = metric->second;
      if (!std::isfinite(value) || (kind == BC_COUNTER && value < 0)) {
        return record_.misuse.push_back("metric " + name + " cannot take " + std::to_string(value));
      }
      double& sum = record_.metrics[name];
      sum = kind == BC_GAUGE ? value : sum + value;
    });
  }
  bc_status send_all(std::string json) {
    if (is_revoked()) return BC_E_REVOKED;
    if (std::string problem = text_problem(json); !problem.empty()) {
      return record_.misused(BC_E_INVALID, std::move(problem));
    }
    record_.locked([&] { record_.sent_to_all.push_back(std::move(json)); });
    return BC_OK;
  }
  bc_status close_idle(CloseIdle call) {
    if (is_revoked()) return BC_E_REVOKED;
    if (call.idle.count() < 0 || !is_sendable_close_code(call.code) ||
        call.reason.size() > kMaxCloseTextBytes) {
      return record_.misused(BC_E_INVALID, "close_idle with code " + std::to_string(call.code) +
                                               ", a time below 0, or a long reason");
    }
    record_.locked([&] { record_.closed_idle.push_back(std::move(call)); });
    return BC_OK;
  }
  bc_status keep_heartbeat(Heartbeat heartbeat) {
    if (is_revoked()) return BC_E_REVOKED;
    if (phase_ == Phase::kCreated) {
      return record_.misused(BC_E_INVALID, "a heartbeat before START");
    }
    if (!is_heartbeat(heartbeat.interval, heartbeat.timeout)) {
      return record_.misused(BC_E_INVALID,
                             "a heartbeat of less than 100 ms, or no shorter than its timeout");
    }
    record_.locked([&] { record_.heartbeats.push_back(heartbeat); });
    return BC_OK;
  }
  bc_status drop(std::string pattern) {
    if (is_revoked()) return BC_E_REVOKED;
    if (!is_cache_pattern(pattern)) {
      return record_.misused(BC_E_INVALID, "drop without text before a wildcard: " + pattern);
    }
    record_.locked([&] { record_.dropped_cache.push_back(std::move(pattern)); });
    return BC_OK;
  }

  bc_status keep(std::string_view state) {
    if (phase_ == Phase::kRevoked) return BC_E_REVOKED;
    if (phase_ == Phase::kStopped) return record_.misused(BC_E_REVOKED, "state set after STOP");
    if (phase_ == Phase::kCreated) return record_.misused(BC_E_INVALID, "state set before START");
    if (state.size() > BC_STATE_BYTES) {
      return record_.misused(BC_E_INVALID, "a state of " + std::to_string(state.size()) +
                                               " bytes, more than a host keeps");
    }
    // Until START has returned, the generation before may go on.
    record_.locked([&] {
      if (is_started_) {
        record_.state = state;
      } else {
        held_state_ = state;
      }
    });
    return BC_OK;
  }
  std::int64_t recall(char* to, std::size_t capacity) {
    if (is_revoked()) return BC_E_REVOKED;
    if (phase_ == Phase::kCreated) return record_.misused(BC_E_INVALID, "state read before START");
    return record_.locked([&] {
      const std::string& state = held_state_ ? *held_state_ : record_.state;
      if (state.size() <= capacity) state.copy(to, capacity);
      return static_cast<std::int64_t>(state.size());
    });
  }

  const bc_entry& entry_;
  Record& record_;
  const nlohmann::json manifest_;
  OwnedTopics topics_;  // under the record's lock
  const std::string config_;
  const std::thread::id thread_ = std::this_thread::get_id();
  bc_host table_{};
  void* self_ = nullptr;
  bool is_created_ = false;
  std::atomic<bool> is_started_ = false;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> has_ended_ = false;
  std::atomic<Phase> phase_ = Phase::kCreated;
  std::string last_fail_;
  std::map<std::uint64_t, Timer> timers_;
  std::condition_variable posted_;
  // Under the record's lock.
  std::optional<std::string> held_state_;
  bool takes_posts_ = true;
  std::deque<std::pair<std::uint64_t, void*>> posts_;
  std::map<std::uint32_t, Metric> metrics_;
};

}  // namespace broadcast::fake
