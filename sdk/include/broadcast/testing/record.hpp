#pragma once
// What a FakeHost keeps of what its broadcaster did, one list over all its generations, and what
// the test tells it to answer. Any thread of the broadcaster adds to it.

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
struct Heartbeat {
  std::chrono::nanoseconds interval{};
  std::chrono::nanoseconds timeout{};
};
struct LogLine {
  std::int32_t level = 0;
  std::string text;
};
struct Options {
  std::set<std::string> denied;  ///< extensions that are not offered
  std::int64_t clients = 1;      ///< what bc.clients/1 counts
  std::string state;             ///< what was kept before, by bc.state/1
  std::int64_t wall_start_ns = 1'770'000'000'000'000'000;
};

struct Record {
  explicit Record(Options given) : options(std::move(given)), state(options.state) {}

  template <class F>
  std::invoke_result_t<F> locked(F&& body) {
    const std::lock_guard lock(mutex);
    return std::forward<F>(body)();
  }
  /// Notes it, and is what the broadcaster is answered.
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
