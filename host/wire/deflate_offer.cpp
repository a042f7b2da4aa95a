#include "host/wire/deflate_offer.hpp"

#include <algorithm>
#include <utility>

namespace broadcast {

namespace {

constexpr int kLargestWindowBits = 15;

bool is_token_char(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         kOthers.find(c) != std::string_view::npos;
}

/// Takes an extension list apart from the front; every take skips the blanks behind it.
class ListReader {
 public:
  explicit ListReader(std::string_view list) : rest_(list) { skip_blanks(); }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    advance(1);
    return true;
  }
  /// Empty: there is none.
  std::string_view take_token() {
    std::size_t size = 0;
    while (size < rest_.size() && is_token_char(rest_[size])) ++size;
    return advance(size);
  }
  /// A token, quoted or not; nullopt: there is none.
  std::optional<std::string> take_value() {
    std::string value;
    if (!rest_.starts_with('"')) {
      value = take_token();
    } else {
      std::size_t at = 1;
      for (; at < rest_.size() && rest_[at] != '"'; ++at) {
        if (rest_[at] == '\\') ++at;
        if (at == rest_.size() || !is_token_char(rest_[at])) return std::nullopt;
        value += rest_[at];
      }
      if (at == rest_.size()) return std::nullopt;
      advance(at + 1);
    }
    return value.empty() ? std::nullopt : std::optional(std::move(value));
  }

 private:
  std::string_view advance(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    skip_blanks();
    return taken;
  }
  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
  }

  std::string_view rest_;
};

/// 8 to 15, as RFC 7692 writes it: without leading zeros.
std::optional<int> window_bits_of(std::string_view value) {
  if (value == "8" || value == "9") return value[0] - '0';
  if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5') {
    return 10 + value[1] - '0';
  }
  return std::nullopt;
}

/// The parameters of one offer.
class Offer {
 public:
  using Value = std::optional<std::string>;

  void add(std::string_view name, const Value& value) { is_allowed_ &= try_add(name, value); }

  [[nodiscard]] std::optional<DeflateTerms> terms() const {
    if (!is_allowed_) return std::nullopt;
    DeflateTerms terms{
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"};
    if (server_max_window_bits_) {
      terms.answer += "; server_max_window_bits=" + std::to_string(*server_max_window_bits_);
      if (*server_max_window_bits_ < kLargestWindowBits) terms.form = FrameForm::kPlain;
    }
    return terms;
  }

 private:
  /// Known, with the value it wants, for the first time.
  bool try_add(std::string_view name, const Value& value) {
    if (name == "server_no_context_takeover") {
      return !value && !std::exchange(server_no_context_takeover_, true);
    }
    if (name == "client_no_context_takeover") {
      return !value && !std::exchange(client_no_context_takeover_, true);
    }
    if (name == "client_max_window_bits") {  // leave to use less: we can inflate with the largest
      return (!value || window_bits_of(*value)) && !std::exchange(client_max_window_bits_, true);
    }
    if (name != "server_max_window_bits" || !value || server_max_window_bits_) return false;
    server_max_window_bits_ = window_bits_of(*value);
    return server_max_window_bits_.has_value();
  }

  bool is_allowed_ = true;
  bool server_no_context_takeover_ = false;
  bool client_no_context_takeover_ = false;
  bool client_max_window_bits_ = false;
  std::optional<int> server_max_window_bits_;
};

/// False: not a list of parameters.
bool read_parameters(ListReader& list, Offer& offer) {
  while (list.take(';')) {
    const std::string_view name = list.take_token();
    if (name.empty()) return false;
    Offer::Value value;
    if (list.take('=') && !(value = list.take_value())) return false;
    offer.add(name, value);
  }
  return true;
}

}  // namespace

DeflateAnswer answer_deflate_offers(std::string_view extensions) {
  static constexpr DeflateAnswer kInvalid{.is_valid = false, .terms = std::nullopt};
  DeflateAnswer answer;
  ListReader list(extensions);
  while (!list.at_end()) {
    if (list.take(',')) continue;  // empty elements are allowed (RFC 7230, 7)
    const std::string_view name = list.take_token();
    Offer offer;
    if (name.empty() || !read_parameters(list, offer)) return kInvalid;
    if (!list.at_end() && !list.take(',')) return kInvalid;
    if (name == "permessage-deflate" && !answer.terms) answer.terms = offer.terms();
  }
  return answer;
}

}  // namespace broadcast
