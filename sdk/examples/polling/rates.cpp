// Exchange rates out of files, one a pair of currencies: polled, and only while somebody listens.

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>

class Rates : public broadcast::Broadcaster {
 public:
  using Broadcaster::Broadcaster;

 protected:
  void on_config(std::string_view json) override {
    const auto config = nlohmann::json::parse(json);
    directory_ = config.at("directory").get<std::string>();
    interval_ = *broadcast::parse_duration(config.at("interval").get_ref<const std::string&>());
  }

  void on_start() override {
    reads_ = define_metric(broadcast::MetricKind::kCounter, "reads", "Files that were read");
    every(interval_, [this] { poll(); });
  }

  // After a start the host tells of every topic that has subscribers, so nothing need be kept.
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
    const nlohmann::json update = {{"type", "rate"}, {"data", {{"pair", pair}, {"rate", rate}}}};
    publish(topic, update.dump());
    return true;
  }

  std::filesystem::path directory_;
  std::chrono::nanoseconds interval_{};
  std::set<std::string> wanted_;
  broadcast::Metric reads_;
};

BROADCAST_PLUGIN(Rates, "rates", "1.0.0", R"("requires":["bc.demand/1"],"demand":true,
"topics":[{"pattern":"rate:{pair}","match":"[A-Z]{6}","delivery":"latest"}],
"config":{"type":"object","required":["directory"],"additionalProperties":false,"properties":{
"directory":{"type":"string","description":"has a file a pair, USDKRW, with a number in it"},
"interval":{"type":"string","format":"duration","minimum":"100ms","default":"1s",
"description":"between two polls"}}})")
