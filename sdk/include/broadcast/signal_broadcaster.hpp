#pragma once
// A new signal type in a dozen lines: takes what scanners send, checks it, and publishes
// `signal_update`. Needs nlohmann/json. Everything runs on the plugin's thread.

#include <string>
#include <string_view>

#include <broadcast/fields.hpp>

namespace broadcast {

/// One signal as it was sent, unknown fields included.
using Signal = Field;

class SignalBroadcaster : public Broadcaster {
 public:
  /// `topic` is what it owns; `signal_type` goes into every update. Both live as long as the
  /// library.
  SignalBroadcaster(const bc_host* host, std::string_view topic, std::string_view signal_type)
      : Broadcaster(host), topic_(topic), signal_type_(signal_type) {}

 protected:
  /// The `ticker` and `name` that every signal has. Throws Refused.
  static void check_instrument(const Signal& signal) {
    constexpr std::size_t kMaxNameBytes = 256;
    require_ticker(signal, "ticker");
    require_string(signal.at("name"), kMaxNameBytes);
  }
  /// Is this signal what it should be, beyond its `ticker` and `name`? Throw Refused, best by the
  /// require_ functions: `require_number(signal, "total_score")`.
  virtual void check(const Signal& /*signal*/) const {}
  /// A signal_update is out: the place to drop what is cached of the older one.
  virtual void on_published() {}

  void on_message(const Message& message) override {
    Json sent = parse_json(message.payload);
    std::string path;
    Json data = take_data(sent, path);
    const Field fields(data, path);
    if (const auto type = fields.find("signal_type")) require_text(*type, signal_type_);
    require_array(fields, "signals");
    check_all(Field(data["signals"], "signals"));
    publish_update(std::move(data));
  }

 private:
  /// The `data` of the update, out of any of the three shapes that producers send, and where in the
  /// message it stood.
  [[nodiscard]] Json take_data(Json& sent, std::string& path) const {
    if (sent.is_array()) {
      Json data;
      data["signals"] = std::move(sent);
      return data;
    }
    if (!sent.is_object()) {
      throw Refused("expected a list of signals, {\"signals\": [..]} or a signal_update");
    }
    const Field update(sent, "");
    const auto type = update.find("type");
    if (!type) {
      sent.erase("type");
      return std::move(sent);
    }
    require_text(*type, "signal_update");
    if (const auto topic = update.find("topic")) require_text(*topic, topic_);
    path = update.at("data").path();
    return std::move(sent["data"]);
  }

  void check_all(const Field& signals) const {
    for (std::size_t i = 0; i < signals.value().size(); ++i) {
      const Signal signal = signals.at(i);
      check_instrument(signal);
      check(signal);
    }
  }

  void publish_update(Json sent) {
    const std::size_t count = sent["signals"].size();
    const bool is_dated = sent.contains("timestamp") && sent["timestamp"].is_string();
    Json data = {{"signal_type", signal_type_},
                 {"signals", std::move(sent["signals"])},
                 {"count", count},
                 {"timestamp", is_dated ? sent["timestamp"] : Json(iso_timestamp(wall_ns()))}};
    for (auto& [key, value] : sent.items()) {
      if (!data.contains(key)) data[key] = std::move(value);
    }
    const Json update = {{"type", "signal_update"}, {"data", std::move(data)}};
    const PublishResult result = publish(topic_, update.dump());
    if (result == PublishResult::kBusy) throw Busy("the host is full");
    if (result == PublishResult::kOk) on_published();
  }

  const std::string_view topic_;
  const std::string_view signal_type_;
};

}  // namespace broadcast

/// BROADCAST_SIGNAL_PLUGIN(Class, "name", "1.0.0", "signal:topic", "TYPE"): the whole plugin around
/// a SignalBroadcaster that is constructed from (host, topic, type).
#define BROADCAST_SIGNAL_PLUGIN(Class, name, version, topic, type) \
  BROADCAST_SIGNAL_PLUGIN_WITH(Class, name, version, topic, type,  \
                               "{\"type\":\"object\",\"additionalProperties\":false}")

/// The same with the JSON Schema of its `config:`, a text.
#define BROADCAST_SIGNAL_PLUGIN_WITH(Class, name, version, topic, type, schema)       \
  namespace {                                                                         \
  class BroadcastSignalPlugin final : public Class {                                  \
   public:                                                                            \
    explicit BroadcastSignalPlugin(const bc_host* host) : Class(host, topic, type) {} \
  };                                                                                  \
  }                                                                                   \
  BROADCAST_PLUGIN(BroadcastSignalPlugin, name, version,                              \
                   "\"topics\":[{\"pattern\":\"" topic                                \
                   "\",\"delivery\":\"all\"}],"                                       \
                   "\"config\":" schema)
