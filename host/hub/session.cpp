// One file: a command each, and what they share of limits, answers and their cost.
#include "host/hub/session.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace broadcast {

namespace {

constexpr std::size_t kMaxOffences = 20;
constexpr std::chrono::seconds kOffenceWindow{10};
/// Subscribes that may be refused before they cost what other commands do, or as many as a request
/// may name, if that is more: a page asks for all its topics once.
constexpr std::size_t kFreeRefusals = 128;
/// So long a refused name costs a token; every further so many bytes, one more. Whoever looks for a
/// name's broadcaster reads all of it.
constexpr std::size_t kNameBytesAToken = 64;
/// A message of so many bytes costs a token more, and each further so many another one.
constexpr std::size_t kBytesAToken = 1024;
/// So many topics may be looked at for one token.
constexpr std::size_t kTopicsAToken = 128;

/// What the work of a request costs besides the command.
std::size_t tokens_of(std::size_t topics) { return topics == 0 ? 0 : (topics - 1) / kTopicsAToken; }

std::size_t refusal_tokens(const ErrorReply& error) {
  return 1 + error.topic.size() / kNameBytesAToken;
}

/// Garbage and floods. What is wrong with a topic is an answer: a page that asks for topics which
/// nobody serves asks for them again after each reconnect.
bool is_offence(const ErrorReply& error) {
  switch (error.code) {
    case ErrorCode::kBadJson:
    case ErrorCode::kBadMessage:
    case ErrorCode::kUnknownType:
    case ErrorCode::kRateLimited:
      return error.topic.empty();
    case ErrorCode::kInvalidTopic:
    case ErrorCode::kUnknownTopic:
    case ErrorCode::kTooManyTopics:
      break;
  }
  return false;
}

SubscriptionText text_of(const TopicIndex::View& view) {
  return {.topic = view.topic,
          .epoch = view.epoch,
          .seq = view.seq,
          .delivery = view.delivery,
          .recovered = view.recovered};
}

std::vector<SubscriptionText> texts_of(const std::vector<TopicIndex::View>& views) {
  std::vector<SubscriptionText> texts;
  texts.reserve(views.size());
  for (const TopicIndex::View& view : views) texts.push_back(text_of(view));
  return texts;
}

SubscribedText subscribed_text(const AskedTopic& topic,
                               const std::vector<TopicIndex::View>& views) {
  return {.name = text_of(topic),
          .is_pattern = std::holds_alternative<Pattern>(topic),
          .topics = texts_of(views)};
}

/// A page that asks for one topic wants to show it; one that names many says so.
TopicIndex::LastValues last_values_of(const Command& command) {
  using enum TopicIndex::LastValues;
  if (command.snapshot) return *command.snapshot ? kOfAll : kOfNone;
  return command.many ? kOfNew : kOfAll;
}

/// A pattern is answered with all that is under it: named again in the same request, not again.
bool is_pattern_again(const std::vector<AskedTopic>& topics, std::size_t at) {
  const auto end = topics.begin() + static_cast<std::ptrdiff_t>(at);
  return asks_for_pattern(topics[at]) && std::find(topics.begin(), end, topics[at]) != end;
}

/// What a client made or wanted is there for nobody else.
ErrorReply too_many_topics(const std::string& who, std::size_t most, Counter limit,
                           const std::string& topic) {
  return {.code = ErrorCode::kTooManyTopics,
          .message = who + " may ask for " + std::to_string(most) +
                     " topics that nobody else asks for, including those left within the last half "
                     "minute; try again later",
          .topic = topic,
          .limit = limit};
}

/// REQUIRES: answer.error.
ErrorReply subscribe_error(const TopicIndex::Answer& answer, const std::string& topic,
                           const Account* account) {
  using Error = SubscribeError;
  switch (*answer.error) {
    case Error::kInvalidName:
      return {.code = ErrorCode::kInvalidTopic,
              .message = "\"" + topic + "\" is not a topic",
              .topic = topic};
    case Error::kTooManyTopics:
      return {.code = ErrorCode::kTooManyTopics,
              .message = "The server's topic limit is reached; try again later",
              .topic = topic};
    case Error::kTooManyOfOwner:
      return {.code = ErrorCode::kTooManyTopics,
              .message = "The broadcaster of \"" + topic +
                         "\" has reached its topic limit; try again later",
              .topic = topic};
    case Error::kTooManyOfConnection:
      return too_many_topics("A connection", account->topics_per_connection(),
                             Counter::kLimitTopicsPerConnection, topic);
    case Error::kTooManyOfAddress:
      return too_many_topics("All connections of your address together",
                             account->topics_per_address(), Counter::kLimitTopicsPerAddress, topic);
    case Error::kRateOfAll:
      return {.code = ErrorCode::kBadMessage,
              .message = "\"max_rate\" is for topics of which only the newest value counts; of \"" +
                         topic + "\" nothing is skipped",
              .topic = topic};
    case Error::kTooManyNames:
      return {.code = ErrorCode::kTooManyTopics,
              .message = "\"" + topic +
                         "\" stands for more topics than one answer can name; subscribe by their "
                         "names",
              .topic = topic};
    case Error::kUnknownTopic:
      break;
  }
  return {.code = ErrorCode::kUnknownTopic,
          .message = "No broadcaster serves topic \"" + topic + "\"",
          .topic = topic};
}

}  // namespace

