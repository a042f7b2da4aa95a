#pragma once
// One measurement from start to end: connects everybody, waits until they are subscribed, measures
// for a while. One thread, one epoll set.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "bench/load/load_connection.hpp"
#include "bench/load/load_options.hpp"
#include "bench/load/process_meter.hpp"

namespace broadcast {

class LoadRun {
 public:
  explicit LoadRun(const LoadOptions& options);
  ~LoadRun();
  LoadRun(const LoadRun&) = delete;
  LoadRun& operator=(const LoadRun&) = delete;

  /// The report, whose `errors` are empty if all went well. Throws std::runtime_error where there
  /// is nothing to report.
  [[nodiscard]] nlohmann::ordered_json run();

 private:
  class Crowd;
  using Json = nlohmann::ordered_json;

  void connect_everybody();
  void cut_everybody_off();
  void start_one();
  void wait_until_quiet();
  void measure();
  /// Handles sockets until `done`, or until `deadline_ns`: then false.
  [[nodiscard]] bool poll_until(const std::function<bool()>& done, std::int64_t deadline_ns);
  void poll_once(int timeout_ms);
  void on_event(LoadConnection& connection, std::uint32_t events);
  [[nodiscard]] std::size_t closed_stalled() const;
  void check();
  [[nodiscard]] Json report() const;
  [[nodiscard]] Json memory_report() const;

  const LoadOptions& options_;
  LoadTally tally_;
  LoadConnection::Shared shared_;
  const int epoll_;
  const std::size_t total_;  // with those that stall
  std::vector<std::unique_ptr<LoadConnection>> connections_;
  std::optional<ProcessMeter> meter_;
  MemoryUse base_;
  MemoryUse connected_;
  std::int64_t peak_kib_ = 0;
  CpuTime cpu_;
  double own_cpu_s_ = 0;
  double seconds_ = 0;
  double connect_s_ = 0;
  std::optional<double> snapshots_s_;
};

}  // namespace broadcast
