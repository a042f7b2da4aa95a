#pragma once
// What the stand-in answers to REST: tokens, quotes, the limit, and the faults that it is told. No
// sockets. On its thread.

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/kiwoom/stand_in_book.hpp"

namespace broadcast::test {

class StandInRest {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;

  /// `book` outlives this.
  explicit StandInRest(StandInBook& book) : book_(book) {}

  /// Status and body.
  [[nodiscard]] std::pair<unsigned, nlohmann::json> answer_to(const Request& request);
  void add_fault(nlohmann::json fault) { faults_.push_back(std::move(fault)); }
  /// The next one for `path`; an empty object if there is none.
  [[nodiscard]] nlohmann::json take_fault(const std::string& path);
  void kill_token() { live_token_.clear(); }
  [[nodiscard]] bool is_live(std::string_view token) const {
    return !live_token_.empty() && token == live_token_;
  }

 private:
  [[nodiscard]] bool is_too_many();
  [[nodiscard]] nlohmann::json issue(const nlohmann::json& request);
  [[nodiscard]] nlohmann::json quotes(const nlohmann::json& request) const;

  StandInBook& book_;
  std::deque<nlohmann::json> faults_;
  std::string live_token_;
  std::int64_t end_ns_ = 0;  // of its life
  int issued_ = 0;
  std::deque<std::chrono::steady_clock::time_point> arrivals_;
};

}  // namespace broadcast::test
