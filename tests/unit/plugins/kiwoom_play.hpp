#pragma once
// Kiwoom's sources against the stand-in, over real TLS: the test's thread is the broadcaster's. Its
// clock is the real one, and jumps when it is told to.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "plugins/price/kiwoom/kiwoom.hpp"
#include "plugins/price/kiwoom/kiwoom_rest_source.hpp"
#include "plugins/price/kiwoom/kiwoom_ws_source.hpp"
#include "tests/support/kiwoom/stand_in.hpp"

namespace broadcast::test {

using namespace std::chrono_literals;
using nlohmann::json;

inline constexpr std::chrono::seconds kPatience{30};
/// Tuesday, 2026-11-24, ten o'clock in Korea.
inline constexpr std::int64_t kTenOClock = 1'795'482'000'000'000'000;

/// A file with a certificate, as long as this.
class PemFile {
 public:
  explicit PemFile(const std::string& text) {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("kiwoom-" + std::to_string(::getpid()) + "-" + std::to_string(++count) + ".pem");
    std::ofstream(path_) << text;
  }
  ~PemFile() { std::filesystem::remove(path_); }
  PemFile(const PemFile&) = delete;
  PemFile& operator=(const PemFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// The broadcaster's thread: timers and posts, run by run_until().
class PluginThread {
 public:
  [[nodiscard]] SourceCalls calls() {
    return {.mono_ns = [this] { return now_ns(); },
            .wall_ns = [this] { return kTenOClock + now_ns() - start_ns_; },
            .after =
                [this](std::chrono::nanoseconds delay, std::function<void()> run) {
                  timers_.emplace(now_ns() + delay.count(), std::pair(++last_timer_, run));
                  return last_timer_;
                },
            .cancel =
                [this](std::uint64_t id) {
                  std::erase_if(timers_,
                                [id](const auto& timer) { return timer.second.first == id; });
                },
            .post = [this](std::function<void()> run) { return post(std::move(run)); },
            .log =
                [this](LogLevel, std::string_view text) {
                  const std::lock_guard lock(mutex_);
                  logs_.emplace_back(text);
                }};
  }

  void advance(std::chrono::nanoseconds by) { jumped_ns_ += by.count(); }
  /// As a host whose inbox takes no more.
  void set_full(bool is_full) {
    const std::lock_guard lock(mutex_);
    is_full_ = is_full;
  }
  [[nodiscard]] std::size_t most_posted() {
    const std::lock_guard lock(mutex_);
    return most_posted_;
  }
  [[nodiscard]] std::vector<std::string> logs() {
    const std::lock_guard lock(mutex_);
    return logs_;
  }

  template <class Predicate>
  [[nodiscard]] bool run_until(Predicate is_done) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      run_ready();
      if (is_done()) return true;
      if (std::chrono::steady_clock::now() > until) return false;
      std::unique_lock lock(mutex_);
      news_.wait_for(lock, 2ms, [this] { return !posts_.empty(); });
    }
  }

 private:
  [[nodiscard]] std::int64_t now_ns() const {
    return std::chrono::steady_clock::now().time_since_epoch().count() + jumped_ns_;
  }
  bool post(std::function<void()> run) {
    const std::lock_guard lock(mutex_);
    if (is_full_) return false;
    posts_.push_back(std::move(run));
    most_posted_ = std::max(most_posted_, posts_.size());
    news_.notify_one();
    return true;
  }
  void run_ready() {
    std::vector<std::function<void()>> posts;
    {
      const std::lock_guard lock(mutex_);
      posts.swap(posts_);
    }
    for (const auto& run : posts) run();
    while (!timers_.empty() && timers_.begin()->first <= now_ns()) {
      const auto run = timers_.extract(timers_.begin()).mapped().second;
      run();
    }
  }

