// StepRun: what a host and producers may do to it.

#include <map>
#include <memory>

#include <broadcast/abi.h>
#include <broadcast/schema.hpp>

#include "host/hub/producer_gate.hpp"
#include "tools/broadcastctl/step_run.hpp"

namespace broadcast {

namespace {

using nlohmann::json;

constexpr std::size_t kConfigs = 100;
constexpr std::size_t kMessages = 300;
constexpr std::size_t kFenceMessages = 50;

std::string because(const Stage::Publishes& publishes) {
  return publishes.why.empty() ? "" : ": " + short_text(publishes.why);
}

/// Of a message whose plugin published what the host refused. Empty: it is the message that was
/// bad.
std::string what_is_wrong(const Stage::Publishes& publishes, const Verdict& verdict,
                          bool is_given) {
  if (verdict.outcome == Verdict::Outcome::kAccepted) {
    return "accepted, but what it published for it was refused" + because(publishes) +
           ". Its producer is told that it was published. Throw Refused, or publish only what a "
           "host accepts.";
  }
  if (!is_given) return {};
  return "it is a --message, but what the plugin published for it was refused" +
         because(publishes) + ". Publish only what a host accepts.";
}

}  // namespace

void StepRun::check_thrown(const char* check, const RawCall& call, const std::string& with) const {
  if (!call.has_thrown) return;
  give_up(broadcast::fail(
      check, file() + ": " + call.what + with +
                 ": an exception left the plugin: " + short_text(call.text) +
                 ". With another C++ runtime it ends the host. Catch it inside and return "
                 "BC_E_EXCEPTION, as BROADCAST_PLUGIN does." +
                 repeat()));
}

void StepRun::fence() {
  const std::vector<std::string> sent_to = topics();
  std::string with;
  std::size_t calls = 0;
  std::size_t failed = 0;
  RawInstance::run(
      plugin_,
      [&](const std::string& what) {
        report_.about_to(what + with + ", where the host refuses to publish");
      },
      [&](const RawCall& call) {
        ++calls;
        if (call.status != BC_OK) ++failed;
        check_thrown("fence", call, with);
      },
      [&](const RawInstance::Calls& plugin) {
        if (plugin.config(plugin_.config).status != BC_OK) return;
        if (plugin.start().status != BC_OK) return;
        for (const std::string& topic : sent_to) {
          if (manifest().wants_demand) static_cast<void>(plugin.demand(topic));
          for (std::size_t i = 0; i < kFenceMessages; ++i) {
            const std::string payload = random_message(options_.messages, random_);
            if (ProducerGate::check(payload, {})) continue;
            with = " with " + short_text(payload);
            static_cast<void>(plugin.message(topic, payload));
          }
          with.clear();
        }
        static_cast<void>(plugin.stop());
      });
  result(pass("fence", std::to_string(calls) + " callbacks under a host that refuses to publish, " +
                           std::to_string(failed) + " answered with a status"));
}

void StepRun::fuzz_config() {
  const json& schema = manifest().config_schema;
  std::size_t refused = 0;
  std::size_t taken = 0;
  std::size_t failed = 0;
  std::string exception;
  for (std::size_t i = 0; i < kConfigs; ++i) {
    const json given = random_config(schema, random_);
    if (!given.is_object() || !check_value(schema, given).empty()) {
      ++refused;
      continue;
    }
    const std::string config = with_defaults(schema, given).dump();
    const std::string where = "config " + short_text(config);
    RawInstance::run(
        {.file = plugin_.file, .config = config},
        [&](const std::string& what) { report_.about_to(what + ", " + where); },
        [&](const RawCall& call) {
          check_thrown("fuzz-config", call, ", " + where);
          if (call.what != "CONFIG") return;
          ++(call.status == BC_OK ? taken : failed);
          if (call.status == BC_E_EXCEPTION) exception = call.text + " (" + where + ")";
        },
        [&](const RawInstance::Calls& plugin) { static_cast<void>(plugin.config(config)); });
  }
  std::string text = std::to_string(kConfigs) + " configs: " + std::to_string(refused) +
                     " refused by the schema, " + std::to_string(taken) + " taken, " +
                     std::to_string(failed) + " refused by the plugin";
  if (!exception.empty()) {
    text += "; by an exception: " + exception + ". Give its schema a limit, or throw Error";
  }
  result(pass("fuzz-config", text));
}

void StepRun::fuzz_messages() {
  const std::vector<std::string> sent_to = topics();
  if (sent_to.empty()) {
    return result(skip("fuzz-messages",
                       manifest().topics.empty()
                           ? "it owns no topic"
                           : "no topic was found that its patterns accept; name one with --topic"));
  }
  auto stage = std::make_unique<Stage>(plugin_);
  report_.about_to("START");
  if (const std::string why = stage->start(soon()); !why.empty()) {
    give_up(broadcast::fail("fuzz-messages", named(why)));
  }
  std::map<Verdict::Outcome, std::size_t> outcomes;
  std::size_t refused = 0;
  for (std::size_t i = 0; i < kMessages; ++i) {
    const std::string& topic = sent_to[i % sent_to.size()];
    const std::string payload = i < options_.messages.size()
                                    ? options_.messages[i]
                                    : random_message(options_.messages, random_);
    if (ProducerGate::check(payload, {})) {
      ++refused;
      continue;
    }
    const std::string where =
        "message " + std::to_string(i + 1) + " on " + topic + ": " + short_text(payload);
    report_.about_to(where);
    const std::uint64_t refused_before = stage->publishes().refused;
    const auto verdict = stage->send(topic, payload, soon());
    const Stage::Publishes publishes = stage->publishes();
    const bool is_given = i < options_.messages.size();
    const std::string wrong =
        !verdict || verdict->has_failed_on_it
            ? (verdict ? verdict->text : "no answer in " + seconds_text(options_.deadline)) +
                  ". Any producer could do this. Refuse what is wrong with Refused; the require_ "
                  "functions of fields.hpp do."
        : publishes.refused > refused_before ? what_is_wrong(publishes, *verdict, is_given)
                                             : "";
    if (!wrong.empty()) {
      static_cast<void>(stage.release());
      give_up(broadcast::fail("fuzz-messages", file() + ": " + where + ": " + wrong + repeat()));
    }
    ++outcomes[verdict->outcome];
  }
  const Stage::Publishes publishes = stage->publishes();
  report_.about_to("STOP after " + std::to_string(kMessages) + " messages");
  if (!stage->stop_within(options_.deadline)) {
    static_cast<void>(stage.release());
    give_up_stuck("fuzz-messages", "STOP");
  }
  if (publishes.taken == 0 && publishes.refused > 0) {
    return result(broadcast::fail(
        "fuzz-messages", file() + ": all of the " + std::to_string(publishes.refused) +
                             " messages that it published were refused" + because(publishes) +
                             ". Publish only what a host accepts." + repeat()));
  }
  std::string text = std::to_string(kMessages) + " messages: " + std::to_string(refused) +
                     " refused by the host (not JSON, not UTF-8, too deep), " +
                     std::to_string(outcomes[Verdict::Outcome::kAccepted]) + " taken, " +
                     std::to_string(outcomes[Verdict::Outcome::kRefused]) +
                     " refused by the plugin, " +
                     std::to_string(outcomes[Verdict::Outcome::kUnavailable]) + " put off";
  if (publishes.taken == 0) {
    text += "; nothing was published: give a message that is good with --message";
  }
  result(pass("fuzz-messages", text));
}

}  // namespace broadcast