Session::Session(TopicIndex& index, const Limits& limits, Counters& counters, Outbox& outbox,
                 std::string client_id, std::vector<std::string> first_topics,
                 const std::optional<Heartbeat>& heartbeat, std::shared_ptr<Account> account)
    : index_(index),
      limits_(limits),
      counters_(counters),
      outbox_(outbox),
      subscriptions_(outbox, std::move(account)),
      opening_(std::make_unique<Opening>(
          Opening{std::move(client_id), std::move(first_topics), heartbeat})),
      tokens_(limits.commands_per_second) {}

void Session::on_open(MonoTime now) {
  const std::unique_ptr<Opening> opening = std::move(opening_);
  reply(write_connected(opening->client_id, opening->heartbeat));
  const std::size_t most = limits_.topics_per_request;
  Command request;
  request.many = true;  // though each is answered by itself
  Room room{.names_bytes = names_room()};
  for (std::size_t i = 0; i < std::min(most, opening->topics.size()) && !outbox_.closing(); ++i) {
    request.topics.push_back(parse_topic(std::move(opening->topics[i]), limits_.topic_name_bytes));
    if (is_pattern_again(request.topics, i)) continue;
    const AskedTopic& topic = request.topics[i];
    const auto result = try_subscribe(topic, request, room, now);
    if (const auto* error = std::get_if<ErrorReply>(&result)) {
      charge_refusal(*error, now);
      fail(*error, now);
    } else {
      answer_one(topic, std::get<Views>(result), {}, now);
    }
  }
  if (opening->topics.size() > most) {
    fail({.code = ErrorCode::kTooManyTopics,
          .message = "The query string names " + std::to_string(opening->topics.size()) +
                     " topics; the first " + std::to_string(most) + " were subscribed",
          .limit = Counter::kLimitTopicsPerRequest},
         now);
  }
}

void Session::on_text(std::string_view text, MonoTime now) {
  counters_.add(Counter::kMessagesReceived);
  const bool is_large = text.size() >= kBytesAToken;  // and has paid once it may be looked at
  if (is_large && !takes_bytes(text.size(), now)) return;
  const auto parsed = parse_command(text, limits_);
  const auto* command = std::get_if<Command>(&parsed);
  const auto* error = std::get_if<ErrorReply>(&parsed);
  if (error != nullptr && !is_offence(*error) && !is_large) return refuse(*error, now);
  const bool has_paid = is_large || is_free(command);
  if (!has_paid && !has_token(error != nullptr ? error->id : std::get<Command>(parsed).id, now)) {
    return;
  }
  if (error != nullptr) {
    fail(*error, now);
  } else {
    handle(*command, now);
  }
}

