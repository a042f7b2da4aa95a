#include "bench/load/load_run.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace broadcast {

namespace {

constexpr std::size_t kBufferBytes = 1024 * 1024;
constexpr std::size_t kShakingAtOnce = 256;       // but in a storm
constexpr std::size_t kStartedBetweenPolls = 64;  // so that nobody waits for the last connect()
constexpr std::int64_t kPeakEveryNs = 100'000'000;
constexpr std::int64_t kQuietNs = 1'000'000'000;

std::int64_t in_ns(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }
double seconds_since(std::int64_t begin_ns) {
  return static_cast<double>(mono_ns() - begin_ns) / 1e9;
}

double own_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void raise_descriptor_limit(std::size_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted + 32) {
    throw std::runtime_error("may open " + std::to_string(limit.rlim_cur) + " files, needs " +
                             std::to_string(wanted + 32) + ": raise the hard limit (ulimit -Hn)");
  }
}

int make_epoll() {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return fd;
}

/// Those who come while others are measured: they only shake hands.
LoadOptions crowd_of(LoadOptions options) {
  options.connections = std::exchange(options.crowd, 0);
  options.stalled = 0;
  options.topics.clear();
  options.topics_each = 0;
  options.storm = true;
  options.pid = 0;
  return options;
}

}  // namespace

/// On a thread of its own, behind those who are measured wherever both want the core: what they
/// wait for is the server, and not that.
class LoadRun::Crowd {
 public:
  explicit Crowd(const LoadOptions& live) : options_(crowd_of(live)), run_(options_) {
    thread_ = std::thread([this] {
      setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLowestPriority);
      try {
        run_.connect_everybody();
      } catch (const std::exception& error) {
        error_ = error.what();
      }
      is_over_ = true;
    });
  }
  ~Crowd() { thread_.join(); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  [[nodiscard]] bool is_over() const { return is_over_; }
  /// Once it is over; empty: all were served.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  static constexpr int kLowestPriority = 19;
  const LoadOptions options_;
  LoadRun run_;
  std::string error_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

LoadRun::LoadRun(const LoadOptions& options)
    : options_(options),
      shared_{.options = options_,
              .tally = tally_,
              .topic_numbers = {},
              .buffer = {},
              .sealed = {},
              .inflater = {}},
      epoll_(make_epoll()),
      total_(options.connections + options.stalled) {
  raise_descriptor_limit(total_ + options.crowd);
  shared_.buffer.resize(kBufferBytes);
  if (options_.tls) shared_.sealed.resize(kBufferBytes);
  for (std::size_t i = 0; i < options_.topics.size(); ++i) {
    shared_.topic_numbers.emplace(options_.topics[i], i);
  }
  connections_.reserve(total_);
  if (options_.pid > 0) meter_.emplace(options_.pid);
}

LoadRun::~LoadRun() { close(epoll_); }

nlohmann::ordered_json LoadRun::run() {
  if (meter_) base_ = meter_->memory();
  connect_everybody();
  if (options_.storm) {
    cut_everybody_off();
    connect_everybody();
  }
  if (options_.idle) wait_until_quiet();
  if (meter_) connected_ = meter_->memory();
  peak_kib_ = connected_.anonymous;
  if (!options_.idle && !options_.storm) measure();
  check();
  return report();
}

void LoadRun::connect_everybody() {
  const std::int64_t begin_ns = mono_ns();
  const std::int64_t deadline_ns = begin_ns + in_ns(options_.connect_timeout);
  const auto everybody = [&](const std::size_t& count) {
    return [&] { return count >= total_ || tally_.closed > 0; };
  };
  while (connections_.size() < total_ && tally_.closed == 0) {
    for (std::size_t i = 0; i < kStartedBetweenPolls && connections_.size() < total_; ++i) {
      if (!options_.storm && connections_.size() - tally_.ready >= kShakingAtOnce) break;
      start_one();
    }
    poll_once(connections_.size() - tally_.ready >= kShakingAtOnce && !options_.storm ? 10 : 0);
    if (mono_ns() > deadline_ns) break;
  }
  bool in_time = poll_until(everybody(tally_.shaken), deadline_ns);
  connect_s_ = seconds_since(begin_ns);
  in_time = in_time && poll_until(everybody(tally_.ready), deadline_ns);
  const bool has_snapshots = options_.protocol == LoadProtocol::kBroadcast;
  if (options_.storm && has_snapshots) {
    in_time = in_time && poll_until(everybody(tally_.complete), deadline_ns);
    snapshots_s_ = seconds_since(begin_ns);
  }
  if (tally_.closed > 0) throw std::runtime_error(tally_.errors.front());
  if (!in_time) {
    throw std::runtime_error("after " + std::to_string(options_.connect_timeout) + " s only " +
                             std::to_string(tally_.shaken) + " of " + std::to_string(total_) +
                             " are connected, " + std::to_string(tally_.ready) + " subscribed, " +
                             std::to_string(tally_.complete) + " have a message of each topic");
  }
}

/// As a network that goes away: the server hears of all of them at the same time.
void LoadRun::cut_everybody_off() {
  for (const auto& connection : connections_) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  connections_.clear();
  tally_ = {};
}

void LoadRun::start_one() {
  auto connection = std::make_unique<LoadConnection>(shared_, connections_.size());
  connection->start();
  epoll_event event{.events = EPOLLOUT, .data = {.ptr = connection.get()}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd(), &event);
  connections_.push_back(std::move(connection));
}

void LoadRun::on_event(LoadConnection& connection, std::uint32_t events) {
  if (connection.phase() == LoadConnection::Phase::kConnecting) {
    connection.on_writable();
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
    if (connection.fd() >= 0) epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd(), &event);
    return;
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) connection.on_readable();
}

