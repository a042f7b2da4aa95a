#pragma once
// Source `database`: what the dashboard's collectors have written to `daily_prices` and
// `market_status`. [plugin]

#include <string>

#include "plugins/database/database.hpp"
#include "plugins/price/source.hpp"

namespace broadcast {

class DatabaseSource final : public PriceSource {
 public:
  /// Throws std::invalid_argument for a URL that is none.
  DatabaseSource(const std::string& url, Database::Post post)
      : database_(DatabaseUrl::parse(url), std::move(post)) {}

  [[nodiscard]] std::string_view name() const override { return "database"; }
  [[nodiscard]] bool try_poll(const Wanted& wanted, Done done) override;

 private:
  Database database_;
};

}  // namespace broadcast