  std::atomic<std::int64_t> jumped_ns_ = 0;
  const std::int64_t start_ns_ = std::chrono::steady_clock::now().time_since_epoch().count();
  std::multimap<std::int64_t, std::pair<std::uint64_t, std::function<void()>>> timers_;
  std::uint64_t last_timer_ = 0;
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<std::function<void()>> posts_;
  std::vector<std::string> logs_;
  std::size_t most_posted_ = 0;
  bool is_full_ = false;
};

/// What a source says.
struct Heard {
  std::vector<TickerQuote> quotes;
  std::vector<IndexUpdate> indices;
  std::vector<std::string> links;
  Refusals refused;

  [[nodiscard]] PriceSource::Events events() {
    return {.on_quotes =
                [this](const Quotes& more) {
                  quotes.insert(quotes.end(), more.tickers.begin(), more.tickers.end());
                  indices.insert(indices.end(), more.indices.begin(), more.indices.end());
                },
            .on_link = [this](const std::string& error) { links.push_back(error); },
            .on_refused = [this](Refusal why, std::size_t count) { refused.add(why, count); }};
  }
  [[nodiscard]] bool is_up() const { return !links.empty() && links.back().empty(); }
  [[nodiscard]] bool is_down() const { return !links.empty() && !links.back().empty(); }
  [[nodiscard]] const TickerQuote* last(const std::string& ticker) const {
    const TickerQuote* found = nullptr;
    for (const TickerQuote& quote : quotes) {
      if (quote.ticker == ticker) found = &quote;
    }
    return found;
  }
};

inline Wanted tickers(std::vector<std::string> list) { return {.tickers = std::move(list)}; }
/// `count` of them, sorted.
inline Wanted many_tickers(std::size_t count, std::size_t first = 100'000) {
  Wanted wanted;
  for (std::size_t i = 0; i < count; ++i) wanted.tickers.push_back(std::to_string(first + i));
  return wanted;
}

class KiwoomPlay : public testing::Test {
 protected:
  static constexpr const char* kKey = "the-app-key-0123";
  static constexpr const char* kSecret = "the-secret-key-4567";

  KiwoomPlay() {
    control({{"do", "set"}, {"now_ns", kTenOClock}, {"secret", kSecret}, {"ping_ms", 50}});
  }
  ~KiwoomPlay() override {
    for (const std::string& line : thread_.logs()) expect_no_secret(line);
    for (const std::string& line : heard_.links) expect_no_secret(line);
  }

  json control(const json& command) { return stand_in_.control(command); }
  json stats() { return control({{"do", "stats"}}); }
  std::int64_t stat(const char* name) { return stats().value(name, std::int64_t{0}); }
  void set(const char* name, const json& value) { control({{"do", "set"}, {name, value}}); }

  [[nodiscard]] KiwoomOptions options() const {
    const std::string at = "localhost:" + std::to_string(stand_in_.port());
    return {.app_key = kKey,
            .secret_key = kSecret,
            .rest_url = "https://" + at,
            .ws_url = "wss://" + at + "/api/dostk/websocket",
            .ca = ca_.path(),
            .connect_patience = 10s,
            .answer_patience = 10s};
  }
  [[nodiscard]] std::shared_ptr<KiwoomSession> session(const KiwoomOptions& how) {
    return std::make_shared<KiwoomSession>(how, thread_.calls());
  }
  [[nodiscard]] std::shared_ptr<KiwoomSession> session() { return session(options()); }

  template <class Predicate>
  [[nodiscard]] bool run_until(Predicate is_done) {
    return thread_.run_until(is_done);
  }
  [[nodiscard]] bool run_until_stat(const char* name, std::int64_t at_least) {
    return run_until([&] { return stat(name) >= at_least; });
  }

  static void expect_no_secret(const std::string& text) {
    for (const char* secret : {kKey, kSecret, "token-"}) {
      EXPECT_EQ(text.find(secret), std::string::npos) << text;
    }
  }

  Authority authority_;
  PemFile ca_{authority_.certificate()};
  KiwoomStandIn stand_in_{authority_.issue("localhost")};
  PluginThread thread_;
  Heard heard_;
};

}  // namespace broadcast::test
