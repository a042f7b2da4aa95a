#include "tests/support/kiwoom/stand_in_session.hpp"

#include <algorithm>
#include <utility>

#include "tests/support/kiwoom/stand_in_market.hpp"

namespace broadcast::test {

namespace {

using nlohmann::json;

constexpr std::size_t kGroupItems = 100;

}  // namespace

bool StandInSession::has_registered(const std::string& item, const std::string& type) const {
  return std::ranges::any_of(groups_, [&](const auto& group) {
    const auto found = group.second.find(item);
    return found != group.second.end() && found->second.contains(type);
  });
}

json StandInSession::registered() const {
  std::map<std::string, std::set<std::string>> all;
  for (const auto& [group, items] : groups_) {
    for (const auto& [item, types] : items) all[item].insert(types.begin(), types.end());
  }
  return all;
}

void StandInSession::leave() {
  if (std::exchange(is_logged_in_, false)) book_.count("logouts");
  groups_.clear();
}

void StandInSession::on_text(const std::string& text) {
  const json message = json::parse(text, nullptr, false);
  const std::string trnm = message.is_object() ? message.value("trnm", "") : "";
  if (trnm == "PING") {
    book_.stats["last_pong"] = text;
    return book_.count("pongs");
  }
  if (trnm == "LOGIN") return on_login(message.value("token", ""));
  if (trnm == "REG" || trnm == "REMOVE") return on_registration(trnm, message);
  book_.count("unknown_messages");
}

void StandInSession::on_login(const std::string& token) {
  book_.count("login_attempts");
  const std::string how = book_.setting<std::string>("login", "ok");
  if (how == "silent") return;
  json answer = {{"trnm", "LOGIN"}, {"return_code", 0}, {"return_msg", ""}};
  if (how == "refuse" || !calls_.is_live(token)) {
    answer.update(book_.killed());
    return calls_.send_and_close(answer.dump());
  }
  calls_.take_over_others();
  is_logged_in_ = true;
  calls_.send(answer.dump());
  book_.count("logins");
}

void StandInSession::on_registration(const std::string& trnm, const json& message) {
  const std::string how = book_.setting<std::string>("reg", "ok");
  if (how == "silent") return;
  const std::string error = is_logged_in_ ? change(trnm, message) : "not logged in";
  book_.count(trnm == "REG" ? "regs" : "removes");
  if (!error.empty()) book_.count("registrations_refused");
  items_.clear();
  const json all = registered();
  for (const auto& [item, types] : all.items()) items_.push_back(item);
  book_.note("registered_items", items_.size());
  late_.push_back(
      json{{"trnm", trnm}, {"return_code", error.empty() ? 0 : 1}, {"return_msg", error}}.dump());
  if (how == "lost") late_.pop_back();
  if (how != "late") answer_late();
}

void StandInSession::answer_late() {
  for (std::string& text : std::exchange(late_, {})) calls_.send(std::move(text));
}

/// Why not, or empty.
std::string StandInSession::change(const std::string& trnm, const json& message) {
  const std::string number = message.value("grp_no", "");
  if (number.empty()) return "grp_no is missing";
  auto group = groups_[number];
  if (trnm == "REG" && message.value("refresh", "1") == "0") group.clear();
  for (const json& entry : message.value("data", json::array())) {
    for (const std::string item : entry.value("item", json::array())) {
      const auto refused = book_.setting<json>("reg_refuse", json::array());
      if (trnm == "REG" && std::ranges::find(refused, json(item)) != refused.end()) {
        return "unknown item " + item;
      }
      for (const std::string type : entry.value("type", json::array())) {
        if (is_sector(item) != (type == "0J")) return type + " is not for item " + item;
        trnm == "REG" ? void(group[item].insert(type)) : void(group[item].erase(type));
      }
      if (group[item].empty()) group.erase(item);
    }
  }
  book_.note_most("largest_group", static_cast<std::int64_t>(group.size()));
  if (group.size() > kGroupItems) return "more than 100 items in a group";
  groups_[number] = std::move(group);
  return "";
}

void StandInSession::take_over() {
  calls_.send_and_close(json{
      {"trnm", "SYSTEM"}, {"code", "R10001"}, {"message", "동일한 App key로 접속이 되었습니다"}}
                            .dump());
}

}  // namespace broadcast::test