void Session::on_binary(std::string_view bytes, MonoTime now) {
  counters_.add(Counter::kMessagesReceived);
  if (bytes.size() >= kBytesAToken && !takes_bytes(bytes.size(), now)) return;
  fail(
      {.code = ErrorCode::kBadMessage, .message = "Binary frames are not accepted; send JSON text"},
      now);
}

void Session::on_shutdown(std::chrono::milliseconds retry_after) {
  reply(write_server_shutdown(retry_after));
}

void Session::on_host_pause(std::chrono::nanoseconds pause, MonoTime now) {
  const double rate = limits_.commands_per_second;
  tokens_.give(pause, rate, rate, now);
}

std::vector<std::string> Session::subscriptions() const {
  std::vector<std::string> names;
  for (TopicIndex::View& view : index_.list(subscriptions_)) names.push_back(std::move(view.topic));
  for (std::string& pattern : index_.list_patterns(subscriptions_)) {
    names.push_back(std::move(pattern));
  }
  return names;
}

void Session::on_closed(MonoTime now) { index_.unsubscribe_all(subscriptions_, now); }

void Session::handle(const Command& command, MonoTime now) {
  switch (command.kind) {
    case Command::Kind::kSubscribe:
      return command.many ? subscribe_many(command, now) : subscribe_one(command, now);
    case Command::Kind::kUnsubscribe:
      return unsubscribe(command, now);
    case Command::Kind::kPing:
      return reply(write_pong(command.id));
    case Command::Kind::kPong:
      return;  // that a frame came is what the heartbeat looks at
    case Command::Kind::kList:
      return list(command.id, now);
  }
}

std::variant<Session::Views, ErrorReply> Session::try_subscribe(const AskedTopic& topic,
                                                                const Command& command, Room& room,
                                                                MonoTime now) {
  if (const auto* const neither = std::get_if<NotATopic>(&topic)) {
    return not_a_topic(*neither, limits_);
  }
  if (subscriptions_.size() >= limits_.topics_per_connection &&
      !index_.is_subscribed(subscriptions_, topic)) {
    return ErrorReply{.code = ErrorCode::kTooManyTopics,
                      .message = "A connection may subscribe to " +
                                 std::to_string(limits_.topics_per_connection) + " topics",
                      .topic = text_of(topic),
                      .limit = Counter::kLimitTopicsPerConnection};
  }
  const TopicIndex::SubscribeOptions options{.since = &command.since,
                                             .interval = command.interval,
                                             .last_values = last_values_of(command),
                                             .most_names = room.names_bytes,
                                             .now = now};
  const auto* const pattern = std::get_if<Pattern>(&topic);
  if (pattern != nullptr) {
    if (auto error = too_much_work(*pattern, now)) return *std::move(error);
  }
  TopicIndex::Answer answer =
      pattern != nullptr ? index_.subscribe_under(subscriptions_, *pattern, options)
                         : index_.subscribe(subscriptions_, std::get<TopicName>(topic), options);
  charge_work(answer.looked_at, room.looked_at, now);
  Account* const account = subscriptions_.account();
  if (account != nullptr && pattern != nullptr) account->charge_work(answer.looked_at, now);
  if (answer.error) return subscribe_error(answer, text_of(topic), account);
  room.names_bytes -= answer.names_bytes;
  return std::move(answer.views);
}

void Session::subscribe_one(const Command& command, MonoTime now) {
  const AskedTopic& topic = command.topics.front();
  Room room{.names_bytes = names_room()};
  auto result = try_subscribe(topic, command, room, now);
  if (auto* error = std::get_if<ErrorReply>(&result)) {
    error->id = command.id;
    const bool has_cost = !is_free(&command);  // still, for a refusal changes nothing
    return has_cost ? fail(*error, now) : refuse(*error, now);
  }
  answer_one(topic, std::get<Views>(result), command.id, now);
}

