// A thread of a plugin's own ends before its broadcaster does.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/broadcaster.hpp>
#include <broadcast/testing.hpp>
#include <broadcast/thread.hpp>

namespace broadcast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Publishes on a thread of its own until it is stopped, and does there what it is told.
class Working : public Broadcaster {
 public:
  explicit Working(const bc_host* host) : Broadcaster(host) {}

 protected:
  void on_config(std::string_view json) override {
    order_ = nlohmann::json::parse(json).value("order", "");
  }
  void on_start() override {
    worker_.emplace(*this, [this](const std::stop_token& stop) { work(stop); });
    if (order_ == "begin elsewhere") {
      std::thread([this] {
        EXPECT_THROW(Thread(*this, [](const std::stop_token&) {}), Error);
      }).join();
    }
    if (order_ == "fail in START") throw std::runtime_error("no such table");
  }
  void on_stop(std::chrono::nanoseconds) override {
    log(LogLevel::kInfo, "on_stop");
    if (order_ == "begin late") worker_.emplace(*this, [](const std::stop_token&) {});
    if (order_ == "fail in STOP") throw std::runtime_error("no such file");
  }

 private:
  void work(const std::stop_token& stop) {
    if (order_ == "throw") throw std::runtime_error("no such host");
    if (order_ == "ask for a restart") throw RestartRequired("new settings");
    static_cast<void>(post([this] { log(LogLevel::kInfo, "at work"); }));
    std::unique_lock lock(mutex_);
    std::condition_variable_any changed;
    changed.wait(lock, stop, [] { return false; });
    publish("t:a", R"({"type":"last words"})");
  }

  std::optional<Thread> worker_;  // in front of what it uses
  std::mutex mutex_;
  std::string order_;
};

class Hasty : public Broadcaster {
 public:
  explicit Hasty(const bc_host* host)
      : Broadcaster(host), worker_(*this, [](const std::stop_token&) {}) {}

 private:
  Thread worker_;
};

constexpr char kWorkingManifest[] = R"({"name":"working","version":"1.0.0","abi":[1,0],
"topics":[{"pattern":"t:a","delivery":"all"}],
"config":{"type":"object","additionalProperties":true}})";

template <class T>
constexpr bc_entry kEntryOf = {
    BC_MAGIC,         sizeof(bc_entry),       BC_ABI_MAJOR,        0,
    kWorkingManifest, &PluginGlue::create<T>, &PluginGlue::handle, &PluginGlue::destroy};

std::string doing(const std::string& order) { return R"({"order":")" + order + "\"}"; }

std::vector<std::string> log_of(const FakeHost& host) {
  std::vector<std::string> lines;
  for (const auto& line : host.logs()) lines.push_back(line.text);
  return lines;
}

TEST(ThreadTest, IsJoinedBeforeStopHasReturned) {
  FakeHost host(kEntryOf<Working>, "{}");
  host.start();
  ASSERT_TRUE(host.run_posts_until([&] { return !host.logs().empty(); }));
  host.stop();
  EXPECT_EQ(host.last("t:a")["type"], "last words");
  EXPECT_THAT(log_of(host), ElementsAre("at work", "on_stop"));
  EXPECT_THAT(host.misuse(), IsEmpty()) << "no call came after STOP";
}

TEST(ThreadTest, IsJoinedThoughOnStopThrows) {
  FakeHost host(kEntryOf<Working>, doing("fail in STOP"));
  host.start();
  host.stop();
  EXPECT_EQ(host.published("t:a").size(), 1U);
  EXPECT_THAT(host.misuse(), IsEmpty());
}

TEST(ThreadTest, IsJoinedBeforeMembersAreGoneWhereStartFailed) {
  FakeHost host(kEntryOf<Working>, doing("fail in START"));
  EXPECT_EQ(host.start(), BC_E_EXCEPTION);
  host.stop();
}

TEST(ThreadTest, BeginsOnThePluginsThreadOnly) {
  FakeHost host(kEntryOf<Working>, doing("begin elsewhere"));
  EXPECT_EQ(host.start(), BC_OK);
}

TEST(ThreadTest, AnExceptionIsThrownAgainOnThePluginsThread) {
  for (const auto& [order, status] :
       {std::pair{"throw", BC_E_EXCEPTION}, std::pair{"ask for a restart", BC_E_RESTART}}) {
    FakeHost host(kEntryOf<Working>, doing(order));
    host.start();
    ASSERT_TRUE(host.run_posts_until([&] { return !host.errors().empty(); }));
    EXPECT_EQ(host.errors()[0].status, status);
  }
}

TEST(ThreadTest, DoesNotBeginInTheConstructorNorOnceStopHasBegun) {
  EXPECT_THROW(FakeHost(kEntryOf<Hasty>, "{}"), std::runtime_error);
  FakeHost host(kEntryOf<Working>, doing("begin late"));
  host.start();
  host.stop();
  EXPECT_EQ(host.errors().back().text, "a Thread begins between the constructor and on_stop()");
  EXPECT_THAT(host.misuse(), IsEmpty());
}

}  // namespace
}  // namespace broadcast
