#pragma once
// Which items one WebSocket session has registered, and which message brings that nearer to what is
// wanted: one at a time, because answers do not say what they answer but for REG or REMOVE. They
// come in order, be it late, or not at all. What is not answered is sent again, and never its
// opposite: the server may have obeyed, and prices flow. Items that the server refuses are found by
// halving, and left out until they are wanted anew. Pure; one connection's own.

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/price/source.hpp"

namespace broadcast {

class KiwoomRegistrations {
 public:
  static constexpr std::size_t kGroupItems = 100;

  void want(const Wanted& wanted);
  /// What to send now; empty: nothing, or the answer to the last one is not here yet.
  [[nodiscard]] std::string next();
  [[nodiscard]] bool is_waiting() const { return sent_.has_value(); }
  /// What to send where the answer has not come for so long that maybe none will: the same, which
  /// changes nothing where it was obeyed. A REMOVE that was sent twice, or whose items are wanted
  /// again, counts as obeyed; then it is as next(). REQUIRES: is_waiting().
  [[nodiscard]] std::string again();
  /// The answer to what next() or again() gave; false: there was none to wait for.
  [[nodiscard]] bool on_answer(std::string_view trnm, bool is_ok);
  /// A REAL message of the item has come. True: it belongs to the REG that waits, which therefore
  /// was obeyed, and waits no longer.
  [[nodiscard]] bool on_real(const std::string& item);
  /// The item that the last answer left out.
  [[nodiscard]] std::optional<std::string> take_refused();

  [[nodiscard]] std::size_t registered() const { return group_of_.size(); }

 private:
  struct Order {
    bool removes;
    unsigned group;
    std::vector<std::string> items;  // all of one type
    std::size_t times = 1;           // that it was sent
    std::size_t passed_over = 0;     // answers meanwhile that were taken for earlier ones'
  };
  [[nodiscard]] std::optional<Order> removal() const;
  [[nodiscard]] std::optional<Order> addition();
  [[nodiscard]] bool is_open(const std::string& item) const;
  void take_place(Order& order);
  [[nodiscard]] std::string send(Order order);
  [[nodiscard]] std::string text_of(const Order& order);
  void settle(bool is_ok, std::size_t answers);
  void on_added(const Order& order);
  void on_removed(const Order& order);
  void on_refused(const Order& order);

  std::set<std::string> wanted_;              // tickers, and sectors, which are shorter
  std::map<std::string, unsigned> group_of_;  // what is registered
  std::map<unsigned, std::size_t> sizes_;     // of the groups
  std::set<unsigned> named_;                  // groups that this session has begun
  std::deque<std::vector<std::string>> halves_;
  std::set<std::string> refused_;
  std::optional<std::string> newly_refused_;
  std::optional<Order> sent_;             // and not answered
  std::array<std::size_t, 2> owed_ = {};  // answers to earlier ones: to REG, to REMOVE
};

}  // namespace broadcast
