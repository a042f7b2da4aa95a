#include "tools/broadcastctl/operate.hpp"

#include <fmt/format.h>

#include "host/hub/topic_name.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) { return value.is_null() ? "" : value.get<std::string>(); }

}  // namespace

OperationReport operation_report(const AdminAnswer& answer) {
  OperationReport report;
  const Json& body = answer.body;
  if (answer.status == 404) throw CannotRun(body.value("message", "not found") + ".");
  if (!body.contains("outcome")) {
    report.wrong = body.value("message", "HTTP " + std::to_string(answer.status)) + "\n";
    return report;
  }
  for (const Json& step : body.at("broadcasters")) {
    const auto name = step.at("name").get<std::string>();
    if (const Json& error = step.at("error"); error.is_null()) {
      report.done += name + ": " + text_of(step.at("did")) + "\n";
    } else {
      report.wrong += name + ": not changed: " + text_of(error) + "\n";
    }
  }
  for (const Json& key : body.at("settings")) report.done += "changed: " + text_of(key) + "\n";
  for (const Json& key : body.at("needs_restart")) {
    report.done += "takes effect after a restart: " + text_of(key) + "\n";
  }
  for (const Json& error : body.at("errors")) report.wrong += text_of(error) + "\n";
  if (body.at("outcome") == "invalid") report.wrong += "Nothing was changed.\n";
  if (report.done.empty() && report.wrong.empty()) report.done = "nothing to change\n";
  return report;
}

std::string forget_target(const std::string& topic) {
  constexpr std::size_t kMaxNameBytes = 255;
  if (std::holds_alternative<NotATopic>(parse_topic(topic, kMaxNameBytes))) {
    throw CannotRun(topic + ": expected a topic such as note:a, or a pattern such as note:*");
  }
  return "/v1/topics/" + topic + "/forget";
}

OperationReport forget_report(const AdminAnswer& answer) {
  const Json& body = answer.body;
  if (answer.status == 404) throw CannotRun(body.value("message", "not found") + ".");
  if (!body.contains("forgotten")) {
    return {.done = "",
            .wrong = body.value("message", "HTTP " + std::to_string(answer.status)) + "\n"};
  }
  OperationReport report{
      .done = fmt::format("forgotten: {}\n", body.at("forgotten").get<std::size_t>()), .wrong = ""};
  const Json& reasons = body.at("reasons");
  for (const Json& kept : reasons) {
    report.wrong +=
        fmt::format("{}: kept: {}\n", text_of(kept.at("topic")), text_of(kept.at("why")));
  }
  const std::size_t others = body.at("kept").get<std::size_t>() - reasons.size();
  if (others > 0) report.wrong += fmt::format("and {} others are kept\n", others);
  return report;
}

std::string broadcaster_list(const Json& body) {
  std::string lines;
  for (const Json& one : body.at("broadcasters")) {
    const std::string version = one.contains("version")
                                    ? fmt::format("{} generation {}", text_of(one.at("version")),
                                                  one.at("generation").get<std::uint64_t>())
                                    : "-";
    std::string line = fmt::format("{:<20} {:<9} {:<20} {}", text_of(one.at("name")),
                                   text_of(one.at("state")), version, one.value("detail", ""));
    line.erase(line.find_last_not_of(' ') + 1);
    lines += line + "\n";
    const Json quarantined = one.value("quarantined", Json::array());
    if (!quarantined.empty()) {
      lines += fmt::format("{:<20} {} in quarantine\n", "", quarantined.size());
    }
  }
  return lines;
}

}  // namespace broadcast
