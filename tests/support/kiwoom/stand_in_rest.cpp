#include "tests/support/kiwoom/stand_in_rest.hpp"

#include <algorithm>
#include <vector>

#include "tests/support/kiwoom/stand_in_market.hpp"

namespace broadcast::test {

namespace {

using nlohmann::json;
using std::chrono::steady_clock;

const json kTooMany = {{"return_code", 5}, {"return_msg", "허용된 요청 개수를 초과하였습니다"}};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '|') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

}  // namespace

bool StandInRest::is_too_many() {
  const auto now = steady_clock::now();
  arrivals_.push_back(now);
  while (now - arrivals_.front() >= std::chrono::seconds(1)) arrivals_.pop_front();
  book_.note_most("most_in_a_second", static_cast<std::int64_t>(arrivals_.size()));
  const auto limit = book_.setting<std::size_t>("limit", 5);
  return limit > 0 && arrivals_.size() > limit;
}

json StandInRest::take_fault(const std::string& path) {
  const auto found = std::ranges::find_if(
      faults_, [&](const json& fault) { return fault.value("path", path) == path; });
  if (found == faults_.end()) return json::object();
  json fault = *found;
  faults_.erase(found);
  return fault;
}

std::pair<unsigned, json> StandInRest::answer_to(const Request& request) {
  if (is_too_many()) {
    book_.count("too_many");
    const bool by_status = book_.setting<std::string>("limit_style", "429") == "429";
    return {by_status ? 429U : 200U, kTooMany};
  }
  const json body = json::parse(request.body(), nullptr, false);
  if (!body.is_object()) return {200, {{"return_code", 2}, {"return_msg", "not JSON"}}};
  if (request.target() == "/oauth2/token") return {200, issue(body)};
  const std::string bearer(request[boost::beast::http::field::authorization]);
  if (!bearer.starts_with("Bearer ") || !is_live(bearer.substr(7))) {
    book_.count("killed_answers");
    const bool by_status = book_.setting<std::string>("killed_style", "return_code") == "401";
    return {by_status ? 401U : 200U, book_.killed()};
  }
  if (request.target() != "/api/dostk/stkinfo" || request["api-id"] != "ka10095") {
    return {404, {{"return_code", 1}, {"return_msg", "no such api"}}};
  }
  book_.count("polls");
  return {200, quotes(body)};
}

json StandInRest::issue(const json& request) {
  const std::string secret = book_.setting<std::string>("secret", "");
  if (request.value("grant_type", "") != "client_credentials" ||
      (!secret.empty() && request.value("secretkey", "") != secret)) {
    return {{"return_code", 3},
            {"return_msg", "인증에 실패했습니다[8001:App Key와 Secret Key 검증에 실패했습니다]"}};
  }
  book_.count("issues");
  const bool may_be_same = book_.setting<std::string>("issue_style", "new") == "same";
  if (!may_be_same || live_token_.empty() || book_.now_ns() >= end_ns_) {
    live_token_ = "token-" + std::to_string(++issued_) + "-of-" + request.value("appkey", "");
    end_ns_ = book_.now_ns() + book_.setting<std::int64_t>("token_life_s", 86'400) * 1'000'000'000;
  }
  return {{"return_code", 0},
          {"return_msg", "정상적으로 처리되었습니다"},
          {"token_type", "Bearer"},
          {"token", live_token_},
          {"expires_dt", korean_time(end_ns_)}};
}

json StandInRest::quotes(const json& request) const {
  const std::vector<std::string> codes = split(request.value("stk_cd", ""));
  if (codes.size() > 100) {
    return {{"return_code", 5}, {"return_msg", "종목코드는 100개까지 가능합니다"}};
  }
  const json unknown = book_.setting<json>("unknown", json::array());
  const json changed = book_.setting<json>("rows", json::object());
  json rows = json::array();
  for (const std::string& code : codes) {
    json row = row_of(code, book_.now_ns());
    if (std::ranges::find(unknown, json(code)) != unknown.end()) row = empty_row();
    if (changed.contains(code)) row.update(changed.at(code));
    rows.push_back(std::move(row));
  }
  return {{"return_code", 0}, {"return_msg", ""}, {"atn_stk_infr", std::move(rows)}};
}

}  // namespace broadcast::test