void Session::answer_one(const AskedTopic& topic, const Views& views, std::string_view id,
                         MonoTime now) {
  reply(write_subscribed(subscribed_text(topic, views), id));
  for (const TopicIndex::View& view : views) index_.send(subscriptions_, view, now);
}

void Session::subscribe_many(const Command& command, MonoTime now) {
  std::vector<Views> answers;
  std::vector<const AskedTopic*> taken;
  std::vector<ErrorReply> rejected;
  Room room{.names_bytes = names_room()};
  for (std::size_t i = 0; i < command.topics.size(); ++i) {
    if (is_pattern_again(command.topics, i)) continue;
    const AskedTopic& topic = command.topics[i];
    auto result = try_subscribe(topic, command, room, now);
    if (auto* error = std::get_if<ErrorReply>(&result)) {
      if (error->limit) counters_.add(*error->limit);
      charge_refusal(*error, now);
      rejected.push_back(std::move(*error));
    } else {
      taken.push_back(&topic);
      answers.push_back(std::move(std::get<Views>(result)));
    }
  }
  std::vector<SubscribedText> texts;
  texts.reserve(answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    texts.push_back(subscribed_text(*taken[i], answers[i]));
  }
  reply(write_subscribed(texts, rejected, command.id));
  send_once(answers, now);
}

/// A topic that the request names twice, by patterns perhaps, comes once: as it was seen last.
void Session::send_once(const std::vector<Views>& answers, MonoTime now) {
  std::unordered_map<std::string_view, const TopicIndex::View*> newest;
  const auto has_messages = [](const TopicIndex::View& view) {
    return view.snapshot || !view.missed.empty();
  };
  for (const Views& views : answers) {
    for (const TopicIndex::View& view : views) {
      if (has_messages(view)) newest[view.topic] = &view;
    }
  }
  for (const Views& views : answers) {
    for (const TopicIndex::View& view : views) {
      const auto found = newest.find(view.topic);
      if (found != newest.end() && found->second == &view) index_.send(subscriptions_, view, now);
    }
  }
}

void Session::unsubscribe(const Command& command, MonoTime now) {
  std::size_t looked_at = 0;
  for (const AskedTopic& asked : command.topics) {
    // Subscribed to before limits.topic_name was lowered.
    const bool may_be_long = std::holds_alternative<NotATopic>(asked);
    const AskedTopic topic =
        may_be_long ? parse_topic(broadcast::text_of(asked), kMaxTopicNameBytes) : asked;
    // Not subscribed, or no topic at all: what was asked for holds already.
    if (const auto* const name = std::get_if<TopicName>(&topic)) {
      index_.unsubscribe(subscriptions_, *name, now);
    } else if (const auto* const pattern = std::get_if<Pattern>(&topic)) {
      charge_work(index_.unsubscribe_under(subscriptions_, *pattern, now), looked_at, now);
    }
  }
  reply(command.many ? write_unsubscribed(command.topics, command.id)
                     : write_unsubscribed(text_of(command.topics.front()), command.id));
}

void Session::list(const std::string& id, MonoTime now) {
  const std::vector<TopicIndex::View> views = index_.list(subscriptions_);
  charge(tokens_of(views.size()), now);
  reply(write_subscriptions(texts_of(views), index_.list_patterns(subscriptions_), id));
}

/// A frontend opens with a `subscribe` a topic: how many is topics_per_connection's business.
bool Session::is_free(const Command* command) const {
  return command != nullptr && command->kind == Command::Kind::kSubscribe && !command->many &&
         !index_.is_subscribed(subscriptions_, command->topics.front());
}

void Session::reply(std::string_view text) { outbox_.push_answer(text); }

