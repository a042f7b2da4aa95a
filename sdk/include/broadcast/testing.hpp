#pragma once
// FakeHost: a host in a test, without threads, sockets or waiting. It runs one broadcaster, linked
// in or from its .so, on virtual time, replaces it if it is told to, and keeps what it did: an hour
// of behaviour takes milliseconds. Needs nlohmann/json and dlopen.
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

class FakeHost {
 public:
  using Publication = fake::Publication;
  using Answer = fake::Answer;
  using Report = fake::Report;
  using CloseIdle = fake::CloseIdle;
  using Heartbeat = fake::Heartbeat;
  using LogLine = fake::LogLine;
  using Options = fake::Options;

  /// A broadcaster linked into the test. `config` is JSON, checked against the manifest's schema,
  /// defaults filled in, as the host does it before it loads anything. Throws std::runtime_error
  /// when it does not fit ("config.interval: 20ms is below the minimum 100ms"), the entry is not
  /// ABI 1, or create or CONFIG fails.
  FakeHost(const bc_entry& entry, std::string_view config, Options options = {})
      : record_(std::move(options)), entry_(&entry), current_(made(*entry_, config)) {
    create();
  }
  /// The same from a library.
  FakeHost(const std::string& path, std::string_view config, Options options = {})
      : record_(std::move(options)), entry_(&load(path)), current_(made(*entry_, config)) {
    create();
  }
  ~FakeHost() { stop(); }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // What happens to the broadcaster. After stop() there is none: std::logic_error.

  bc_status start() { return current_->start(); }
  /// What was posted, STOP with five seconds' deadline if START went well, then destroy. Once; the
  /// destructor does it too.
  void stop() { current_->stop(); }
  /// Virtual time goes on; timers fire in order.
  void advance(std::chrono::nanoseconds duration) {
    const std::int64_t end = record_.now_ns + duration.count();
    current_->run_posts();
    while (current_->fire_next(end)) current_->run_posts();
    record_.now_ns = end;
  }
  /// Virtual time goes on while the broadcaster's thread is busy: what becomes due meanwhile is
  /// late, and fires with the next advance().
  void pass(std::chrono::nanoseconds duration) { record_.now_ns += duration.count(); }
  /// Runs posts until `is_done`, waiting for those of the broadcaster's own threads. False: that
  /// took longer than `timeout`, in real time.
  template <class Predicate>
  [[nodiscard]] bool run_posts_until(Predicate is_done,
                                     std::chrono::nanoseconds timeout = std::chrono::seconds(30)) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (current_->run_posts(), !is_done()) {
      if (!current_->wait_for_post(until)) return false;
    }
    return true;
  }
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
  /// One subscriber more, or less; DEMAND follows for the first and after the last, if the manifest
  /// asks for it.
  void subscribe(const std::string& topic) {
    const auto count = record_.locked([&] { return ++record_.subscribers[topic]; });
    if (count == 1) current_->demand(topic, 1, 0);
  }
  void unsubscribe(const std::string& topic) {
    const auto count = record_.locked([&] { return --record_.subscribers[topic]; });
    if (count < 0) throw std::logic_error("nobody subscribes to " + topic);
    if (count == 0) current_->demand(topic, 0, 0);
  }
  /// From now on publish() on `all` topics answers this, as a full host would: BC_E_BUSY; BC_OK
  /// ends it.
  void set_publish_status(bc_status status) {
    record_.locked([&] { record_.publish_status = status; });
  }

  // Replacing it: a new generation takes over while clients stay.

  /// As the host does it: the new one takes create and CONFIG, this one is revoked, the new one
  /// takes START and is told of all demand again; then this one is stopped, and the new one is
  /// driven from here on. Timers, posts and what is kept in memory end with the old one. If the
  /// new one fails, it is gone, errors() says why, and this one goes on. A manifest with
  /// "exclusive" is stopped before the new one starts. Both share the static objects of their
  /// library, which they do not in the host. Throws as the constructor does for a config that does
  /// not fit.
  bc_status replace(std::string_view config) { return replace_by(*entry_, config); }
  /// By another build.
  bc_status replace(const std::string& path, std::string_view config) {
    return replace_by(load(path), config);
  }
  /// What it publishes and reports is answered BC_E_REVOKED, as while a successor starts.
  void revoke() { current_->revoke(); }
  /// The successor failed to start: it publishes again.
  void restore() { current_->restore(); }

  // What it did, over all generations.

  [[nodiscard]] const nlohmann::json& manifest() const { return current_->manifest(); }
  [[nodiscard]] const std::vector<Publication>& published() const { return record_.published; }
  [[nodiscard]] std::vector<Publication> published(std::string_view topic) const {
    std::vector<Publication> some;
    std::copy_if(published().begin(), published().end(), std::back_inserter(some),
                 [&](const Publication& one) { return one.topic == topic; });
    return some;
  }
  /// The newest message of a topic; throws std::out_of_range if there is none.
  [[nodiscard]] nlohmann::json last(std::string_view topic) const {
    const auto all = published(topic);
    if (all.empty()) throw std::out_of_range("nothing was published on " + std::string(topic));
    return all.back().json();
  }
  [[nodiscard]] const std::vector<Report>& reports() const { return record_.reports; }
  [[nodiscard]] const std::vector<LogLine>& logs() const { return record_.logs; }
  /// Everything that a callback other than MESSAGE failed with.
  [[nodiscard]] const std::vector<Answer>& errors() const { return record_.errors; }
  [[nodiscard]] const std::vector<std::string>& sent_to_all() const { return record_.sent_to_all; }
  [[nodiscard]] const std::vector<CloseIdle>& closed_idle() const { return record_.closed_idle; }
  /// What it has set, the last one at the end.
  [[nodiscard]] const std::vector<Heartbeat>& heartbeats() const { return record_.heartbeats; }
  [[nodiscard]] const std::vector<std::string>& dropped_cache() const {
    return record_.dropped_cache;
  }
  /// What it keeps from one generation to the next (bc.state/1). Given to another FakeHost as
  /// `Options{.state = …}`, that is a restart of the host.
  [[nodiscard]] const std::string& kept_state() const { return record_.state; }
  /// By name; histograms keep the sum of what was observed.
  [[nodiscard]] const std::map<std::string, double>& metrics() const { return record_.metrics; }
  /// What no broadcaster may do, in words: publish before START or after STOP, on a topic it does
  /// not own, or what is not a JSON object with `type` and without `topic` and `seq`, up to
  /// 256 KiB; a timer, a metric or fail() from a foreign thread; a metric that was not defined, was
  /// defined after START, twice or with a bad name; a state that there is not; an exception across
  /// the border; a call by a thread that was not joined; what a host would not send to all, close,
  /// ping by or drop; a state before START, after STOP, or larger than 1 MiB.
  [[nodiscard]] const std::vector<std::string>& misuse() const { return record_.misuse; }
  /// Since the start of virtual time.
  [[nodiscard]] std::chrono::nanoseconds now() const {
    return std::chrono::nanoseconds(record_.now_ns);
  }

 private:
  using Generation = fake::Generation;
  struct CloseLibrary {
    void operator()(void* library) const { ::dlclose(library); }
  };

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
