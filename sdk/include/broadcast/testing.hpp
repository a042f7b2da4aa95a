#pragma once
// FakeHost: a host for tests, without threads, sockets or waiting. It runs one broadcaster, linked
// in or from its .so, on virtual time, replaces it if it is told to, and keeps what it did: an hour
// of behaviour takes milliseconds. It refuses what a host refuses of a broadcaster's topics, config
// and calls, and notes what no broadcaster should do in misuse(). Needs nlohmann/json and dlopen.
//
//   FakeHost host(BROADCAST_PLUGIN_PATH, R"({"interval":"5s"})");
//   host.start();
//   host.advance(std::chrono::minutes(1));
//   EXPECT_EQ(host.published("price:005930").size(), 13u);
//   EXPECT_TRUE(host.misuse().empty());
//
// All functions are for the test's thread, which made the FakeHost and is the plugin's thread to
// the broadcaster. Threads of the broadcaster's own may call what they may in a host; look at what
// they did when they have ended. What they post is run by the next start(), advance(), message(),
// run_posts_until() or stop().
//
// What differs from a host: a topic that nobody wants any more is told at once, not after 30 s; the
// clocks stand still until advance() or pass(); the library is not tried in a process of its own;
// an instance that has failed is not made anew, and goes on with what the test gives it; a payload
// is measured without what a host puts before it.

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <nlohmann/json.hpp>

#include <broadcast/abi.h>
#include <broadcast/testing/generation.hpp>
#include <broadcast/testing/record.hpp>

namespace broadcast {

/// One host with one broadcaster, whose instance is there from the constructor to stop().
class FakeHost {
 public:
  // What the broadcaster did, and what the test may set: <broadcast/testing/record.hpp>.
  using Publication = fake::Publication;
  using Answer = fake::Answer;
  using Report = fake::Report;
  using CloseIdle = fake::CloseIdle;
  using Heartbeat = fake::Heartbeat;
  using LogLine = fake::LogLine;
  using Options = fake::Options;

  /// Makes a broadcaster that is linked into the test, and configures it: create and CONFIG.
  /// `entry` outlives this. `config` is JSON; it is checked against the manifest's schema and its
  /// defaults are filled in. Throws std::runtime_error: the config does not fit ("config.interval:
  /// 20ms is below the minimum 100ms"), a host would refuse the manifest, the entry is not of ABI
  /// 1, or create or CONFIG fails; nlohmann::json::parse_error: config or manifest is not JSON.
  FakeHost(const bc_entry& entry, std::string_view config, Options options = {})
      : record_(std::move(options)), entry_(&entry), current_(made(*entry_, config)) {
    create();
  }
  /// The same from the library at `path`, which is closed when this ends. Throws
  /// std::runtime_error also where it cannot be loaded.
  FakeHost(const std::string& path, std::string_view config, Options options = {})
      : record_(std::move(options)), entry_(&load(path)), current_(made(*entry_, config)) {
    create();
  }
  ~FakeHost() { stop(); }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // What happens to the broadcaster. After stop() there is none: what would call it throws
  // std::logic_error then. All but pass() run what was posted, too.

