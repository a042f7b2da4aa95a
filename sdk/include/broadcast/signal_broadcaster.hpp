#pragma once
// A signal type in a dozen lines: a broadcaster that takes the signals that scanners send, checks
// them, and publishes them as a `signal_update`. Everything here is [plugin]. Needs nlohmann/json.
//
//   class JonggaSignal : public broadcast::SignalBroadcaster {
//    public:
//     using SignalBroadcaster::SignalBroadcaster;
//     void check(const broadcast::Signal& signal) const override {
//       require_number(signal, "total_score");
//     }
//   };
//   BROADCAST_SIGNAL_PLUGIN(JonggaSignal, "jongga_signal", "1.0.0", "signal:jongga", "JONGGA_V2")

#include <string>
#include <string_view>

#include <broadcast/fields.hpp>

namespace broadcast {

/// One signal as it was sent, unknown fields included.
using Signal = Field;

/// Takes a message in any of three shapes: a list of signals, an object with `signals`, or a whole
/// `signal_update`. Refuses it where a signal is not what it should be. Publishes on its topic
/// {"type":"signal_update","data":{"signal_type","signals","count","timestamp", …}}, where the
/// timestamp is the sent one, or else now, and all that was sent beside it is kept.
class SignalBroadcaster : public Broadcaster {
 public:
  /// `topic` is the one that the manifest owns; `signal_type` goes into every update, and an update
  /// that names another is refused. Both texts outlive this: literals do.
  SignalBroadcaster(const bc_host* host, std::string_view topic, std::string_view signal_type)
      : Broadcaster(host), topic_(topic), signal_type_(signal_type) {}

 protected:
  /// Checks the `ticker` (see require_ticker()) and the `name` (at most 256 bytes) that every
  /// signal has. Throws Refused. Has been called for each signal before check() is.
  static void check_instrument(const Signal& signal) {
    constexpr std::size_t kMaxNameBytes = 256;
    require_ticker(signal, "ticker");
    require_string(signal.at("name"), kMaxNameBytes);
  }
  /// Called for every signal of a message before any of it is published. Throw Refused where it is
  /// not what it should be, best by the require_ functions: `require_number(signal,
  /// "total_score")`. `signal` is valid until this returns.
  virtual void check(const Signal& /*signal*/) const {}
  /// Called after a signal_update was published: the place to drop what is cached of the older one.
  virtual void on_published() {}

  /// As above. Throws Refused: not what it should be; Busy: the host is full.
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

/// BROADCAST_SIGNAL_PLUGIN(Class, "name", "1.0.0", "signal:topic", "TYPE"), once in a library and
/// outside of any namespace, makes `Class` a plugin as BROADCAST_PLUGIN does. It derives from
/// SignalBroadcaster and has its constructor (host, topic, type). The topic is delivered by `all`:
/// no update is skipped. `config:` has no keys.
#define BROADCAST_SIGNAL_PLUGIN(Class, name, version, topic, type) \
  BROADCAST_SIGNAL_PLUGIN_WITH(Class, name, version, topic, type,  \
                               "{\"type\":\"object\",\"additionalProperties\":false}")

/// The same with the JSON Schema of its `config:`, as a text.
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
