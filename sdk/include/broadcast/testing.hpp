#pragma once
// FakeHost: a host in a test, without threads, sockets or waiting. It runs one broadcaster, linked
// in or from its .so, on virtual time, and keeps what it did: an hour of behaviour takes
// milliseconds. Needs nlohmann/json and dlopen.
//
//   FakeHost host(BROADCAST_PLUGIN_PATH, R"({"interval":"5s"})");
//   host.start();
//   host.advance(std::chrono::minutes(1));
//   EXPECT_EQ(host.published("price:005930").size(), 13u);
//   EXPECT_TRUE(host.misuse().empty());
//
// All functions are for the test's thread. What the broadcaster calls may come from any thread;
// look at it when that thread has ended. Posts from other threads are taken and run by the next
// start(), advance(), message() or stop() of the test's thread.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <nlohmann/json.hpp>

#include <broadcast/abi.h>
#include <broadcast/broadcaster.hpp>

namespace broadcast {

class FakeHost {
 public:
  struct Publication {
    std::string topic;
    std::string payload;
    std::chrono::nanoseconds at{};  ///< since the start of virtual time
    [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(payload); }
  };
  /// What MESSAGE returned: status and, unless BC_OK, the text for the producer.
  struct Answer {
    bc_status status = BC_OK;
    std::string text;
  };
  struct Report {
    std::int32_t state = 0;
    std::string detail;
  };
  struct CloseIdle {
    std::chrono::nanoseconds idle{};
    std::uint16_t code = 0;
    std::string reason;
  };
  struct LogLine {
    std::int32_t level = 0;
    std::string text;
  };
  struct Options {
    std::set<std::string> denied;  ///< extensions that are not offered
    std::int64_t clients = 1;      ///< what bc.clients/1 counts
    std::int64_t wall_start_ns = 1'770'000'000'000'000'000;
  };

