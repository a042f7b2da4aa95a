// What FakeHost notes of a plugin that breaks the rules: one straight against the table, without
// the SDK's fence.

#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <broadcast/testing.hpp>

namespace broadcast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kManifest[] = R"({"name":"raw","version":"1.0.0","abi":[1,0],
"topics":[{"pattern":"t:a","delivery":"all"}],
"config":{"type":"object","additionalProperties":false,"required":["in"],"properties":{
"in":{"type":"string","enum":["create","START","destroy","nothing"]},
"every":{"type":"string","format":"duration","minimum":"100ms"}}}})";

struct Raw {
  const bc_host* host;
  std::string config;
};
const bc_host* last_table = nullptr;  // for calls after the end

template <class Table>
const Table& table_of(const bc_host* host, const char* id) {
  return *static_cast<const Table*>(host->get_extension(host, id));
}
bc_status define(const bc_host* host, std::uint32_t id, std::string_view name) {
  return table_of<bc_ext_metrics>(host, BC_EXT_METRICS)
      .define(host, id, BC_GAUGE, borrow(name), borrow(""));
}
bc_status publish(const bc_host* host) {
  bc_publish call{};
  call.size = sizeof call;
  call.topic = borrow("t:a");
  call.payload = borrow(R"({"type":"x"})");
  return host->publish(host, &call);
}

