// Exchange rates out of files, one a pair of currencies: polled, and only while somebody listens.

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>
#include <broadcast/config.hpp>

class Rates : public broadcast::Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    const broadcast::Config config(json);
    directory_ = config.text("directory");
    interval_ = config.duration("interval");
  }

  void on_start() override {
    reads_ = define_metric(broadcast::MetricKind::kCounter, "reads", "Files that were read");
    const std::string kept = kept_state();
    try {
      if (!kept.empty()) highs_ = nlohmann::json::parse(kept).get<std::map<std::string, double>>();
    } catch (const nlohmann::json::exception& error) {  // it may be another version's
      log(broadcast::LogLevel::kWarn, std::string("cannot read what was kept: ") + error.what());
    }
    every(interval_, [this] { poll(); });
  }

  // After a start the host tells of every topic that has subscribers, so that need not be kept.
  void on_demand(std::string_view topic, std::int64_t subscribers, bool /*replay*/) override {
    if (subscribers == 0) {
      wanted_.erase(std::string(topic));
    } else if (wanted_.emplace(topic).second) {
      poll();
    }
  }

 private:
  void poll() {
    std::string missing;
    for (const std::string& topic : wanted_) {
      if (!try_publish(topic)) missing += (missing.empty() ? "" : ", ") + topic;
    }
    report(missing.empty() ? broadcast::Health::kOk : broadcast::Health::kStale,
           missing.empty() ? "" : "cannot read " + missing);
  }

  bool try_publish(const std::string& topic) {
    // Safe as a file's name: the host answers for `match` in the manifest.
    const std::string pair = topic.substr(std::string_view("rate:").size());
    std::ifstream file(directory_ / pair);
    reads_.record(1);
    double rate = 0;
    if (!(file >> rate)) return false;
    const nlohmann::json update = {
        {"type", "rate"},
        {"data", {{"pair", pair}, {"rate", rate}, {"high", high_of(pair, rate)}}}};
    publish(topic, update.dump());
    return true;
  }

  // No file says how high it was before: the next generation has to be told.
  double high_of(const std::string& pair, double rate) {
    double& high = highs_[pair];
    if (rate > high) {
      high = rate;
      keep_state(nlohmann::json(highs_).dump());
    }
    return high;
  }

  std::filesystem::path directory_;
  std::chrono::nanoseconds interval_{};
  std::set<std::string> wanted_;
  std::map<std::string, double> highs_;  // by pair
  broadcast::Metric reads_;
};

BROADCAST_PLUGIN(Rates, "rates", "1.0.0", R"("requires":["bc.demand/1"],"demand":true,
"topics":[{"pattern":"rate:{pair}","match":"[A-Z]{6}","delivery":"latest"}],
"config":{"type":"object","required":["directory"],"additionalProperties":false,"properties":{
"directory":{"type":"string","description":"directory with one file per pair, such as USDKRW, that contains a number"},
"interval":{"type":"string","format":"duration","minimum":"100ms","default":"1s",
"description":"time between two polls"}}})")
