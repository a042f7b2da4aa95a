#pragma once
// Source `kiwoom_rest`: ka10095, up to 100 tickers a call, all of them every interval; a ticker
// that is new goes with the next call. Serves no indices. [plugin]

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/price/kiwoom/kiwoom_quotes.hpp"
#include "plugins/price/kiwoom/kiwoom_session.hpp"
#include "plugins/price/source.hpp"

namespace broadcast {

class KiwoomRestSource final : public PriceSource {
 public:
  static constexpr std::size_t kBatch = 100;

  KiwoomRestSource(std::chrono::nanoseconds interval, std::shared_ptr<KiwoomSession> session);
  ~KiwoomRestSource() override;
  KiwoomRestSource(const KiwoomRestSource&) = delete;
  KiwoomRestSource& operator=(const KiwoomRestSource&) = delete;

  [[nodiscard]] std::string_view name() const override { return "kiwoom_rest"; }
  [[nodiscard]] bool has_indices() const override { return false; }
  [[nodiscard]] std::chrono::nanoseconds period() const override { return interval_; }
  void start(Events events) override;
  void want(const Wanted& wanted) override;

 private:
  void begin_round();
  void ask_next();
  [[nodiscard]] std::vector<std::string> take_batch();
  void on_answer(const std::vector<std::string>& codes, const KiwoomAnswer& answer);

  const std::chrono::nanoseconds interval_;
  const std::shared_ptr<KiwoomSession> session_;
  Events events_;
  std::set<std::string> wanted_;
  std::set<std::string> fresh_;         // wanted, and not asked for yet
  std::set<std::string> round_;         // still to be asked for in this round
  std::optional<std::uint64_t> timer_;  // once started
  bool is_asking_ = false;
};

}  // namespace broadcast
