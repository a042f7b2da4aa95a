#pragma once
// What a FakeHost keeps of what its broadcaster did, one list over all its generations, and what
// the test tells it to answer. FakeHost hands these values out under its own names,
// FakeHost::Publication and so on. Needs nlohmann/json.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <broadcast/abi.h>

namespace broadcast::fake {

/// One message that was published and taken.
struct Publication {
  std::string topic;
  std::string payload;
  std::chrono::nanoseconds at{};  ///< since the start of virtual time
  /// The payload, parsed.
  [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(payload); }
};
/// What a callback came to: its status and, unless that is BC_OK, the text that it gave to fail(),
/// which a producer reads where it was MESSAGE.
struct Answer {
  bc_status status = BC_OK;
  std::string text;
};
/// One report of the broadcaster's status.
struct Report {
  std::int32_t state = 0;  ///< BC_STATUS_…
  std::string detail;
};
/// One request to close those who have been silent for `idle`.
struct CloseIdle {
  std::chrono::nanoseconds idle{};
  std::uint16_t code = 0;
  std::string reason;
};
/// One setting of the heartbeat.
struct Heartbeat {
  std::chrono::nanoseconds interval{};
  std::chrono::nanoseconds timeout{};
};
/// One line of the log.
struct LogLine {
  std::int32_t level = 0;  ///< BC_LOG_…
  std::string text;
};
/// What kind of host it is to be.
struct Options {
  std::set<std::string> denied;  ///< extensions that are not offered or granted: "bc.cache/1"
  std::int64_t clients = 1;      ///< what bc.clients/1 counts
  std::string state;             ///< what was kept before, by bc.state/1
  /// Wall clock at the start of virtual time, nanoseconds since 1970 UTC: 2026-02-02T02:40:00Z.
  std::int64_t wall_start_ns = 1'770'000'000'000'000'000;
};

/// All of it, for FakeHost and its generations. The lists are written under the mutex, by any
/// thread of the broadcaster.
struct Record {
  explicit Record(Options given) : options(std::move(given)), state(options.state) {}

  /// Calls `body` under the mutex.
  template <class F>
  std::invoke_result_t<F> locked(F&& body) {
    const std::lock_guard lock(mutex);
    return std::forward<F>(body)();
  }
  /// Notes `what` as misuse, and returns `answer`, which the broadcaster is given.
  bc_status misused(bc_status answer, std::string what) {
    locked([&] { misuse.push_back(std::move(what)); });
    return answer;
  }

  const Options options;
  std::atomic<std::int64_t> now_ns = 0;
  std::mutex mutex;  // over what follows
  bc_status publish_status = BC_OK;
  std::map<std::string, std::int64_t> subscribers;
  std::vector<Publication> published;
  std::vector<Report> reports;
  std::vector<LogLine> logs;
  std::vector<Answer> errors;
  std::vector<std::string> sent_to_all;
  std::vector<CloseIdle> closed_idle;
  std::vector<Heartbeat> heartbeats;
  std::vector<std::string> dropped_cache;
  std::string state;
  std::map<std::string, double> metrics;
  std::vector<std::string> misuse;
};

}  // namespace broadcast::fake
