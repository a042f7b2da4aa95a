#include "plugins/price/kiwoom/kiwoom_registrations.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "plugins/price/kiwoom/kiwoom_fields.hpp"

namespace broadcast {

namespace {

constexpr std::string_view kReg = "REG";
constexpr std::string_view kRemove = "REMOVE";
constexpr unsigned kIndexGroup = 1;  // tickers begin with the next

bool is_index(const std::string& item) {
  return std::ranges::any_of(kIndices,
                             [&](const IndexName& index) { return sector_item(index) == item; });
}

}  // namespace

void KiwoomRegistrations::want(const Wanted& wanted) {
  wanted_ = {wanted.tickers.begin(), wanted.tickers.end()};
  for (const IndexName& index : wanted.indices) wanted_.emplace(sector_item(index));
  std::erase_if(refused_, [this](const std::string& item) { return !wanted_.contains(item); });
}

std::string KiwoomRegistrations::next() {
  if (is_waiting()) return {};
  std::optional<Order> order = removal();  // it makes room
  if (!order) order = addition();
  return order ? send(*std::move(order)) : std::string();
}

std::string KiwoomRegistrations::again() {
  owed_[sent_->removes] = 0;  // what is older still does not come any more
  const bool is_wanted = std::ranges::any_of(
      sent_->items, [this](const std::string& item) { return wanted_.contains(item); });
  if (sent_->removes && (sent_->times > 1 || is_wanted)) {
    settle(/*is_ok=*/true, /*answers=*/0);
    return next();
  }
  ++sent_->times;
  return text_of(*sent_);
}

std::string KiwoomRegistrations::send(Order order) {
  sent_ = std::move(order);
  return text_of(*sent_);
}

std::optional<KiwoomRegistrations::Order> KiwoomRegistrations::removal() const {
  std::optional<Order> order;
  for (const auto& [item, group] : group_of_) {
    if (wanted_.contains(item)) continue;
    if (!order) order = Order{.removes = true, .group = group};
    if (order->group == group) order->items.push_back(item);
  }
  return order;
}

bool KiwoomRegistrations::is_open(const std::string& item) const {
  return wanted_.contains(item) && !group_of_.contains(item) && !refused_.contains(item);
}

std::optional<KiwoomRegistrations::Order> KiwoomRegistrations::addition() {
  Order order{.removes = false, .group = kIndexGroup};
  while (order.items.empty() && !halves_.empty()) {
    order.items = std::move(halves_.front());
    halves_.pop_front();
    std::erase_if(order.items, [this](const std::string& item) { return !is_open(item); });
  }
  if (order.items.empty()) {
    for (const std::string& item : wanted_) {
      if (!is_open(item)) continue;
      if (!order.items.empty() && is_index(item) != is_index(order.items.front())) continue;
      order.items.push_back(item);
      if (order.items.size() == kGroupItems) break;
    }
  }
  if (order.items.empty()) return std::nullopt;
  take_place(order);
  return order;
}

/// In the first group with room, as many as fit there; the rest is still open afterwards.
void KiwoomRegistrations::take_place(Order& order) {
  if (!is_index(order.items.front())) ++order.group;
  while (sizes_[order.group] >= kGroupItems) ++order.group;
  const std::size_t room = kGroupItems - sizes_[order.group];
  if (order.items.size() > room) order.items.resize(room);
}

std::string KiwoomRegistrations::text_of(const Order& order) {
  const std::vector<std::string> types = is_index(order.items.front())
                                             ? std::vector<std::string>{"0J"}
                                             : std::vector<std::string>{"0B", "0A"};
  nlohmann::ordered_json message = {{"trnm", order.removes ? kRemove : kReg},
                                    {"grp_no", std::to_string(order.group)}};
  // The first one replaces what the server may still know of this group.
  if (!order.removes) message["refresh"] = named_.insert(order.group).second ? "0" : "1";
  message["data"] = nlohmann::ordered_json::array();
  message["data"].push_back({{"item", order.items}, {"type", types}});
  return message.dump();
}

bool KiwoomRegistrations::on_answer(std::string_view trnm, bool is_ok) {
  if (trnm != kReg && trnm != kRemove) return false;
  const bool removes = trnm == kRemove;
  const bool is_awaited = sent_ && sent_->removes == removes;
  // A REMOVE is obeyed with the one before it, because messages are taken in order. Whether a REG
  // was, its own answer says: taking another one's for it could leave its items without prices.
  if (owed_[removes] > 0 && !(is_awaited && removes)) {
    --owed_[removes];
    if (is_awaited) ++sent_->passed_over;
    return true;
  }
  if (!is_awaited) return false;
  settle(is_ok, /*answers=*/1);
  return true;
}

bool KiwoomRegistrations::on_real(const std::string& item) {
  if (!sent_ || sent_->removes) return false;
  if (std::ranges::find(sent_->items, item) == sent_->items.end()) return false;
  settle(/*is_ok=*/true, /*answers=*/0);
  return true;
}

/// `answers` were its own, as far as is known.
void KiwoomRegistrations::settle(bool is_ok, std::size_t answers) {
  const Order order = *std::exchange(sent_, std::nullopt);
  std::size_t& owed = owed_[order.removes];
  owed += order.times;
  owed -= std::min(owed, answers + order.passed_over);
  if (order.removes) {
    on_removed(order);  // refused means that it was not registered
  } else {
    is_ok ? on_added(order) : on_refused(order);
  }
}

void KiwoomRegistrations::on_added(const Order& order) {
  for (const std::string& item : order.items) {
    if (group_of_.emplace(item, order.group).second) ++sizes_[order.group];
  }
}

void KiwoomRegistrations::on_removed(const Order& order) {
  for (const std::string& item : order.items) sizes_[order.group] -= group_of_.erase(item);
}

void KiwoomRegistrations::on_refused(const Order& order) {
  // A group whose first message was refused has not begun.
  if (sizes_[order.group] == 0) named_.erase(order.group);
  if (order.items.size() == 1) {
    if (!wanted_.contains(order.items.front())) return;
    refused_.insert(order.items.front());
    newly_refused_ = order.items.front();
    return;
  }
  const auto middle = order.items.begin() + static_cast<std::ptrdiff_t>(order.items.size() / 2);
  halves_.emplace_front(middle, order.items.end());
  halves_.emplace_front(order.items.begin(), middle);
}

std::optional<std::string> KiwoomRegistrations::take_refused() {
  return std::exchange(newly_refused_, std::nullopt);
}

}  // namespace broadcast
