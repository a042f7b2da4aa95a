#pragma once
// A new signal type in a dozen lines: takes what scanners send, checks it, and publishes
// `signal_update`. Needs nlohmann/json. Everything runs on the plugin's thread.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <broadcast/broadcaster.hpp>

namespace broadcast {

/// JSON whose objects keep the order of their keys.
using Json = nlohmann::ordered_json;

/// A value of what was sent, and where it stands: what a Refused names.
class Field {
 public:
  Field(const Json& value, std::string path) : value_(value), path_(std::move(path)) {}

  [[nodiscard]] const Json& value() const { return value_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Throws Refused: "signals[2].ticker: expected text, got 7".
  [[noreturn]] void refuse(std::string_view expected) const {
    throw Refused(path_ + ": expected " + std::string(expected) + ", got " + shown());
  }
  /// The member `key`; refused when it is missing.
  [[nodiscard]] Field at(std::string_view key) const {
    if (!value_.is_object()) refuse("an object");
    const auto found = value_.find(key);
    const std::string path = (path_.empty() ? "" : path_ + ".") + std::string(key);
    if (found == value_.end()) throw Refused(path + ": missing");
    return {*found, path};
  }
  /// REQUIRES: a list that is longer than `index`.
  [[nodiscard]] Field at(std::size_t index) const {
    return {value_.at(index), path_ + "[" + std::to_string(index) + "]"};
  }

 private:
  [[nodiscard]] std::string shown() const {
    std::string text = value_.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > 64) text = std::string(value_.type_name());
    return text;
  }

  const Json& value_;
  std::string path_;
};

/// One signal as it was sent, unknown fields included.
using Signal = Field;

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
/// Exactly this text.
inline void require_text(const Field& field, std::string_view text) {
  if (field.value() != text) field.refuse('"' + std::string(text) + '"');
}
inline void require_string(const Field& of, std::string_view key) { require_string(of.at(key)); }
inline void require_number(const Field& of, std::string_view key) { require_number(of.at(key)); }
inline void require_array(const Field& of, std::string_view key) { require_array(of.at(key)); }

class SignalBroadcaster : public Broadcaster {
 public:
  /// Lists and objects within each other, at most. Writing JSON recurses: without a limit, a
  /// message of brackets would overflow the stack and take the whole host with it.
  static constexpr int kMaxDepth = 64;

  /// `topic` is what it owns; `signal_type` goes into every update. Both live as long as the
  /// library.
  SignalBroadcaster(const bc_host* host, std::string_view topic, std::string_view signal_type)
      : Broadcaster(host), topic_(topic), signal_type_(signal_type) {}

 protected:
  /// Is this signal what it should be, beyond its `ticker` and `name`? Throw Refused, best by the
  /// require_ functions: `require_number(signal, "total_score")`.
  virtual void check(const Signal& /*signal*/) const {}
  /// A signal_update is out: the place to drop what is cached of the older one.
  virtual void on_published() {}

  void on_message(const Message& message) override {
    Json sent = parse(message.payload);
    std::string path;
    Json data = take_data(sent, path);
    const Field fields(data, path);
    if (data.is_object() && data.contains("signal_type")) {
      require_text(fields.at("signal_type"), signal_type_);
    }
    require_array(fields, "signals");
    check_all(Field(data["signals"], "signals"));
    publish_update(std::move(data));
  }

 private:
  static Json parse(std::string_view payload) {
    using Event = Json::parse_event_t;
    const auto shallow = [](int around, Event event, const Json&) {
      const bool opens = event == Event::array_start || event == Event::object_start;
      if (!opens || around < kMaxDepth) return true;
      throw Refused("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    };
    Json sent = Json::parse(payload, shallow, /*allow_exceptions=*/false);
    if (sent.is_discarded()) throw Refused("not valid JSON");
    return sent;
  }

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
    if (!sent.contains("type")) return std::move(sent);
    const Field update(sent, "");
    require_text(update.at("type"), "signal_update");
    if (sent.contains("topic")) require_text(update.at("topic"), topic_);
    path = update.at("data").path();
    return std::move(sent["data"]);
  }

  void check_all(const Field& signals) const {
    for (std::size_t i = 0; i < signals.value().size(); ++i) {
      const Signal signal = signals.at(i);
      require_string(signal, "ticker");
      require_string(signal, "name");
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