  /// START, then DEMAND for every topic that has subscribers. Returns what START returned; if that
  /// is a failure, errors() has its text, and only stop() may follow. Throws std::logic_error also
  /// where it was started before.
  bc_status start() { return current_->start(); }
  /// What was posted, STOP with a deadline in five seconds if START went well, then destroy. A
  /// second call does nothing; the destructor calls it.
  void stop() { current_->stop(); }
  /// Virtual time goes on by `duration`, not below 0; timers that become due fire in order, each at
  /// its time.
  void advance(std::chrono::nanoseconds duration) {
    check_forward(duration);
    const std::int64_t end = record_.now_ns + duration.count();
    current_->run_posts();
    while (current_->fire_next(end)) current_->run_posts();
    record_.now_ns = end;
  }
  /// Virtual time goes on by `duration` as if the broadcaster's thread were busy: timers that
  /// become due are late, and fire with the next advance(). Nothing is posted or called.
  void pass(std::chrono::nanoseconds duration) {
    check_forward(duration);
    record_.now_ns += duration.count();
  }
  /// Runs what is posted until `is_done()`, waiting for the broadcaster's own threads. False: it is
  /// not so after `timeout`, which is in real time.
  template <class Predicate>
  [[nodiscard]] bool run_posts_until(Predicate is_done,
                                     std::chrono::nanoseconds timeout = std::chrono::seconds(30)) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (current_->run_posts(), !is_done()) {
      if (!current_->wait_for_post(until)) return false;
    }
    return true;
  }
  /// A producer's message, and what came of it: MESSAGE. `topic` is not checked against the
  /// manifest.
  Answer message(std::string_view topic, std::string_view payload,
                 std::string_view source = "http") {
    bc_event message = current_->event_of(BC_EV_MESSAGE);
    message.topic = borrow(topic);
    message.source = borrow(source);
    message.data = borrow(payload);
    Answer answer = current_->handle(message);
    current_->run_posts();
    return answer;
  }
  /// One client more subscribes to `topic`, by its name. For the first one DEMAND follows, if the
  /// manifest asks for it and the broadcaster is started; else start() tells it.
  void subscribe(const std::string& topic) {
    const auto count = record_.locked([&] { return ++record_.subscribers[topic]; });
    if (count == 1) current_->demand(topic, 1, 0);
  }
  /// One client less. After the last one DEMAND follows, with 0. Throws std::logic_error: nobody
  /// subscribes to `topic`.
  void unsubscribe(const std::string& topic) {
    const auto count = record_.locked([&] {
      std::int64_t& subscribers = record_.subscribers[topic];
      if (subscribers == 0) throw std::logic_error("nobody subscribes to " + topic);
      return --subscribers;
    });
    if (count == 0) current_->demand(topic, 0, 0);
  }
  /// From now on what is published on `all` topics is answered `status` and not taken: BC_E_BUSY is
  /// a full host. BC_OK ends it.
  void set_publish_status(bc_status status) {
    record_.locked([&] { record_.publish_status = status; });
  }

  // Replacing it: a new generation takes over while clients stay.

  /// Replaces the broadcaster by a new generation, as a host does it: the new one takes create and
  /// CONFIG, the old one is revoked, the new one takes START and is told of all demand again; then
  /// the old one is stopped, and the new one is driven from here on. Returns what the new one came
  /// to. Timers, posts and memory end with the old one. If the new one fails, it is destroyed,
  /// errors() says why, and the old one goes on. One whose manifest has "exclusive" is stopped
  /// before the new one is created, and cannot go on; a host would make it again. Both share the
  /// static objects of their library, which they do not in a host. Throws std::logic_error: not
  /// started; and as the constructor does for a config that does not fit.
  bc_status replace(std::string_view config) { return replace_by(*entry_, config); }
  /// The same by another build of it, the library at `path`.
  bc_status replace(const std::string& path, std::string_view config) {
    return replace_by(load(path), config);
  }
  /// From now on what it publishes, reports and keeps is answered BC_E_REVOKED, as while a
  /// successor starts.
  void revoke() { current_->revoke(); }
  /// The successor failed to start: the broadcaster publishes again.
  void restore() { current_->restore(); }

  // What it did, over all generations, oldest first. References are valid as long as this, and what
  // they lead to changes with what happens to the broadcaster.