  /// A broadcaster linked into the test. `config` is JSON; the manifest's defaults are filled in,
  /// nothing is checked against its schema. Throws std::runtime_error when the entry is not ABI 1,
  /// or create or CONFIG fails.
  FakeHost(const bc_entry& entry, std::string_view config, Options options)
      : options_(std::move(options)), entry_(&entry) {
    begin(config);
  }
  FakeHost(const bc_entry& entry, std::string_view config) : FakeHost(entry, config, Options()) {}
  /// The same from a library.
  FakeHost(const std::string& path, std::string_view config, Options options)
      : options_(std::move(options)), library_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) throw std::runtime_error(::dlerror());
    entry_ = static_cast<const bc_entry*>(::dlsym(library_.get(), BC_ENTRY_SYMBOL));
    if (entry_ == nullptr) {
      throw std::runtime_error(path + ": exports no bc_plugin_entry (BROADCAST_PLUGIN missing?)");
    }
    begin(config);
  }
  FakeHost(const std::string& path, std::string_view config) : FakeHost(path, config, Options()) {}
  ~FakeHost() { stop(); }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // What happens to the broadcaster. After stop() there is none: std::logic_error.

  bc_status start() {
    phase_ = Phase::kStarted;
    const bc_status status = deliver(event(BC_EV_START));
    has_started_ = status == BC_OK;
    if (!has_started_) return status;
    for (const auto& [topic, count] : subscribers_) {
      if (count > 0) demand(topic, count, BC_EVF_REPLAY);
    }
    run_posts();
    return status;
  }
  /// What was posted, STOP with five seconds' deadline if START went well, then destroy. Once; the
  /// destructor does it too.
  void stop() {
    if (self_ == nullptr) return;
    stopping_ = true;
    locked([this] { takes_posts_ = false; });
    run_posts();
    if (has_started_) {
      bc_event stop = event(BC_EV_STOP);
      stop.num = now_ns_ + 5'000'000'000;
      deliver(stop);
    }
    phase_ = Phase::kStopped;
    entry_->destroy(std::exchange(self_, nullptr));
  }
  /// Virtual time goes on; timers fire in order.
  void advance(std::chrono::nanoseconds duration) {
    const std::int64_t end = now_ns_ + duration.count();
    run_posts();
    for (auto next = due(end); next != timers_.end(); next = due(end)) {
      now_ns_ = std::max(now_ns_.load(), next->second.due_ns);
      fire(next);
      run_posts();
    }
    now_ns_ = end;
  }
  /// Virtual time goes on while the broadcaster's thread is busy: what becomes due meanwhile is
  /// late, and fires with the next advance().
  void pass(std::chrono::nanoseconds duration) { now_ns_ += duration.count(); }
  /// Runs posts until `is_done`, waiting for those of the broadcaster's own threads. False: that
  /// took longer than `timeout`, in real time.
  template <class Predicate>
  [[nodiscard]] bool run_posts_until(Predicate is_done,
                                     std::chrono::nanoseconds timeout = std::chrono::seconds(30)) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (run_posts(), !is_done()) {
      std::unique_lock lock(mutex_);
      if (!posted_.wait_until(lock, until, [this] { return !posts_.empty(); })) return false;
    }
    return true;
  }
  Answer message(std::string_view topic, std::string_view payload,
                 std::string_view source = "http") {
    bc_event message = event(BC_EV_MESSAGE);
    message.topic = borrow(topic);
    message.source = borrow(source);
    message.data = borrow(payload);
    Answer answer;
    answer.status = deliver(message);
    if (answer.status != BC_OK) answer.text = last_fail_;
    run_posts();
    return answer;
  }
  /// One subscriber more, or less; DEMAND follows for the first and after the last, if the manifest
  /// asks for it.
  void subscribe(const std::string& topic) {
    if (locked([&] { return ++subscribers_[topic]; }) == 1 && phase_ == Phase::kStarted)
      demand(topic, 1, 0);
  }
  void unsubscribe(const std::string& topic) {
    if (subscribers_[topic] == 0) throw std::logic_error("nobody subscribes to " + topic);
    if (locked([&] { return --subscribers_[topic]; }) == 0 && phase_ == Phase::kStarted)
      demand(topic, 0, 0);
  }
  /// From now on publish() on `all` topics answers this, as a full host would: BC_E_BUSY,
  /// BC_E_REVOKED; BC_OK ends it.
  void set_publish_status(bc_status status) { publish_status_ = status; }

  // What it did.

  [[nodiscard]] const nlohmann::json& manifest() const { return manifest_; }
  [[nodiscard]] const std::vector<Publication>& published() const { return published_; }
  [[nodiscard]] std::vector<Publication> published(std::string_view topic) const {
    std::vector<Publication> some;
    std::copy_if(published_.begin(), published_.end(), std::back_inserter(some),
                 [&](const Publication& one) { return one.topic == topic; });
    return some;
  }
  /// The newest message of a topic; throws std::out_of_range if there is none.
  [[nodiscard]] nlohmann::json last(std::string_view topic) const {
    const auto all = published(topic);
    if (all.empty()) throw std::out_of_range("nothing was published on " + std::string(topic));
    return all.back().json();
  }
  [[nodiscard]] const std::vector<Report>& reports() const { return reports_; }
  [[nodiscard]] const std::vector<LogLine>& logs() const { return logs_; }
  /// Everything that a callback other than MESSAGE failed with.
  [[nodiscard]] const std::vector<Answer>& errors() const { return errors_; }
  [[nodiscard]] const std::vector<std::string>& sent_to_all() const { return sent_to_all_; }
  [[nodiscard]] const std::vector<CloseIdle>& closed_idle() const { return closed_idle_; }
  [[nodiscard]] const std::vector<std::string>& dropped_cache() const { return dropped_cache_; }
  /// By name; histograms keep the sum of what was observed.
  [[nodiscard]] const std::map<std::string, double>& metrics() const { return metrics_; }
  /// What no broadcaster may do, in words: publish before START or after STOP, a topic it does not
  /// own, a payload that is not a JSON object with `type` and without `topic` and `seq` or is
  /// larger than 256 KiB, a timer from a foreign thread, a metric that was not defined.
  [[nodiscard]] const std::vector<std::string>& misuse() const { return misuse_; }
  /// Since the start of virtual time.
  [[nodiscard]] std::chrono::nanoseconds now() const { return std::chrono::nanoseconds(now_ns_); }

 private:
  enum class Phase { kCreated, kStarted, kStopped };
  struct Timer {
    std::int64_t due_ns;
    std::int64_t period_ns;
  };
  struct Metric {
    std::string name;
    std::int32_t kind;
  };

  struct CloseLibrary {
    void operator()(void* library) const { ::dlclose(library); }
  };

  static FakeHost& of(const bc_host* host) { return *static_cast<FakeHost*>(host->impl); }

  /// What several threads touch is touched under the lock.
  template <class F>
  std::invoke_result_t<F> locked(F&& body) {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(body)();
  }

  void begin(std::string_view config) {
    if (entry_->magic != BC_MAGIC || entry_->abi_major != BC_ABI_MAJOR) {
      throw std::runtime_error("the entry is not of plugin ABI 1");
    }
    manifest_ = nlohmann::json::parse(entry_->manifest);
    fill_table();
    check_started("create", entry_->create(&table_, "test", &self_));
    try {
      check_started("CONFIG", configure(config));
    } catch (...) {
      entry_->destroy(std::exchange(self_, nullptr));
      throw;
    }
  }
  bc_status configure(std::string_view json) {
    const auto schema = manifest_.value("config", nlohmann::json::object());
    const std::string text = with_defaults(schema, nlohmann::json::parse(json)).dump();
    bc_event config = event(BC_EV_CONFIG);
    config.data = borrow(text);
    return deliver(config);
  }
  /// As the host does it: each absent key that has a default, at every depth.
  static nlohmann::json with_defaults(const nlohmann::json& schema, nlohmann::json value) {
    if (value.is_object() && schema.contains("properties")) {
      for (const auto& [key, property] : schema["properties"].items()) {
        if (!value.contains(key) && property.contains("default")) value[key] = property["default"];
        if (value.contains(key)) value[key] = with_defaults(property, value[key]);
      }
    }
    if (value.is_array() && schema.contains("items")) {
      for (auto& item : value) item = with_defaults(schema["items"], item);
    }
    return value;
  }
  void check_started(const std::string& what, bc_status status) const {
    if (status == BC_OK) return;
    throw std::runtime_error(what + " failed (" + std::to_string(status) + "): " + last_fail_);
  }

  void fill_table() {
    table_.size = sizeof table_;
    table_.abi_major = BC_ABI_MAJOR;
    table_.name = "fake-host";
    table_.version = "1.0.0";
    table_.impl = this;
    table_.get_extension = [](const bc_host* h, const char* id) { return of(h).extension(id); };
    table_.log = [](const bc_host* h, std::int32_t level, bc_str text) {
      of(h).locked([&] { of(h).logs_.push_back({level, std::string(view(text))}); });
    };
    table_.fail = [](const bc_host* h, bc_str why) { of(h).last_fail_ = view(why); };
    table_.publish = [](const bc_host* h, const bc_publish* call) {
      return of(h).locked([&] { return of(h).publish(call); });
    };
    table_.timer = [](const bc_host* h, std::uint64_t id, std::int64_t delay, std::int64_t period) {
      return of(h).arm(id, delay, period);
    };
    table_.post = [](const bc_host* h, std::uint64_t id, void* ptr) { return of(h).post(id, ptr); };
    table_.mono_ns = [](const bc_host* h) { return of(h).now_ns_.load(); };
    table_.wall_ns = [](const bc_host* h) { return of(h).options_.wall_start_ns + of(h).now_ns_; };
    table_.stopping = [](const bc_host* h) -> std::int32_t { return of(h).stopping_ ? 1 : 0; };
  }

  const void* extension(std::string_view wanted) {
    static const bc_ext_demand kDemand = {[](const bc_host* h, bc_str topic) -> std::int64_t {
      return of(h).locked([&]() -> std::int64_t {
        const auto found = of(h).subscribers_.find(std::string(view(topic)));
        return found == of(h).subscribers_.end() ? 0 : found->second;
      });
    }};
    static const bc_ext_status kStatus = {
        [](const bc_host* h, std::int32_t state, bc_str detail) -> bc_status {
          of(h).locked([&] { of(h).reports_.push_back({state, std::string(view(detail))}); });
          return BC_OK;
        }};
    static const bc_ext_metrics kMetrics = {
        [](const bc_host* h, std::uint32_t id, std::int32_t kind, bc_str name,
           bc_str) -> bc_status {
          of(h).locked([&] { of(h).metric_names_[id] = {std::string(view(name)), kind}; });
          return BC_OK;
        },
        [](const bc_host* h, std::uint32_t id, double value) {
          of(h).locked([&] { of(h).record(id, value); });
        }};
    static const bc_ext_clients kClients = {
        [](const bc_host* h) { return of(h).options_.clients; },
        [](const bc_host* h, bc_str json) -> bc_status {
          of(h).locked([&] { of(h).sent_to_all_.emplace_back(view(json)); });
          return BC_OK;
        },
        [](const bc_host* h, std::int64_t idle, std::uint16_t code, bc_str reason) -> bc_status {
          of(h).locked([&] {
            of(h).closed_idle_.push_back(
                {std::chrono::nanoseconds(idle), code, std::string(view(reason))});
          });
          return BC_OK;
        }};
    static const bc_ext_cache kCache = {[](const bc_host* h, bc_str pattern) -> bc_status {
      of(h).locked([&] { of(h).dropped_cache_.emplace_back(view(pattern)); });
      return BC_OK;
    }};
    static const std::map<std::string_view, const void*> kAll = {{BC_EXT_DEMAND, &kDemand},
                                                                 {BC_EXT_STATUS, &kStatus},
                                                                 {BC_EXT_METRICS, &kMetrics},
                                                                 {BC_EXT_CLIENTS, &kClients},
                                                                 {BC_EXT_CACHE, &kCache}};
    const auto found = kAll.find(wanted);
    const bool offered = found != kAll.end() && !options_.denied.contains(std::string(wanted));
    return offered ? found->second : nullptr;
  }

  bc_status publish(const bc_publish* from) {
    bc_publish call{};
    if (!read_sized(from, call) || call.flags != 0) return BC_E_UNSUPPORTED;
    const std::string topic(view(call.topic));
    const std::string payload(view(call.payload));
    if (phase_ == Phase::kStopped) {
      note_misuse("publish after STOP on " + topic);
      return BC_E_REVOKED;
    }
    if (phase_ == Phase::kCreated) {
      note_misuse("publish before START on " + topic);
      return BC_E_INVALID;
    }
    const auto known_topic = deliveries_.find(topic);
    const auto owned = known_topic != deliveries_.end()
                           ? known_topic->second
                           : deliveries_.emplace(topic, delivery_of(topic)).first->second;
    if (!owned) {
      note_misuse("publish on a topic that the manifest does not own: " + topic);
      return BC_E_DENIED;
    }
    if (payload.size() > kMaxPayloadBytes) {
      note_misuse("larger than " + std::to_string(kMaxPayloadBytes) + " bytes: on " + topic);
      return BC_E_INVALID;
    }
    const auto json = nlohmann::json::parse(payload, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("type") || json.contains("topic") ||
        json.contains("seq")) {
      note_misuse("not a JSON object with `type` and without `topic` and `seq`: " + payload);
      return BC_E_INVALID;
    }
    if (*owned == "all" && publish_status_ != BC_OK) return publish_status_;
    published_.push_back({topic, payload, std::chrono::nanoseconds(now_ns_)});
    return BC_OK;
  }
  [[nodiscard]] std::optional<std::string> delivery_of(const std::string& topic) const {
    for (const auto& owned : manifest_.value("topics", nlohmann::json::array())) {
      const auto pattern = owned.at("pattern").get<std::string>();
      const auto brace = pattern.find('{');
      const std::string prefix = pattern.substr(0, brace);
      if (brace == std::string::npos ? topic != pattern
                                     : topic.size() <= prefix.size() || topic.find(prefix) != 0) {
        continue;
      }
      const std::string match = owned.value("match", ".*");
      if (brace != std::string::npos &&
          !std::regex_match(topic.substr(prefix.size()), std::regex(match))) {
        continue;
      }
      return owned.at("delivery").get<std::string>();
    }
    return std::nullopt;
  }

  bc_status arm(std::uint64_t id, std::int64_t delay_ns, std::int64_t period_ns) {
    if (std::this_thread::get_id() != thread_) {
      locked([this] { note_misuse("timer armed from a foreign thread"); });
      return BC_E_WRONG_THREAD;
    }
    if (delay_ns >= 0 && period_ns < 0) return BC_E_INVALID;
    timers_.erase(id);
    if (delay_ns >= 0) timers_[id] = {now_ns_ + delay_ns, period_ns};
    return BC_OK;
  }
  [[nodiscard]] std::map<std::uint64_t, Timer>::iterator due(std::int64_t end) {
    const auto next = std::min_element(
        timers_.begin(), timers_.end(),
        [](const auto& a, const auto& b) { return a.second.due_ns < b.second.due_ns; });
    return next != timers_.end() && next->second.due_ns > end ? timers_.end() : next;
  }

  void fire(std::map<std::uint64_t, Timer>::iterator timer) {
    bc_event due = event(BC_EV_TIMER);
    due.id = timer->first;
    due.mono_ns = timer->second.due_ns;
    if (const std::int64_t period = timer->second.period_ns; period > 0) {
      // A period never stacks: what was missed is not made up for.
      timer->second.due_ns += period * ((now_ns_ - timer->second.due_ns) / period + 1);
    } else {
      timers_.erase(timer);
    }
    deliver(due);
  }

  bc_status post(std::uint64_t id, void* ptr) {
    const std::lock_guard lock(mutex_);
    if (!takes_posts_) return BC_E_REVOKED;
    posts_.push_back({id, ptr});
    posted_.notify_one();
    return BC_OK;
  }
  void run_posts() {
    for (auto next = take_post(); next; next = take_post()) {
      bc_event post = event(BC_EV_POST);
      post.id = next->first;
      post.ptr = next->second;
      deliver(post);
    }
  }
  std::optional<std::pair<std::uint64_t, void*>> take_post() {
    const std::lock_guard lock(mutex_);
    if (posts_.empty()) return std::nullopt;
    const auto next = posts_.front();
    posts_.pop_front();
    return next;
  }

  void demand(const std::string& topic, std::int64_t count, std::uint16_t flags) {
    if (!manifest_.value("demand", false)) return;
    bc_event demand = event(BC_EV_DEMAND);
    demand.flags = flags;
    demand.num = count;
    demand.topic = borrow(topic);
    deliver(demand);
    run_posts();
  }
  void record(std::uint32_t id, double value) {
    const auto metric = metric_names_.find(id);
    if (metric == metric_names_.end()) return note_misuse("a metric was not defined");
    double& sum = metrics_[metric->second.name];
    sum = metric->second.kind == BC_GAUGE ? value : sum + value;
  }

  [[nodiscard]] bc_event event(std::uint16_t kind) const {
    bc_event event{};
    event.size = sizeof event;
    event.kind = kind;
    event.mono_ns = now_ns_;
    return event;
  }
  bc_status deliver(const bc_event& event) {
    if (self_ == nullptr) throw std::logic_error("the broadcaster was stopped");
    last_fail_.clear();
    const bc_status status = entry_->handle(self_, &event);
    if (status != BC_OK && event.kind != BC_EV_MESSAGE) errors_.push_back({status, last_fail_});
    return status;
  }
  void note_misuse(std::string what) { misuse_.push_back(std::move(what)); }

  static constexpr std::size_t kMaxPayloadBytes = 256 * 1024;  // limits.publish

  const Options options_;
  const std::thread::id thread_ = std::this_thread::get_id();
  std::unique_ptr<void, CloseLibrary> library_;
  const bc_entry* entry_ = nullptr;
  nlohmann::json manifest_;
  bc_host table_{};
  void* self_ = nullptr;
  std::atomic<Phase> phase_ = Phase::kCreated;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::int64_t> now_ns_ = 0;
  bool has_started_ = false;
  bc_status publish_status_ = BC_OK;
  std::map<std::uint64_t, Timer> timers_;
  std::map<std::string, std::int64_t> subscribers_;
  std::map<std::uint32_t, Metric> metric_names_;
  std::map<std::string, std::optional<std::string>> deliveries_;  // by topic; none: not owned
  std::string last_fail_;
  std::condition_variable posted_;
  std::mutex mutex_;  // over what follows, and subscribers_ and metric_names_
  bool takes_posts_ = true;
  std::deque<std::pair<std::uint64_t, void*>> posts_;
  std::vector<Publication> published_;
  std::vector<Report> reports_;
  std::vector<LogLine> logs_;
  std::vector<Answer> errors_;
  std::vector<std::string> sent_to_all_;
  std::vector<CloseIdle> closed_idle_;
  std::vector<std::string> dropped_cache_;
  std::map<std::string, double> metrics_;
  std::vector<std::string> misuse_;
};

}  // namespace broadcast
