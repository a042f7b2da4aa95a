#pragma once
// A SQLite file of the dashboard's tables, for the broadcasters that read them.

#include <filesystem>
#include <stdlib.h>
#include <string>

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

namespace broadcast {

class SqliteFile {
 public:
  SqliteFile() {
    std::string name = (std::filesystem::temp_directory_path() / "broadcast-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~SqliteFile() { std::filesystem::remove_all(directory_); }
  SqliteFile(const SqliteFile&) = delete;
  SqliteFile& operator=(const SqliteFile&) = delete;

  [[nodiscard]] std::string path() const { return directory_ / "market.sqlite"; }
  [[nodiscard]] std::string url() const { return "sqlite:" + path(); }

  void create() {
    run("CREATE TABLE daily_prices(ticker varchar(6), date date, open_price double, high_price "
        "double,"
        " low_price double, close_price double, volume bigint, foreign_net_buy int, inst_net_buy "
        "int,"
        " PRIMARY KEY (ticker, date))");
    run("CREATE TABLE market_status(date date PRIMARY KEY, kospi double, kospi_change_pct double,"
        " kosdaq double, kosdaq_change_pct double, gate varchar(10), gate_score int,"
        " sector_scores json)");
  }
  void close_price(const std::string& ticker, const std::string& date, const std::string& price) {
    run("INSERT OR REPLACE INTO daily_prices(ticker, date, close_price, volume) VALUES('" + ticker +
        "', '" + date + "', " + price + ", 1000)");
  }
  void run(const std::string& statement) {
    soci::session session(soci::sqlite3, "dbname=\"" + path() + "\" timeout=5");
    session << statement;
  }

 private:
  std::filesystem::path directory_;
};

}  // namespace broadcast