  /// What the generation that is driven now says of itself.
  [[nodiscard]] const nlohmann::json& manifest() const { return current_->manifest(); }
  /// What it has published and the host has taken.
  [[nodiscard]] const std::vector<Publication>& published() const { return record_.published; }
  /// Of one topic only.
  [[nodiscard]] std::vector<Publication> published(std::string_view topic) const {
    std::vector<Publication> some;
    std::copy_if(published().begin(), published().end(), std::back_inserter(some),
                 [&](const Publication& one) { return one.topic == topic; });
    return some;
  }
  /// The newest message of `topic`, parsed. Throws std::out_of_range: there is none.
  [[nodiscard]] nlohmann::json last(std::string_view topic) const {
    const auto all = published(topic);
    if (all.empty()) throw std::out_of_range("nothing was published on " + std::string(topic));
    return all.back().json();
  }
  /// What it has reported of itself (bc.status/1).
  [[nodiscard]] const std::vector<Report>& reports() const { return record_.reports; }
  /// What it has written into the log, of every level.
  [[nodiscard]] const std::vector<LogLine>& logs() const { return record_.logs; }
  /// What callbacks other than MESSAGE failed with; also why a replacement could not be made.
  [[nodiscard]] const std::vector<Answer>& errors() const { return record_.errors; }
  /// What it has sent to all clients (bc.clients/1).
  [[nodiscard]] const std::vector<std::string>& sent_to_all() const { return record_.sent_to_all; }
  /// What it has asked to be closed (bc.clients/1).
  [[nodiscard]] const std::vector<CloseIdle>& closed_idle() const { return record_.closed_idle; }
  /// What it has set (bc.heartbeat/1); the last one counts.
  [[nodiscard]] const std::vector<Heartbeat>& heartbeats() const { return record_.heartbeats; }
  /// The patterns that it has dropped (bc.cache/1).
  [[nodiscard]] const std::vector<std::string>& dropped_cache() const {
    return record_.dropped_cache;
  }
  /// What it keeps from one generation to the next (bc.state/1). Given to another FakeHost as
  /// `Options{.state = …}`, it makes that one the same host after a restart.
  [[nodiscard]] const std::string& kept_state() const { return record_.state; }
  /// Its metrics by name (bc.metrics/1), once something was recorded: a counter's sum, a gauge's
  /// last value, the sum of what a histogram observed.
  [[nodiscard]] const std::map<std::string, double>& metrics() const { return record_.metrics; }
  /// What it did that no broadcaster may do, in words; empty after a good test:
  ///   to publish before START or after STOP, on a topic that the manifest does not own, or what is
  ///     no JSON object with `type` and without `topic` and `seq` of at most 256 KiB
  ///   a timer, the definition of a metric or fail() on a thread of its own
  ///   a metric that was not defined, or was defined after START, twice or by a bad name
  ///   a status that there is not
  ///   what a host would not send to all clients, close or ping them by, or drop from the cache
  ///   a heartbeat before START; a state before START, after STOP, or larger than 1 MiB
  ///   an exception across the border
  ///   a call after destroy(), by a thread that was not joined
  [[nodiscard]] const std::vector<std::string>& misuse() const { return record_.misuse; }
  /// The virtual time, which starts at 0.
  [[nodiscard]] std::chrono::nanoseconds now() const {
    return std::chrono::nanoseconds(record_.now_ns);
  }

 private:
  using Generation = fake::Generation;
  struct CloseLibrary {
    void operator()(void* library) const { ::dlclose(library); }
  };

  static void check_forward(std::chrono::nanoseconds duration) {
    if (duration.count() < 0) throw std::logic_error("time does not go back");
  }
  const bc_entry& load(const std::string& path) {
    libraries_.emplace_back(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (libraries_.back() == nullptr) throw std::runtime_error(::dlerror());
    const void* entry = ::dlsym(libraries_.back().get(), BC_ENTRY_SYMBOL);
    if (entry == nullptr) {
      throw std::runtime_error(path + ": exports no bc_plugin_entry (BROADCAST_PLUGIN missing?)");
    }
    return *static_cast<const bc_entry*>(entry);
  }
  std::unique_ptr<Generation> made(const bc_entry& entry, std::string_view config) {
    return std::make_unique<Generation>(entry, record_, config);
  }
  void create() {
    const std::string problem = current_->create();
    if (problem.empty()) return;
    current_->stop();
    throw std::runtime_error(problem);
  }

  bc_status replace_by(const bc_entry& entry, std::string_view config) {
    if (!current_->is_started()) throw std::logic_error("only what was started can be replaced");
    auto next = made(entry, config);
    const bool is_exclusive = manifest().value("exclusive", false);
    if (is_exclusive) current_->stop();
    if (std::string problem = next->create(); !problem.empty()) {
      next->stop();
      retired_.push_back(std::move(next));
      record_.locked([&] { record_.errors.push_back({BC_E_INVALID, std::move(problem)}); });
      return BC_E_INVALID;
    }
    current_->revoke();
    const bc_status status = next->start();
    if (status == BC_OK) {
      std::swap(current_, next);
      entry_ = &entry;
    } else if (!is_exclusive) {
      current_->restore();
    }
    next->stop();
    retired_.push_back(std::move(next));
    return status;
  }

  fake::Record record_;
  std::vector<std::unique_ptr<void, CloseLibrary>> libraries_;
  const bc_entry* entry_;
  // Kept, because threads that were not joined may still call them.
  std::vector<std::unique_ptr<Generation>> retired_;
  std::unique_ptr<Generation> current_;
};

}  // namespace broadcast