bc_status obey(const bc_host* host, std::string_view order) {
  bc_status status = BC_OK;
  if (order == "throw") throw std::runtime_error("no such table");
  if (order == "throw 7") throw 7;
  if (order == "metric") return define(host, 9, "late");
  if (order == "foreign metric") std::thread([&] { status = define(host, 9, "x"); }).join();
  if (order == "foreign timer") std::thread([&] { status = host->timer(host, 1, 0, 0); }).join();
  if (order == "foreign fail") std::thread([&] { host->fail(host, borrow("why")); }).join();
  if (order == "negative") {
    table_of<bc_ext_metrics>(host, BC_EXT_METRICS).record(host, 1, -1);
  }
  if (order == "state") {
    return table_of<bc_ext_status>(host, BC_EXT_STATUS).report(host, 4, borrow("?"));
  }
  const auto& clients = table_of<bc_ext_clients>(host, BC_EXT_CLIENTS);
  if (order == "send") return clients.send_all(host, borrow("{"));
  if (order == "close") return clients.close_idle(host, 0, 1006, borrow(""));
  if (order == "beat") {
    return table_of<bc_ext_heartbeat>(host, BC_EXT_HEARTBEAT).keep(host, 99'999'999, 1'000'000'000);
  }
  if (order == "drop") {
    return table_of<bc_ext_cache>(host, BC_EXT_CACHE).drop(host, borrow("*"));
  }
  return status;
}

bc_status create(const bc_host* host, const char*, void** self) {
  last_table = host;
  *self = new Raw{host, {}};
  return BC_OK;
}
bc_status handle(void* self, const bc_event* event) {
  auto* raw = static_cast<Raw*>(self);
  const bc_host* host = raw->host;
  switch (event->kind) {
    case BC_EV_CONFIG:
      raw->config = view(event->data);
      return BC_OK;
    case BC_EV_START:
      host->post(host, 1, raw);
      if (raw->config.find("START") != std::string::npos) return BC_E_INVALID;
      table_of<bc_ext_metrics>(host, BC_EXT_METRICS)
          .define(host, 1, BC_COUNTER, borrow("orders_total"), borrow(""));
      define(host, 1, "same_id");
      define(host, 2, "took_count");
      return define(host, 2, "fine");
    case BC_EV_POST:
      host->log(host, BC_LOG_INFO, borrow(event->ptr == self ? "its own" : "another's"));
      return BC_OK;
    case BC_EV_MESSAGE:
      return obey(host, view(event->data));
    case BC_EV_STOP:
      return host->post(host, 2, raw);
    default:
      return BC_OK;
  }
}
void destroy(void* self) {
  const std::unique_ptr<Raw> raw(static_cast<Raw*>(self));
  if (raw->config.find("destroy") != std::string::npos) throw std::logic_error("in destroy");
}

constexpr bc_entry kRaw = {BC_MAGIC,  sizeof(bc_entry), BC_ABI_MAJOR, 0,
                           kManifest, &create,          &handle,      &destroy};
constexpr std::string_view kFine = R"({"in":"nothing"})";

std::string refusal_of(const bc_entry& entry, std::string_view config) {
  try {
    FakeHost host(entry, config);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "not refused";
}

TEST(MisuseTest, IsNotedInWordsAndAnsweredAsTheHostDoes) {
  struct Row {
    const char* order;
    bc_status status;
    const char* note;
  };
  for (const Row& row :
       {Row{"throw", BC_E_EXCEPTION, "handle threw across the border: no such table"},
        Row{"throw 7", BC_E_EXCEPTION, "handle threw across the border: unknown exception"},
        Row{"metric", BC_E_INVALID, "metric late defined after START"},
        Row{"foreign metric", BC_E_WRONG_THREAD, "metric x defined from a foreign thread"},
        Row{"foreign timer", BC_E_WRONG_THREAD, "timer armed from a foreign thread"},
        Row{"foreign fail", BC_OK, "fail called from a foreign thread"},
        Row{"negative", BC_OK, "metric orders_total cannot take -1.000000"},
        Row{"state", BC_E_INVALID, "report of an unknown state: 4"},
        Row{"send", BC_E_INVALID, "send_all of a text that no client may get: it is not JSON"},
        Row{"close", BC_E_INVALID, "close_idle with code 1006, a time below 0, or a long reason"},
        Row{"beat", BC_E_INVALID,
            "a heartbeat of less than 100 ms, or no shorter than its timeout"},
        Row{"drop", BC_E_INVALID, "drop without text before a wildcard: *"}}) {
    FakeHost host(kRaw, kFine);
    host.start();
    const std::size_t before = host.misuse().size();
    EXPECT_EQ(host.message("t:a", row.order).status, row.status) << row.order;
    ASSERT_EQ(host.misuse().size(), before + 1) << row.order;
    EXPECT_EQ(host.misuse().back(), row.note);
  }
}

TEST(MisuseTest, MetricsNeedANameAndAnIdOfTheirOwn) {
  FakeHost host(kRaw, kFine);
  EXPECT_EQ(host.start(), BC_OK);
  EXPECT_THAT(host.misuse(), ElementsAre("metric same_id defined twice, or its id is taken",
                                         "metric took_count defined with a bad name or kind"));
}

TEST(MisuseTest, AThreadThatWasNotJoinedIsHeard) {
  FakeHost host(kRaw, kFine);
  host.start();
  host.stop();
  const std::size_t before = host.misuse().size();
  std::thread([] { EXPECT_EQ(publish(last_table), BC_E_REVOKED); }).join();
  ASSERT_EQ(host.misuse().size(), before + 2);
  EXPECT_EQ(host.misuse()[before], "publish after destroy: a thread was not joined");
  EXPECT_EQ(host.misuse()[before + 1], "publish after STOP on t:a");
}

TEST(MisuseTest, WhatWasPostedIsTakenExactlyOnce) {
  for (const std::string_view config : {kFine, std::string_view(R"({"in":"START"})")}) {
    FakeHost host(kRaw, config);
    host.start();
    host.stop();
    ASSERT_EQ(host.logs().size(), 1U) << config;
    EXPECT_EQ(host.logs().front().text, "its own");
  }
  FakeHost host(kRaw, kFine);
  host.start();
  host.stop();
  EXPECT_EQ(host.errors().back().status, BC_E_REVOKED) << "a post in STOP is not taken";
}

TEST(MisuseTest, APostOfACreateThatFailedIsLost) {
  bc_entry entry = kRaw;
  entry.create = [](const bc_host* host, const char*, void**) -> bc_status {
    host->post(host, 1, nullptr);
    host->fail(host, borrow("no licence"));
    return BC_E_DENIED;
  };
  EXPECT_EQ(refusal_of(entry, kFine), "create failed (-5): no licence; posts that nobody takes: 1");
}

TEST(MisuseTest, AnExceptionOutOfDestroyIsNoted) {
  FakeHost host(kRaw, R"({"in":"destroy"})");
  host.stop();
  EXPECT_THAT(host.misuse(), ElementsAre("destroy threw across the border: in destroy"));
}

TEST(FakeHostConfigTest, IsCheckedAsTheHostChecksIt) {
  EXPECT_EQ(refusal_of(kRaw, R"({"in":"nothing","every":"20ms"})"),
            "config.every: 20ms is below the minimum 100ms");
  EXPECT_EQ(refusal_of(kRaw, R"({"evry":"1s"})"),
            "config: missing key \"in\"\n"
            "config.evry: unknown key \"evry\"; did you mean \"every\"?");
  EXPECT_THAT(refusal_of(kRaw, R"({"in":7})"), HasSubstr("config.in: expected string, got 7"));
}

TEST(FakeHostConfigTest, ASchemaThatTheHostWouldRefuseIsRefused) {
  bc_entry entry = kRaw;
  entry.manifest = R"({"name":"raw","version":"1.0.0","abi":[1,0],"config":{"oneOf":[]}})";
  EXPECT_EQ(refusal_of(entry, "{}"), "manifest.config.oneOf: unknown schema keyword \"oneOf\"");
}

TEST(FakeHostConfigTest, WithoutASchemaNoKeyIsAllowed) {
  bc_entry entry = kRaw;
  entry.manifest = R"({"name":"raw","version":"1.0.0","abi":[1,0]})";
  EXPECT_EQ(refusal_of(entry, R"({"in":"nothing"})"),
            "config.in: unknown key \"in\"; no keys are known here");
}

/// Of a manifest with this member of `topics`.
std::string refusal_of_topic(const std::string& topic) {
  const std::string manifest =
      R"({"name":"raw","version":"1.0.0","abi":[1,0],"topics":[)" + topic + "]}";
  bc_entry entry = kRaw;
  entry.manifest = manifest.c_str();
  return refusal_of(entry, "{}");
}

TEST(FakeHostTopicsTest, WhatAHostWouldRefuseIsRefused) {
  EXPECT_THAT(refusal_of_topic(R"({"pattern":"t:{x}","match":"(a)\\1","delivery":"all"})"),
              HasSubstr("manifest.topics.0: topic pattern \"t:{x}\": \"match\" is not a regex"));
  EXPECT_THAT(refusal_of_topic(R"({"pattern":"t:{x}","delivery":"all","match":")" +
                               std::string(256, 'a') + "\"}"),
              HasSubstr("\"match\" has 256 bytes, at most 255 are allowed"));
  EXPECT_THAT(refusal_of_topic(R"({"pattern":"t:a","match":"a","delivery":"all"})"),
              HasSubstr("\"match\" needs a {placeholder}"));
  EXPECT_THAT(refusal_of_topic(R"({"pattern":"t:{x}:y","delivery":"all"})"),
              HasSubstr("may end in one {name}"));
  EXPECT_THAT(refusal_of_topic(R"({"pattern":"t:*","delivery":"all"})"),
              HasSubstr("expected letters, digits"));
  EXPECT_THAT(refusal_of_topic(R"({"pattern":"status:x","delivery":"all"})"),
              HasSubstr("it is the host's own"));
  EXPECT_THAT(refusal_of_topic(R"({"pattern":"t:a","delivery":"al"})"),
              HasSubstr("expected \"latest\" or \"all\""));
}

TEST(FakeHostTopicsTest, BelongToThePatternThatNamesMoreOfThem) {
  fake::OwnedTopics topics(nlohmann::json::parse(R"({"topics":[
      {"pattern":"t:{x}","delivery":"latest"}, {"pattern":"t:a","delivery":"all"},
      {"pattern":"t:b:{x}","delivery":"all"}]})"));
  EXPECT_EQ(topics.delivery_of("t:a"), "all");
  EXPECT_EQ(topics.delivery_of("t:b:c"), "all");
  EXPECT_EQ(topics.delivery_of("t:c"), "latest");
  EXPECT_EQ(topics.delivery_of("t:"), std::nullopt);
  EXPECT_EQ(topics.delivery_of("t:not a name"), std::nullopt);
}

TEST(MisuseTest, AHeartbeatBeforeStartIsOne) {
  bc_entry entry = kRaw;
  entry.create = [](const bc_host* host, const char* name, void** self) -> bc_status {
    EXPECT_EQ(
        table_of<bc_ext_heartbeat>(host, BC_EXT_HEARTBEAT).keep(host, 1'000'000'000, 2'000'000'000),
        BC_E_INVALID);
    return create(host, name, self);
  };
  FakeHost host(entry, kFine);
  EXPECT_THAT(host.misuse(), ElementsAre("a heartbeat before START"));
}

}  // namespace
}  // namespace broadcast