void LoadRun::poll_once(int timeout_ms) {
  std::array<epoll_event, 512> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    on_event(*static_cast<LoadConnection*>(event.data.ptr), event.events);
  }
}

bool LoadRun::poll_until(const std::function<bool()>& done, std::int64_t deadline_ns) {
  while (!done()) {
    const std::int64_t left_ns = deadline_ns - mono_ns();
    if (left_ns <= 0) return false;
    poll_once(static_cast<int>(std::min<std::int64_t>(left_ns / 1'000'000 + 1, 100)));
  }
  return true;
}

void LoadRun::wait_until_quiet() {
  const std::int64_t deadline_ns = mono_ns() + in_ns(options_.connect_timeout);
  while (mono_ns() < deadline_ns) {
    const std::uint64_t before = tally_.bytes;
    const auto something_came = [&] { return tally_.bytes != before || tally_.closed > 0; };
    if (!poll_until(something_came, mono_ns() + kQuietNs)) return;
    if (tally_.closed > 0) throw std::runtime_error(tally_.errors.front());
  }
  throw std::runtime_error("the server never was quiet for a second: is the topic silent?");
}

void LoadRun::measure() {
  for (std::size_t i = options_.connections; i < total_; ++i) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, connections_[i]->fd(), nullptr);
  }
  const auto all_gone = [&] { return tally_.closed >= options_.connections; };
  static_cast<void>(poll_until(all_gone, mono_ns() + in_ns(options_.warmup)));
  tally_.clear_window();
  if (meter_) static_cast<void>(meter_->cpu_since_last());
  own_cpu_s_ = own_cpu_s();
  const std::int64_t begin_ns = mono_ns();
  const bool has_crowd = options_.crowd > 0;
  std::optional<Crowd> crowd;
  if (has_crowd) crowd.emplace(options_);
  const std::int64_t end_ns =
      begin_ns + in_ns(has_crowd ? 2 * options_.connect_timeout : options_.seconds);
  const auto is_over = [&] { return all_gone() || (crowd && crowd->is_over()); };
  while (mono_ns() < end_ns && !is_over()) {
    if (poll_until(is_over, std::min(end_ns, mono_ns() + kPeakEveryNs))) break;
    if (meter_) peak_kib_ = std::max(peak_kib_, meter_->anonymous_now());
  }
  seconds_ = seconds_since(begin_ns);
  own_cpu_s_ = own_cpu_s() - own_cpu_s_;
  if (meter_) cpu_ = meter_->cpu_since_last();
  if (crowd && !crowd->is_over()) tally_.note("the crowd was not served in time");
  if (crowd && crowd->is_over() && !crowd->error().empty()) tally_.note("crowd: " + crowd->error());
  if (tally_.latency.count() == 0) tally_.note("no message came while it was measured");
  if (options_.kernel_stamps && tally_.unstamped > 0) {
    tally_.note(std::to_string(tally_.unstamped) + " messages without the kernel's stamp");
  }
}

