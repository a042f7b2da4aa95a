#pragma once
// A new signal type in a dozen lines: takes what scanners send, checks it, and publishes
// `signal_update`. Needs nlohmann/json. Everything runs on the plugin's thread.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>

namespace broadcast {

/// One signal as it was sent: an object, its keys in their order, unknown ones included.
using Signal = nlohmann::ordered_json;

/// A value of a signal that is looked at, and where it stands: what a Refused names.
class Field {
 public:
  Field(const Signal& value, std::string path) : value_(value), path_(std::move(path)) {}

  [[nodiscard]] const Signal& value() const { return value_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Throws Refused: "signals[2].ticker: expected text, got 7".
  [[noreturn]] void refuse(std::string_view expected) const {
    throw Refused(path_ + ": expected " + std::string(expected) + ", got " + shown());
  }
  /// The member `key`; refused when it is missing.
  [[nodiscard]] Field at(std::string_view key) const {
    if (!value_.is_object()) refuse("an object");
    const auto found = value_.find(key);
    const std::string path = path_ + "." + std::string(key);
    if (found == value_.end()) throw Refused(path + ": missing");
    return {*found, path};
  }
  [[nodiscard]] Field at(std::size_t index) const {
    return {value_.at(index), path_ + "[" + std::to_string(index) + "]"};
  }

 private:
  [[nodiscard]] std::string shown() const {
    std::string text = value_.dump(-1, ' ', false, Signal::error_handler_t::replace);
    if (text.size() > 64) text = std::string(value_.type_name());
    return text;
  }

  const Signal& value_;
  std::string path_;
};

/// Text that is not empty.
inline void require_string(const Field& field) {
  if (!field.value().is_string() || field.value().get_ref<const std::string&>().empty()) {
    field.refuse("text");
  }
}
inline void require_number(const Field& field) {
  if (!field.value().is_number()) field.refuse("a number");
}
inline void require_array(const Field& field) {
  if (!field.value().is_array()) field.refuse("a list");
}

class SignalBroadcaster : public Broadcaster {
 public:
  /// `topic` is what it owns; `signal_type` goes into every update. Both live as long as the
  /// library.
  SignalBroadcaster(const bc_host* host, std::string_view topic, std::string_view signal_type)
      : Broadcaster(host), topic_(topic), signal_type_(signal_type) {}

 protected:
  /// Is this signal what it should be, beyond its `ticker` and `name`? Throw Refused, best by the
  /// require_ functions: `require_number(signal.at("total_score"))`.
  virtual void check(const Field& /*signal*/) const {}
  /// A signal_update is out: the place to drop what is cached of the older one.
  virtual void on_published() {}

  void on_message(const Message& message) override {
    auto sent = Signal::parse(message.payload, nullptr, /*allow_exceptions=*/false);
    if (sent.is_discarded()) throw Refused("not valid JSON");
    Signal timestamp;
    Signal signals = take_signals(std::move(sent), timestamp);
    for (std::size_t i = 0; i < signals.size(); ++i) {
      const Field signal(signals[i], "signals[" + std::to_string(i) + "]");
      require_string(signal.at("ticker"));
      require_string(signal.at("name"));
      check(signal);
    }
    publish_update(std::move(signals), timestamp);
  }

 private:
  /// The list, out of any of the three shapes that producers send; `timestamp` if there was one.
  Signal take_signals(Signal sent, Signal& timestamp) const {
    if (sent.is_array()) return sent;
    if (!sent.is_object()) {
      throw Refused("expected a list of signals, {\"signals\": [..]} or a signal_update");
    }
    if (const auto type = sent.find("type"); type != sent.end()) {
      if (*type != "signal_update") Field(*type, "type").refuse("\"signal_update\"");
      if (const auto topic = sent.find("topic"); topic != sent.end() && *topic != topic_) {
        Field(*topic, "topic").refuse('"' + std::string(topic_) + '"');
      }
      Signal data = Field(sent, "signal_update").at("data").value();
      sent = std::move(data);
    }
    const Field fields(sent, "data");
    if (sent.is_object() && sent.contains("signal_type") && sent["signal_type"] != signal_type_) {
      fields.at("signal_type").refuse('"' + std::string(signal_type_) + '"');
    }
    require_array(fields.at("signals"));
    if (sent.contains("timestamp") && sent["timestamp"].is_string()) timestamp = sent["timestamp"];
    return std::move(sent["signals"]);
  }

  void publish_update(Signal signals, const Signal& timestamp) {
    const std::size_t count = signals.size();
    const Signal update = {
        {"type", "signal_update"},
        {"data",
         {{"signal_type", signal_type_},
          {"signals", std::move(signals)},
          {"count", count},
          {"timestamp", timestamp.is_string() ? timestamp : Signal(iso_timestamp(wall_ns()))}}}};
    if (publish(topic_, update.dump()) == PublishResult::kBusy) throw Busy("the host is full");
    on_published();
  }

  const std::string_view topic_;
  const std::string_view signal_type_;
};

}  // namespace broadcast

/// BROADCAST_SIGNAL_PLUGIN(Class, "name", "1.0.0", "signal:topic", "TYPE"): the whole plugin around
/// a SignalBroadcaster that is constructed from (host, topic, type).
#define BROADCAST_SIGNAL_PLUGIN(Class, name, version, topic, type)                    \
  namespace {                                                                         \
  class BroadcastSignalPlugin final : public Class {                                  \
   public:                                                                            \
    explicit BroadcastSignalPlugin(const bc_host* host) : Class(host, topic, type) {} \
  };                                                                                  \
  }                                                                                   \
  BROADCAST_PLUGIN(BroadcastSignalPlugin, name, version,                              \
                   "\"topics\":[{\"pattern\":\"" topic                                \
                   "\",\"delivery\":\"all\"}],"                                       \
                   "\"config\":{\"type\":\"object\",\"additionalProperties\":false}")
