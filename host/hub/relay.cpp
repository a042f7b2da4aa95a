#include "host/hub/relay.hpp"

#include <stdexcept>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "host/hub/json_text.hpp"
#include "host/hub/topic_name.hpp"

namespace broadcast {

namespace {

/// Cut out of the text rather than parsed and written again: numbers stay as they were sent.
class MemberCutter {
 public:
  explicit MemberCutter(std::string_view object) : text_(object) {}

  std::string run() {
    skip_spaces();
    ++at_;  // the brace
    for (skip_spaces(); text_[at_] != '}'; skip_spaces()) {
      if (text_[at_] == ',') ++at_;
      take_member();
    }
    const std::string type = has_type_ ? "" : R"("type":"relay")";
    const char* const comma = type.empty() || members_.empty() ? "" : ",";
    return '{' + type + comma + members_ + '}';
  }

 private:
  void take_member() {
    skip_spaces();
    const std::size_t begin = at_;
    skip_string();
    // A key may be written with escapes.
    const auto key = nlohmann::json::parse(text_.substr(begin, at_ - begin)).get<std::string>();
    skip_spaces();
    ++at_;  // the colon
    const std::size_t value = at_ + text_.substr(at_).find_first_not_of(" \t\r\n");
    skip_value();
    if (key == "topic" || key == "seq") return;
    // A null says that there is none.
    if (key == "type" && text_[value] == 'n') return;
    has_type_ |= key == "type";
    if (!members_.empty()) members_ += ',';
    members_ += text_.substr(begin, at_ - begin);
  }

  void skip_value() {
    std::size_t depth = 0;
    for (;; ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        --at_;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']' || c == ',') && depth == 0) {
        return;
      } else if (c == '}' || c == ']') {
        --depth;
      }
    }
  }

  void skip_string() {
    for (++at_; text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }

  void skip_spaces() { at_ = text_.find_first_not_of(" \t\r\n", at_); }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::string members_;
  bool has_type_ = false;
};

Verdict verdict_of(const Published& published, std::string topic) {
  Verdict verdict;
  switch (published.status) {
    case PublishStatus::kOk:
      verdict.outcome = Verdict::Outcome::kAccepted;
      verdict.published = 1;
      verdict.topic = std::move(topic);
      verdict.last = published;
      return verdict;
    case PublishStatus::kBusy:
      verdict.text = "the host is busy; try again later";
      return verdict;
    case PublishStatus::kFull:
      verdict.text = std::string(published.problem) + "; try again later";
      verdict.has_failed_on_it = true;  // a stream is not held up for ever
      return verdict;
    case PublishStatus::kInvalid:
      verdict.text = "cannot be relayed: " + std::string(published.problem);
      break;
    case PublishStatus::kDenied:
      verdict.text = "cannot be relayed: the topic no longer belongs to the relay";
      break;
  }
  verdict.outcome = Verdict::Outcome::kRefused;
  return verdict;
}

}  // namespace

TopicPattern relay_pattern(std::string_view text, Delivery delivery) {
  const AskedTopic topic = parse_topic(std::string(text), kMaxTopicNameBytes);
  if (std::holds_alternative<TopicName>(topic)) return {std::string(text), "", delivery};
  const auto* const pattern = std::get_if<Pattern>(&topic);
  if (pattern == nullptr || pattern->prefix().starts_with(kStatusPrefix)) {
    throw std::invalid_argument("a topic such as news:krx, or a branch such as news:*");
  }
  return {std::string(pattern->prefix()) + "{name}", "", delivery};
}

std::string relayed(std::string_view json) {
  const std::size_t first = json.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  if (json[first] == '{') return MemberCutter(json).run();
  if (json[first] != '[') return {};
  return R"({"type":"relay","data":)" + std::string(json) + '}';
}

void Relay::post_message(ProducerMessage message, std::function<void(Verdict)> done) {
  const std::string payload = relayed(message.payload);
  if (payload.empty()) {
    return done({.outcome = Verdict::Outcome::kRefused,
                 .text = "expected an object or a list",
                 .last = {}});
  }
  if (message.published_before > 0) {
    return done({.outcome = Verdict::Outcome::kAccepted, .text = {}, .last = {}});
  }
  const Published published =
      publisher_.publish(*this, message.topic, payload, position_after(message.position, 1));
  Verdict verdict = verdict_of(published, std::move(message.topic));
  sequencer_.when_committed(
      published.commit,
      [done = std::move(done), verdict = std::move(verdict)](CommitOutcome outcome) {
        done(outcome == CommitOutcome::kCommitted ? verdict : not_kept(outcome, 0));
      });
}

}  // namespace broadcast
