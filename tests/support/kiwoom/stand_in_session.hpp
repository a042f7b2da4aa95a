#pragma once
// What the stand-in's WebSocket says: LOGIN, PING, registrations. No sockets: its connection sends.
// On the stand-in's thread.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/kiwoom/stand_in_book.hpp"

namespace broadcast::test {

class StandInSession {
 public:
  struct Calls {
    std::function<void(std::string text)> send;
    std::function<void(std::string text)> send_and_close;
    std::function<bool(std::string_view token)> is_live;
    std::function<void()> take_over_others;
  };

  /// `book` outlives this.
  StandInSession(StandInBook& book, Calls calls) : book_(book), calls_(std::move(calls)) {}

  void on_text(const std::string& text);
  void leave();
  /// What was kept back while `reg` was late.
  void answer_late();
  /// SYSTEM R10001, and the end of the connection.
  void take_over();

  [[nodiscard]] bool is_logged_in() const { return is_logged_in_; }
  [[nodiscard]] bool has_registered(const std::string& item, const std::string& type) const;
  [[nodiscard]] nlohmann::json registered() const;
  /// The items in an order of their own, for REAL at a rate.
  [[nodiscard]] const std::vector<std::string>& items() const { return items_; }

 private:
  void on_login(const std::string& token);
  void on_registration(const std::string& trnm, const nlohmann::json& message);
  std::string change(const std::string& trnm, const nlohmann::json& message);

  StandInBook& book_;
  const Calls calls_;
  bool is_logged_in_ = false;
  std::map<std::string, std::map<std::string, std::set<std::string>>> groups_;
  std::vector<std::string> items_;
  std::vector<std::string> late_;
};

}  // namespace broadcast::test