void Session::fail(const ErrorReply& error, MonoTime now) {
  counters_.add(Counter::kErrorReplies);
  if (error.limit) counters_.add(*error.limit);
  reply(write_error(error));
  if (!is_offence(error)) return;
  Errors& errors = this->errors();
  std::erase_if(errors.offences, [&](MonoTime at) { return now - at >= kOffenceWindow; });
  errors.offences.push_back(now);
  if (errors.offences.size() > kMaxOffences) outbox_.close(kCloseFlood);
}

void Session::refuse(const ErrorReply& error, MonoTime now) {
  if (error.code == ErrorCode::kRateLimited) {
    charge(1, now);  // asking again in vain puts it off
  } else if (!is_free_refusal(error)) {
    if (!has_token(error.id, now)) return;
    charge(refusal_tokens(error) - 1, now);
  }
  fail(error, now);
}

void Session::charge_refusal(const ErrorReply& error, MonoTime now) {
  if (!is_free_refusal(error)) charge(refusal_tokens(error), now);
}

/// Never for a pattern: whether it is served, takes a look at all topics.
bool Session::is_free_refusal(const ErrorReply& error) {
  const std::size_t free = std::max(kFreeRefusals, limits_.topics_per_request);
  const std::size_t with_this = errors().refusals + refusal_tokens(error);
  if (error.topic.ends_with('*') || with_this > free) return false;
  errors().refusals = with_this;
  return true;
}

bool Session::takes_bytes(std::size_t bytes, MonoTime now) {
  if (!has_token({}, now)) return false;
  charge(bytes / kBytesAToken, now);
  return true;
}

void Session::charge(std::size_t tokens, MonoTime now) {
  const double rate = limits_.commands_per_second;
  if (tokens > 0 && rate > 0) tokens_.charge(static_cast<double>(tokens), rate, rate, now);
}

void Session::charge_work(std::size_t topics, std::size_t& before, MonoTime now) {
  const std::size_t paid = tokens_of(before);
  before += topics;
  charge(tokens_of(before) - paid, now);
}

std::optional<ErrorReply> Session::too_much_work(const Pattern& pattern, MonoTime now) {
  constexpr std::chrono::nanoseconds kNone{0};
  const double rate = limits_.commands_per_second;
  const auto own = rate > 0 ? tokens_.debt(rate, rate, now) : kNone;
  Account* const account = subscriptions_.account();
  const auto of_address = account != nullptr ? account->debt(now) : kNone;
  if (own == kNone && of_address == kNone) return std::nullopt;
  ErrorReply error{
      .code = ErrorCode::kRateLimited,
      .message = "More than " + std::to_string(limits_.commands_per_second) +
                 " commands a second, counted by their cost",
      .topic = pattern.text(),
      .retry_after = std::chrono::ceil<std::chrono::milliseconds>(std::max(own, of_address)),
      .limit = Counter::kLimitCommands};
  if (of_address > own) {
    error.message = "The patterns of your address stand for more topics a second than is allowed";
    error.limit = Counter::kLimitWorkPerAddress;
  }
  return error;
}

Session::Errors& Session::errors() {
  if (!errors_) errors_ = std::make_unique<Errors>();
  return *errors_;
}

bool Session::has_token(const std::string& id, MonoTime now) {
  if (limits_.commands_per_second == 0) return true;
  const double rate = limits_.commands_per_second;
  const std::chrono::nanoseconds wait = tokens_.take(rate, rate, now);
  if (wait == std::chrono::nanoseconds(0)) return true;
  fail(
      {.code = ErrorCode::kRateLimited,
       .message = "More than " + std::to_string(limits_.commands_per_second) + " commands a second",
       .id = id,
       .retry_after = std::chrono::ceil<std::chrono::milliseconds>(wait),
       .limit = Counter::kLimitCommands},
      now);
  return false;
}

}  // namespace broadcast
