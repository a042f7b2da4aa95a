// Plugins that were built at ABI 1.0 live in the host of today; and a host of tomorrow, whose
// structs have grown, can call them.

#include <algorithm>

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/abi.h>

#include "tests/unit/loader/support.hpp"

namespace broadcast {
namespace {

using namespace std::chrono_literals;
using test::kPatience;
using Outcome = Verdict::Outcome;

class KeptPluginTest : public testing::TestWithParam<const char*> {
 protected:
  ~KeptPluginTest() override {
    if (runner != nullptr) {
      EXPECT_TRUE(runner->stop_within(kPatience));
    }
  }
  void start(const std::string& plugin, const std::string& topic) {
    runner = PluginRunner::make(test::read_plugin(plugin),
                                {.name = "kept",
                                 .permissions = {},
                                 .host_version = "9.9.9",
                                 .copies = {},
                                 .restart = {.first = 1ms, .longest = 4ms, .healthy = 60s},
                                 .inbox = {}},
                                listening.surroundings());
    EXPECT_EQ(runner->try_claim(), std::nullopt);
    listening.subscribe(topic);
    listening.subscribe_status("kept");
    runner->start();
  }
  [[nodiscard]] Verdict send(const std::string& payload, const std::string& topic) {
    return test::verdict_of(test::post(*runner, payload, topic));
  }
  void expect_gone() {
    EXPECT_TRUE(runner->stop_within(kPatience));
    EXPECT_EQ(runner->libraries_left(), 0U);
    EXPECT_EQ(test::mappings_of("kept"), 0U);
  }

  test::ListeningHub listening;
  std::shared_ptr<PluginRunner> runner;
};

TEST_P(KeptPluginTest, LivesFromStartToStop) {
  const std::string topic = GetParam() + std::string(":log");
  start(GetParam(), topic);
  EXPECT_TRUE(listening.wait_for({R"("state":"degraded")", "as it was built"}));
  for (const std::string& event : {std::string("timer"), std::string("post"), "demand " + topic}) {
    EXPECT_TRUE(listening.wait_for({R"("event":")" + event})) << event;
  }
  const Verdict accepted = send("1", topic);
  EXPECT_EQ(accepted.outcome, Outcome::kAccepted);
  EXPECT_EQ(accepted.published, 1U);
  EXPECT_TRUE(listening.wait_for({R"("event":"message test")"}));
  const Verdict refused = send("2", topic);
  EXPECT_EQ(refused.outcome, Outcome::kRefused);
  EXPECT_EQ(refused.text, "not a 1");
  EXPECT_EQ(runner->view().metrics.size(), 1U);
  expect_gone();
  EXPECT_TRUE(listening.wait_for({R"("event":"stop)"}));
  EXPECT_EQ(runner->counters().get(Counter::kPluginErrors), 0U);
}
INSTANTIATE_TEST_SUITE_P(Abi10, KeptPluginTest, testing::Values("kept_c", "kept_cpp"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST_F(KeptPluginTest, PublishesASignalOfTheSdkBefore) {
  start("kept_signal", "signal:kept");
  const std::string good = R"([{"ticker":"005930","name":"A","score":9}])";
  EXPECT_EQ(send(good, "signal:kept").outcome, Outcome::kAccepted);
  EXPECT_TRUE(listening.wait_for({R"("signal_type":"KEPT")", R"("ticker":"005930")"}));
  EXPECT_EQ(send(R"([{"ticker":"005930","name":"A"}])", "signal:kept").text,
            "signals[0].score: missing");
  expect_gone();
}

TEST_F(KeptPluginTest, APluginOfALaterMinorVersionIsTaken) {
  const auto file = test::read_plugin("from_tomorrow");
  PluginLibrary library(*file, "kept", {});
  EXPECT_GT(library.entry().size, sizeof(bc_entry));
  library.unload();
  EXPECT_TRUE(library.release());
}

/// A host of a later minor version: its table and its events have more at the tail.
class LaterHost {
 public:
  struct Event {
    bc_event known{};
    std::uint64_t added = 0;
  };

  explicit LaterHost(const std::string& plugin)
      : library_(::dlopen(test::plugin_path(plugin).c_str(), RTLD_NOW | RTLD_LOCAL)) {
    entry_ = static_cast<const bc_entry*>(::dlsym(library_, BC_ENTRY_SYMBOL));
    table_.known.size = sizeof table_;
    table_.known.abi_major = 1;
    table_.known.abi_minor = 7;
    table_.known.impl = this;
    table_.known.get_extension = [](const bc_host*, const char*) -> const void* { return nullptr; };
    table_.known.fail = [](const bc_host*, bc_str) {};
    table_.known.publish = [](const bc_host* host, const bc_publish* call) -> bc_status {
      static_cast<LaterHost*>(host->impl)->published.emplace_back(call->topic.ptr, call->topic.len);
      return BC_OK;
    };
    table_.known.wall_ns = [](const bc_host*) -> std::int64_t { return 1; };
    EXPECT_EQ(entry_->create(&table_.known, "kept", &self_), BC_OK);
  }
  ~LaterHost() {
    entry_->destroy(self_);
    ::dlclose(library_);
  }
  LaterHost(const LaterHost&) = delete;
  LaterHost& operator=(const LaterHost&) = delete;

  bc_status handle(Event event) const { return entry_->handle(self_, &event.known); }
  /// `size` is what the sender says it filled in.
  static Event message(std::uint32_t size) {
    Event event;
    event.known.size = size;
    event.known.kind = BC_EV_MESSAGE;
    event.known.source = {"http", 4};
    event.known.data = {"1", 1};
    return event;
  }

  std::vector<std::string> published;

 private:
  struct {
    bc_host known{};
    void* added[4] = {};
  } table_;
  void* library_;
  const bc_entry* entry_ = nullptr;
  void* self_ = nullptr;
};

TEST(LaterHostTest, CallsAPluginOfAbi10WithStructsThatHaveGrown) {
  for (const std::string plugin : {"kept_c", "kept_cpp"}) {
    LaterHost host(plugin);
    EXPECT_EQ(host.handle(LaterHost::message(sizeof(LaterHost::Event))), BC_OK) << plugin;
    EXPECT_THAT(host.published, testing::ElementsAre(plugin + ":log"));
    LaterHost::Event later;
    later.known.size = sizeof later;
    later.known.kind = 99;
    later.known.flags = 0xFFFF;
    EXPECT_EQ(host.handle(later), BC_OK) << plugin << ": a kind that it does not know";
  }
}

TEST(LaterHostTest, IsToldWhereAPluginOfAbi10WouldMissWhatItAdded) {
  const LaterHost host("kept_cpp");
  LaterHost::Event event = LaterHost::message(sizeof event);
  event.added = 1;
  EXPECT_EQ(host.handle(event), BC_E_UNSUPPORTED);
}

TEST(LaterHostTest, APluginReadsNothingBeyondWhatTheSenderFilledIn) {
  LaterHost host("kept_cpp");
  LaterHost::Event older = LaterHost::message(offsetof(bc_event, ptr));
  older.known.ptr = &host;
  EXPECT_EQ(host.handle(older), BC_OK);
  EXPECT_THAT(host.published, testing::ElementsAre("kept_cpp:log"));
  older.known.size = offsetof(bc_event, data);
  EXPECT_EQ(host.handle(older), BC_E_INVALID) << "no data: not a 1";
}

}  // namespace
}  // namespace broadcast