std::size_t LoadRun::closed_stalled() const {
  return static_cast<std::size_t>(std::count_if(
      connections_.begin() + static_cast<std::ptrdiff_t>(options_.connections),
      connections_.begin() + static_cast<std::ptrdiff_t>(total_), [](const auto& connection) {
        pollfd state{.fd = connection->fd(), .events = POLLRDHUP, .revents = 0};
        return poll(&state, 1, 0) > 0;
      }));
}

void LoadRun::check() {
  if (tally_.closed > tally_.errors.size()) {
    tally_.errors.push_back(std::to_string(tally_.closed) + " connections were lost in all");
  }
  if (tally_.repeated > 0) {
    tally_.errors.push_back(std::to_string(tally_.repeated) + " messages came again, or too late");
  }
}

nlohmann::ordered_json LoadRun::memory_report() const {
  if (!meter_) return nullptr;
  const auto of = [](const MemoryUse& use) {
    return Json{{"rss", use.rss},
                {"pss", use.pss},
                {"private_dirty", use.private_dirty},
                {"anonymous", use.anonymous}};
  };
  const auto grown = static_cast<double>(connected_.anonymous - base_.anonymous) * 1024;
  return {{"base_kib", base_.anonymous},
          {"connected_kib", connected_.anonymous},
          {"per_connection_bytes", grown / static_cast<double>(total_)},
          {"peak_kib", peak_kib_},
          {"base", of(base_)},
          {"connected", of(connected_)}};
}

nlohmann::ordered_json LoadRun::report() const {
  const std::uint64_t messages = tally_.latency.count();
  const auto per_message_us = [&](double seconds) -> Json {
    if (!meter_ || messages == 0) return nullptr;
    return seconds * 1e6 / static_cast<double>(messages);
  };
  const LatencyHistogram& latency = tally_.latency;
  return {{"connections", options_.connections},
          {"seconds", seconds_},
          {"messages", messages},
          {"bytes", tally_.bytes},
          {"gaps", tally_.gaps},
          {"deflated", tally_.deflated},
          {"cpu_user_s", cpu_.user_s},
          {"cpu_sys_s", cpu_.sys_s},
          {"cpu_us_per_delivery", per_message_us(cpu_.user_s + cpu_.sys_s)},
          {"user_us_per_delivery", per_message_us(cpu_.user_s)},
          {"latency_us",
           {{"p50", latency.quantile_us(0.5)},
            {"p99", latency.quantile_us(0.99)},
            {"p999", latency.quantile_us(0.999)},
            {"max", latency.max_us()}}},
          {"memory", memory_report()},
          {"connect_s", connect_s_},
          {"snapshots_s", snapshots_s_ ? Json(*snapshots_s_) : Json()},
          {"stalled_closed", closed_stalled()},
          {"load_cpu_s", own_cpu_s_},
          {"errors", tally_.errors}};
}

}  // namespace broadcast
